"""Ends a Twister2 job and runs it again, while its Services and their ports stay."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import joblogs, signs
from .errors import JobError, OutOfTimeError
from .jobstate import MASTER, JobState, is_suspended, master_name
from .jobwait import Follower
from .kube import Kubectl
from .lifecycle import Lifecycle
from .messages import Step, translate
from .operation import Request
from .pin import merged
from .release import live_release
from .resources import selector
from .submission import submission_time, zookeeper
from .submit import OnReady, require_twister2, to_the_end
from .workers import of_kind

if TYPE_CHECKING:
    from .job import AsyncJob

MASTER_LIMIT = 15.0
"""Seconds that the job master gets to say that it ends the job, as Twister2's own client gives it."""


async def kill(job: AsyncJob, *, logs: str, timeout: float, chart: str) -> str:
    """Kill a job; see `AsyncJob.kill`."""
    deadline = time.monotonic() + timeout
    kubectl = Kubectl(job.connection)
    live = await live_release(job.connection, job.name, chart)
    upgrade = f"`twister2-job upgrade {job.name} --set suspend=true` stops its workers"
    require_twister2(job.name, live.objects, f"{upgrade}, `twister2-job uninstall {job.name}` removes it.")
    folder = joblogs.folder_for(job.name, logs)
    if is_suspended(job.name, live.objects):
        job.say(f"The job {job.name} is suspended already.")
    found = joblogs.of_pods(of_kind(live.objects, "Pod"))
    if found:
        saved = await joblogs.save(kubectl, found, folder)
        job.say(f"saved {saved} logs in {folder}")
    if not is_suspended(job.name, live.objects):
        if await _tell_master(job, kubectl):
            mine = [log for log in found if log.container == MASTER and not log.previous]
            await joblogs.save(kubectl, mine, folder)  # With its last words.
        await _suspend(job, live.values, deadline - time.monotonic(), chart)
    await _pods_gone(job.name, kubectl, deadline)
    return str(folder) if found else ""


async def _tell_master(job: AsyncJob, kubectl: Kubectl) -> bool:
    """Tell the job master to end the job, and wait for its word; tell whether it said anything."""
    before = signs.read(await joblogs.text(kubectl, f"{master_name(job.name)}-0", MASTER))
    if before.end:
        job.say(f"the job {before.end if before.end != signs.KILLED else 'was killed'} before")
        return True
    patch = '{"data":{"KILL_JOB":"true"}}'
    result = await kubectl.run("patch", "configmap", job.name, "--type=merge", "-p", patch, "-o", "name")
    if result.code and "not found" not in result.err.lower():
        raise translate(result.err, "kubectl", Step.WRITE)
    follower = Follower(kubectl, job.name, lambda _: None)
    try:
        state = await follower.end(time.monotonic() + MASTER_LIMIT)
    except JobError as error:
        job.say(f"the job master does not say that it ends the job ({_short(error)}); its pods are ended all the same")
        return False
    finally:
        await follower.close()
    job.say("the job master ends the job" if state.state == signs.KILLED else f"the job {state.state} meanwhile")
    return True


def _short(error: JobError) -> str:
    return f"within {MASTER_LIMIT:.0f} s" if isinstance(error, OutOfTimeError) else str(error).rstrip(".")


async def _suspend(job: AsyncJob, values: dict[str, Any], timeout: float, chart: str) -> None:
    """Take all pods and the ConfigMap of the run away, by an upgrade of the release."""
    await _upgrade(job, merged(values, {"suspend": True}), max(timeout, 1), chart)


async def _upgrade(
    job: AsyncJob, values: dict[str, Any], timeout: float, chart: str, follower: Follower | None = None
) -> int:
    request = Request(job.name, arguments=["--reset-values"], values=values, chart=chart, timeout=timeout)
    outcome = await Lifecycle(job.connection, job.say).upgrade(request, follower.ready if follower else None)
    return outcome.revision


async def _pods_gone(name: str, kubectl: Kubectl, deadline: float) -> None:
    """Wait until no pod of the job is left.

    Raises:
        OutOfTimeError: The deadline has passed.
    """
    seconds = max(1.0, deadline - time.monotonic())
    result = await kubectl.run(
        "wait", "--for=delete", "pods", "-l", selector(name), f"--timeout={seconds:.0f}s",
        timeout=seconds + 10,
    )  # fmt: skip
    if result.code and "no matching resources" not in result.err:
        raise OutOfTimeError(
            f"The pods of {name} are not gone in time.", f"Look at them: kubectl get pods -l {selector(name)}"
        )


async def rerun(
    job: AsyncJob, *, detach: bool, publish: bool, on_ready: OnReady | None, timeout: float, chart: str
) -> JobState:
    """Run a job again; see `AsyncJob.rerun`."""
    deadline = time.monotonic() + timeout
    kubectl = Kubectl(job.connection)
    live = await live_release(job.connection, job.name, chart)
    again = "`twister2-job upgrade` or `kubectl rollout restart` starts its workers anew."
    require_twister2(job.name, live.objects, again)
    if told := zookeeper(job.name, (live.values.get("job") or {}).get("config") or {}):
        job.say(told)
    if not is_suspended(job.name, live.objects):
        job.say("suspending the job: its pods end, its Services and ports stay")
        await _suspend(job, live.values, deadline - time.monotonic(), chart)
    await _pods_gone(job.name, kubectl, deadline)
    values = merged(live.values, {"suspend": False, "job": {"submissionTime": submission_time()}})
    follower = Follower(kubectl, job.name, job.say)
    try:
        revision = await _upgrade(job, values, max(1.0, deadline - time.monotonic()), chart, follower)
        return await to_the_end(job, follower, revision, detach=detach, publish=publish, on_ready=on_ready)
    finally:
        await follower.close()
