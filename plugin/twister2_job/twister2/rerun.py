"""Ends a Twister2 job and runs it again, while its Services and their ports stay."""

from __future__ import annotations

import time
from typing import Any

from ..clients.connection import Connection
from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.resources import selector
from ..errors import JobError, OutOfTimeError
from ..exposure.workers import of_kind
from ..release.lifecycle import Lifecycle
from ..release.live import live_release
from ..release.operation import Request, Say
from ..release.pin import merged
from ..release.workload import Ready
from . import log_patterns
from . import logs as job_logs
from .follower import Follower
from .state import MASTER, JobState, is_suspended, master_name
from .submission import submission_time, zookeeper
from .submit import OnReady, follow_to_end, require_twister2
from .workload import Twister2Workload

MASTER_LIMIT = 15.0
"""Seconds to wait until the job master says that it ends the job, as in Twister2's own client."""


async def kill(connection: Connection, name: str, say: Say, *, logs: str, timeout: float, chart: str) -> str:
    """Kill a job; see `AsyncJob.kill`."""
    deadline = time.monotonic() + timeout
    kubectl = Kubectl(connection)
    live = await live_release(connection, name, chart)
    upgrade = f"`twister2-job upgrade {name} --set suspend=true` stops its workers"
    require_twister2(name, live.objects, f"{upgrade}, `twister2-job uninstall {name}` removes it.")
    folder = job_logs.folder_for(name, logs)
    if is_suspended(name, live.objects):
        say(f"The job {name} is suspended already.")
    found = job_logs.of_pods(of_kind(live.objects, "Pod"))
    if found:
        saved = await job_logs.save(kubectl, found, folder)
        say(f"saved {saved} logs in {folder}")
    if not is_suspended(name, live.objects):
        if await _end_by_master(name, kubectl, say):
            mine = [log for log in found if log.container == MASTER and not log.previous]
            await job_logs.save(kubectl, mine, folder)  # Again, with its last lines.
        await _suspend(connection, name, live.values, deadline - time.monotonic(), chart, say)
    await _pods_gone(name, kubectl, deadline)
    return str(folder) if found else ""


async def _end_by_master(name: str, kubectl: Kubectl, say: Say) -> bool:
    """Ask the job master to end the job and wait for its answer; return whether it has logged an end."""
    before = log_patterns.read(await job_logs.text(kubectl, f"{master_name(name)}-0", MASTER))
    if before.end:
        say(f"the job {before.end if before.end != log_patterns.KILLED else 'was killed'} before")
        return True
    patch = '{"data":{"KILL_JOB":"true"}}'
    result = await kubectl.run("patch", "configmap", name, "--type=merge", "-p", patch, "-o", "name")
    if result.code and "not found" not in result.err.lower():
        raise translate(result.err, "kubectl", Step.WRITE)
    follower = Follower(kubectl, name, lambda _: None)
    try:
        state = await follower.end(time.monotonic() + MASTER_LIMIT)
    except JobError as error:
        say(f"the job master does not say that it ends the job ({_short(error)}); its pods are ended all the same")
        return False
    finally:
        await follower.close()
    say("the job master ends the job" if state.state == log_patterns.KILLED else f"the job {state.state} meanwhile")
    return True


def _short(error: JobError) -> str:
    return f"within {MASTER_LIMIT:.0f} s" if isinstance(error, OutOfTimeError) else str(error).rstrip(".")


async def _suspend(
    connection: Connection, name: str, values: dict[str, Any], timeout: float, chart: str, say: Say
) -> None:
    """Remove all pods and the ConfigMap of the run, by an upgrade of the release."""
    suspended = merged(values, {"suspend": True})
    await _upgrade(connection, name, suspended, max(timeout, 1), chart, say)


async def _upgrade(
    connection: Connection,
    name: str,
    values: dict[str, Any],
    timeout: float,
    chart: str,
    say: Say,
    ready: Ready | None = None,
) -> int:
    request = Request(name, arguments=["--reset-values"], values=values, chart=chart, timeout=timeout)
    outcome = await Lifecycle(connection, say, Twister2Workload(ready)).upgrade(request)
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
            f"The pods of {name} are not gone in time.", f"`kubectl get pods -l {selector(name)}` shows them."
        )


async def rerun(
    connection: Connection,
    name: str,
    say: Say,
    *,
    detach: bool,
    publish: bool,
    on_ready: OnReady | None,
    timeout: float,
    chart: str,
) -> JobState:
    """Run a job again; see `AsyncJob.rerun`."""
    deadline = time.monotonic() + timeout
    kubectl = Kubectl(connection)
    live = await live_release(connection, name, chart)
    again = "`twister2-job upgrade` or `kubectl rollout restart` starts its workers anew."
    require_twister2(name, live.objects, again)
    if note := zookeeper(name, (live.values.get("job") or {}).get("config") or {}):
        say(note)
    if not is_suspended(name, live.objects):
        say("suspending the job: its pods end, its Services and ports stay")
        await _suspend(connection, name, live.values, deadline - time.monotonic(), chart, say)
    await _pods_gone(name, kubectl, deadline)
    values = merged(live.values, {"suspend": False, "job": {"submissionTime": submission_time()}})
    follower = Follower(kubectl, name, say)
    try:
        left = max(1.0, deadline - time.monotonic())
        revision = await _upgrade(connection, name, values, left, chart, say, follower.ready)
        return await follow_to_end(kubectl, follower, revision, say, detach=detach, publish=publish, on_ready=on_ready)
    finally:
        await follower.close()
