"""Submits a Twister2 job: its jar or package, the release, and then the job to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import chart as charts
from . import jar, jobpackage, marks, signs, submission
from .errors import JobFailedError, JobKilledError, JobLostError, UsageError
from .guards import check_name
from .joblogs import failed_for_good, last_words
from .jobstate import TWISTER2, JobState, mode
from .jobwait import Follower
from .kube import Kubectl
from .lifecycle import Lifecycle
from .marks import Mark
from .model import JobAddresses
from .operation import Request
from .submission import Submission
from .workers import CONTAINER, Object

if TYPE_CHECKING:
    from .job import AsyncJob

OnReady = Callable[[JobAddresses], None]


class Upload:
    """The jar or package of a job, as a companion of its release."""

    def __init__(self, job: AsyncJob, pieces: jar.Pieces | None, package: jobpackage.JobPackage | None) -> None:
        """Keep what to send, if anything, and what the values must fit to."""
        self._job, self._pieces, self._package = job, pieces, package

    def check(self, rendered: Sequence[Object]) -> None:
        """Raise ValuesError unless the values make a Twister2 job, and the one of the package."""
        plan = jobpackage.plan(self._job.name, rendered)
        if self._package:
            jobpackage.check(self._package, plan)

    async def make(self) -> None:
        """Send the pieces."""
        if self._pieces:
            await self._pieces.make()

    async def own(self) -> None:
        """Give them to the job's Service."""
        if self._pieces:
            await jar.try_own(self._pieces, self._job.say)

    async def remove(self) -> str:
        """Remove them."""
        return await self._pieces.remove() if self._pieces else ""


async def prepare(
    job: AsyncJob, given: Submission, chart: Path, mark: Mark, deadline: float
) -> tuple[dict[str, Any], Upload]:
    """Return the values of a job and what has to be sent for it; nothing is sent yet.

    Raises:
        UsageError: The jar or package can't be used.
    """
    kubectl, package = Kubectl(job.connection), None
    if given.package:
        remedy = "Put it on a server that the pods reach, its URL into a Secret, and add --url-secret NAME."
        limit = jobpackage.LIMIT if given.url_secret else jar.LIMIT
        remedy = "" if given.url_secret else remedy
        content = await jar.read(given.package, "package", remedy, limit=limit, deadline=deadline)
        package = jobpackage.read(given.package, chart, job.name, await kubectl.namespace(), content=content)
        if told := submission.zookeeper(job.name, package.settings, packaged=True):
            job.say(told)
    elif given.local:
        content = await jar.read_jar(given.jar, given.worker_class, job.say, deadline=deadline)
    else:
        return submission.values(given, [], ""), Upload(job, None, None)
    pieces = jar.Pieces(kubectl, job.name, content, mark)
    if package:
        values = jobpackage.values(package, given.source(pieces.names, pieces.sha256))
        return values, Upload(job, pieces if given.local else None, package)
    return submission.values(given, pieces.names, pieces.sha256), Upload(job, pieces, None)


async def submit(
    job: AsyncJob, given: Submission, request: Request, *, detach: bool, publish: bool, on_ready: OnReady | None
) -> JobState:
    """Submit a job; see `AsyncJob.submit`."""
    given.check()
    check_name(request.name)
    mark, deadline = marks.new(request.timeout), request.ends()
    values, upload = await prepare(job, given, charts.find(request.chart), mark, deadline)
    follower = Follower(Kubectl(job.connection), job.name, job.say)
    try:
        lifecycle = Lifecycle(job.connection, job.say)
        wanted = replace(request, values=values, mark=mark, deadline=deadline)
        outcome = await lifecycle.install(wanted, upload, follower.ready)
        return await to_the_end(job, follower, outcome.revision, detach=detach, publish=publish, on_ready=on_ready)
    finally:
        await follower.close()


async def to_the_end(
    job: AsyncJob, follower: Follower, revision: int, *, detach: bool, publish: bool, on_ready: OnReady | None
) -> JobState:
    """Hand out the addresses of a job whose pods run, and follow it to its end, unless that is not wanted.

    Raises:
        JobFailedError: It failed.
        JobKilledError: It was killed.
        JobLostError: It can't end any more, or nobody can tell how it ended.
    """
    report = (await job.addresses())._replace(revision=revision)
    if on_ready:
        on_ready(report)
    if publish:
        await job.try_publish(report)
    if detach:
        return follower.state
    return await require_completed(Kubectl(job.connection), job.name, await follower.end(), follower.failures)


async def wait(job: AsyncJob, timeout: float | None) -> JobState:
    """Wait for the end of a job; see `AsyncJob.wait`."""
    deadline = None if timeout is None else time.monotonic() + timeout
    kubectl = Kubectl(job.connection)
    cluster = await kubectl.cluster(job.name, nodes=False)
    if not cluster.objects:
        raise await kubectl.missing(job.name)
    require_twister2(job.name, cluster.objects, "There is no end to wait for.")
    follower = Follower(kubectl, job.name, job.say)
    try:
        return await require_completed(kubectl, job.name, await follower.end(deadline), follower.failures)
    finally:
        await follower.close()


async def require_completed(
    kubectl: Kubectl, job: str, state: JobState, failures: Mapping[tuple[str, ...], str] | None = None
) -> JobState:
    """Return the state of a job that has completed; raise for every other end.

    `failures` says why containers ended that were restarted since, by pod and container.

    Raises:
        JobFailedError: It failed; the message has the exception that the worker failed with that failed for good.
        JobKilledError: It was killed.
        JobLostError: Nobody can tell how it ended.
    """
    if state.state == signs.COMPLETED:
        return state
    if state.state == signs.KILLED:
        raise JobKilledError(f"The job {job} was killed.", f"`twister2-job rerun {job}` runs it again.")
    if state.state != signs.FAILED:
        raise JobLostError(f"Nobody can tell how the job {job} ended: it is {state.state}.")
    why = f": {state.reason}" if state.reason else ""
    error = f"The job {job} failed{why}."
    if row := failed_for_good(state, (await kubectl.cluster(job, nodes=False)).objects):
        where = row.pod, f"{CONTAINER}{row.container}"
        words = await last_words(kubectl, *where, known=(failures or {}).get(where, ""))
        error = "\n  ".join([error, *words])
    raise JobFailedError(error, f"\n`twister2-job status {job}` shows its workers.")


def require_twister2(job: str, objects: Sequence[Object], remedy: str) -> None:
    """Raise UsageError unless the job is one of Twister2's own."""
    if (what := mode(job, objects)) != TWISTER2:
        runs = {"echo": "runs the echo worker", "command": "runs a command of its own"}.get(what, "is unknown")
        raise UsageError(f"The job {job} {runs}; it is no Twister2 job.", remedy)
