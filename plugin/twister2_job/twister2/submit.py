"""Submits a Twister2 job: sends its jar or package, installs the release, and follows the job to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..clients.connection import Connection
from ..clients.kubectl import Kubectl
from ..errors import JobFailedError, JobKilledError, JobLostError, UsageError
from ..exposure.live import read_addresses, read_cluster
from ..exposure.mode import TWISTER2, mode
from ..exposure.model import JobAddresses
from ..exposure.publish import try_publish
from ..exposure.workers import CONTAINER, Object
from ..release import chart as charts
from ..release import run_mark
from ..release.lifecycle import Lifecycle
from ..release.operation import Request, Say
from ..release.run_mark import Mark
from ..release.validation import check_name
from ..release.workload import Ready
from . import jar, job_package, log_patterns, submission
from .follower import Follower
from .logs import failed_for_good, failure_lines
from .state import JobState
from .submission import Submission
from .workload import Upload

OnReady = Callable[[JobAddresses], None]


async def prepare(
    kubectl: Kubectl, job: str, given: Submission, chart: Path, mark: Mark, deadline: float, say: Say, ready: Ready
) -> tuple[dict[str, Any], Upload]:
    """Return the values of a job and its workload with the files to send; nothing is sent yet.

    Raises:
        UsageError: The jar or package can't be used.
    """
    package = None
    if given.package:
        remedy = "Put it on a server that the pods reach, its URL into a Secret, and add --url-secret NAME."
        limit = job_package.LIMIT if given.url_secret else jar.LIMIT
        remedy = "" if given.url_secret else remedy
        content = await jar.read(given.package, "package", remedy, limit=limit, deadline=deadline)
        package = job_package.read(given.package, chart, job, await kubectl.namespace(), content=content)
        if note := submission.zookeeper(job, package.settings, packaged=True):
            say(note)
    elif given.local:
        content = await jar.read_jar(given.jar, given.worker_class, say, deadline=deadline)
    else:
        return submission.values(given, [], ""), Upload(job, say, None, None, ready)
    pieces = jar.Pieces(kubectl, job, content, mark)
    if package:
        values = job_package.values(package, given.source(pieces.names, pieces.sha256))
        return values, Upload(job, say, pieces if given.local else None, package, ready)
    return submission.values(given, pieces.names, pieces.sha256), Upload(job, say, pieces, None, ready)


async def submit(
    connection: Connection,
    given: Submission,
    request: Request,
    say: Say,
    *,
    detach: bool,
    publish: bool,
    on_ready: OnReady | None,
) -> JobState:
    """Submit a job; see `AsyncJob.submit`."""
    given.check()
    check_name(request.name)
    mark, deadline = run_mark.new(request.timeout), request.ends()
    chart, kubectl = charts.find(request.chart), Kubectl(connection)
    follower = Follower(kubectl, request.name, say)
    values, upload = await prepare(kubectl, request.name, given, chart, mark, deadline, say, follower.ready)
    try:
        wanted = replace(request, values=values, mark=mark, deadline=deadline)
        outcome = await Lifecycle(connection, say, upload).install(wanted)
        return await follow_to_end(
            kubectl, follower, outcome.revision, say, detach=detach, publish=publish, on_ready=on_ready
        )
    finally:
        await follower.close()


async def follow_to_end(
    kubectl: Kubectl,
    follower: Follower,
    revision: int,
    say: Say,
    *,
    detach: bool,
    publish: bool,
    on_ready: OnReady | None,
) -> JobState:
    """Report and publish the addresses of a running job, as asked for, and follow it to its end unless `detach`.

    Raises:
        JobFailedError: It failed.
        JobKilledError: It was killed.
        JobLostError: It can't end any more, or it is not known how it ended.
    """
    report = (await read_addresses(kubectl, follower.job))._replace(revision=revision)
    if on_ready:
        on_ready(report)
    if publish:
        await try_publish(kubectl.connection, report, say)
    if detach:
        return follower.state
    return await require_completed(kubectl, follower.job, await follower.end(), follower.failures)


async def wait(connection: Connection, name: str, say: Say, timeout: float | None) -> JobState:
    """Wait for the end of a job; see `AsyncJob.wait`."""
    deadline = None if timeout is None else time.monotonic() + timeout
    kubectl = Kubectl(connection)
    cluster = await read_cluster(kubectl, name, nodes=False)
    require_twister2(name, cluster.objects, "There is no end to wait for.")
    follower = Follower(kubectl, name, say)
    try:
        return await require_completed(kubectl, name, await follower.end(deadline), follower.failures)
    finally:
        await follower.close()


async def require_completed(
    kubectl: Kubectl, job: str, state: JobState, failures: Mapping[tuple[str, ...], str] | None = None
) -> JobState:
    """Return the state of a completed job; raise an error for every other end.

    `failures` says why containers that were restarted since had ended, by pod and container.

    Raises:
        JobFailedError: It failed; the message has the exception of the worker that failed for good.
        JobKilledError: It was killed.
        JobLostError: It is not known how it ended.
    """
    if state.state == log_patterns.COMPLETED:
        return state
    if state.state == log_patterns.KILLED:
        raise JobKilledError(f"The job {job} was killed.", f"`twister2-job rerun {job}` runs it again.")
    if state.state != log_patterns.FAILED:
        raise JobLostError(f"Nobody can tell how the job {job} ended: it is {state.state}.")
    why = f": {state.reason}" if state.reason else ""
    error = f"The job {job} failed{why}."
    if row := failed_for_good(state, (await kubectl.cluster(job, nodes=False)).objects):
        where = row.pod, f"{CONTAINER}{row.container}"
        words = await failure_lines(kubectl, *where, known=(failures or {}).get(where, ""))
        error = "\n  ".join([error, *words])
    raise JobFailedError(error, f"\n`twister2-job status {job}` shows its workers.")


def require_twister2(job: str, objects: Sequence[Object], remedy: str) -> None:
    """Raise UsageError unless the job is one of Twister2's own."""
    if (what := mode(job, objects)) != TWISTER2:
        runs = {"echo": "runs the echo worker", "command": "runs a command of its own"}.get(what, "is unknown")
        raise UsageError(f"The job {job} {runs}; it is no Twister2 job.", remedy)
