"""The state of a Twister2 job, from its job master's log and its live objects: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..exposure.model import Worker
from ..exposure.workers import CONTAINER, Object, number, of_kind, reason_of, replicas, table
from . import log_patterns
from .log_patterns import Progress

MASTER = "twister2-job-master-0"
"""Name of the job master's container."""
MASTER_COUNT = "RESTART_COUNT_FOR_JOB_MASTER"
"""Key of the ConfigMap `<job>` under which the job master counts its restarts."""
STARTING, RUNNING, LOST, SUSPENDED, UNKNOWN = "starting", "running", "lost", "suspended", "unknown"
ENDED = (log_patterns.COMPLETED, log_patterns.FAILED, log_patterns.KILLED)
MOST_CRASHES = 3
"""Restarts after which a job master that ends each time without a message counts as lost."""
RESTARTED = "without ZooKeeper that ends a job"


@dataclass(frozen=True)
class WorkerProgress:
    """A worker's state (waiting, joined, running, completed, failed, fully failed or unknown) and its restarts.

    A restarted worker is waiting until it joins again.
    """

    id: int
    state: str
    restarts: int = 0


@dataclass(frozen=True)
class JobState:
    """The state of a Twister2 job.

    Attributes:
        state: starting, running, completed, failed, killed, lost (it can't end any more), suspended or unknown.
        reason: Why it is in this state; a sentence without its full stop.
        master_restarts: How often the job master was restarted.
        workers: The state of each worker.
    """

    state: str
    reason: str = ""
    master_restarts: int = 0
    workers: tuple[WorkerProgress, ...] = ()

    @property
    def ended(self) -> bool:
        """Tell whether the job is known to have completed, failed or been killed."""
        return self.state in ENDED

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data."""
        return {
            "state": self.state,
            "reason": self.reason,
            "masterRestarts": self.master_restarts,
            "workers": [dict(vars(worker)) for worker in self.workers],
        }


def advice(progress: Progress) -> str:
    """Return the remedy for a lost job that would be lost again if it were only rerun; empty if a rerun may help."""
    znode = progress.znode
    return znode and (
        f"If no other job uses it, delete it (`deleteall {znode}` in ZooKeeper's zkCli.sh) before the job runs "
        "again; a job that is made of a jar gets a path of its own with a new job.submissionTime."
    )


def master_name(job: str) -> str:
    """Return the name of the job master's StatefulSet; its only pod has this name with `-0` appended."""
    return f"{job}-jm"


def master_set(job: str, objects: Sequence[Object]) -> Object | None:
    """Return the job master's StatefulSet."""
    found = [s for s in of_kind(objects, "StatefulSet") if s["metadata"]["name"] == master_name(job)]
    return found[0] if found else None


def master_pod(job: str, objects: Sequence[Object]) -> Object | None:
    """Return the job master's pod."""
    found = [p for p in of_kind(objects, "Pod") if p["metadata"]["name"] == f"{master_name(job)}-0"]
    return found[0] if found else None


def container(pod: Object | None, name: str) -> Mapping[str, Any]:
    """Return the status of a pod's container; empty while there is none."""
    states = (pod or {}).get("status", {}).get("containerStatuses") or []
    return next((state for state in states if state.get("name") == name), {})


def has_run(pod: Object | None, name: str) -> bool:
    """Tell whether a container runs or has run, and so has a log."""
    status = container(pod, name)
    return bool({"running", "terminated"} & set(status.get("state") or {}) or status.get("lastState"))


def is_suspended(job: str, objects: Sequence[Object]) -> bool:
    """Tell whether the job has no pods because its values say so."""
    master = master_set(job, objects)
    return master is not None and replicas(master) == 0


def state_of(
    job: str,
    objects: Sequence[Object],
    progress: Progress,
    *,
    previous: Progress | None = None,
    counts: Mapping[str, str] | None = None,
    exited: Collection[int] | None = None,
) -> JobState:
    """Return the state of a job and of its workers.

    Args:
        job: Name of the job.
        objects: Its live StatefulSets and pods.
        progress: The log of the job master's present run.
        previous: The log of its run before, if it was restarted; it counts if it has the job's end.
        counts: Data of the ConfigMap `<job>`, where Twister2 counts the restarts.
        exited: IDs of the workers whose own logs say that they are done; None if those logs were not read.
    """
    counts = counts or {}
    pod = master_pod(job, objects)
    counted = number(counts.get(MASTER_COUNT))
    restarts = max(number(container(pod, MASTER).get("restartCount")), counted)
    if previous and previous.end and not progress.end:
        progress = previous
    state, reason = _state(job, objects, progress, pod, restarts)
    pods = {pod["metadata"]["name"]: pod for pod in of_kind(objects, "Pod")}
    rows = []
    for worker in table(objects):
        times = max(worker.restarts, number(counts.get(f"RESTART_COUNT_FOR_WORKER_{worker.id}")))
        how = progress.state_of(worker.id)
        own = pods.get(worker.pod)
        there = has_run(own, f"{CONTAINER}{worker.container}")
        at_work = how in (log_patterns.JOINED, log_patterns.RUNNING)
        crashed = _crashed(own, f"{CONTAINER}{worker.container}")
        if (at_work or how == log_patterns.UNKNOWN) and (not there or crashed):
            how = log_patterns.FAILED if there else log_patterns.WAITING
        elif at_work and times and _started_after(own, worker, progress):
            how = log_patterns.WAITING
        elif how == log_patterns.UNKNOWN and progress.all_joined and not progress.cut and exited is not None:
            # A log of Twister2 0.3.0, which has no barrier and does not report single workers.
            how = log_patterns.COMPLETED if worker.id in exited else log_patterns.RUNNING
        rows.append(WorkerProgress(worker.id, how, max(times, progress.restarts(worker.id))))
    return replace(JobState(state, reason, restarts), workers=tuple(rows))


def _crashed(pod: Object | None, name: str) -> bool:
    """Tell whether a container has ended with an error and is not running again."""
    state = container(pod, name).get("state") or {}
    waits = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    return waits or bool((state.get("terminated") or {}).get("exitCode"))


def _started_after(pod: Object | None, worker: Worker, progress: Progress) -> bool:
    """Tell whether a worker's container was started after the worker joined last, so that it has yet to join again.

    The job master does not notice a JVM that was halted. Clocks of nodes may differ a little; a JVM starts in seconds.
    """
    from datetime import datetime

    started = (container(pod, f"{CONTAINER}{worker.container}").get("state") or {}).get("running") or {}
    try:
        when = datetime.fromisoformat(started["startedAt"].replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError):
        return False
    return 0 < progress.joined_at.get(worker.id, 0.0) < when


def _state(
    job: str, objects: Sequence[Object], progress: Progress, pod: Object | None, restarts: int
) -> tuple[str, str]:
    """Return the state of the job, and why."""
    if progress.end == log_patterns.FAILED and progress.failed:
        return progress.end, f"worker {progress.failed[0]} failed for good"
    if progress.end:
        return progress.end, ""
    if is_suspended(job, objects):
        return SUSPENDED, f"`twister2-job rerun {job}` runs it again"
    if lost := _lost(progress, pod, restarts):
        return LOST, lost
    total = len(table(objects))
    if restarts and not (progress.joined or progress.recovered):
        return UNKNOWN, "the job master was restarted, and has not said yet whether it goes on"
    if progress.refuses:
        return LOST, "a worker was restarted, and this version of Twister2 refuses it: the job never ends"
    if progress.all_joined and progress.barriers:
        return RUNNING, _waiting_again(progress)
    if progress.recovered:
        return RUNNING, "the job master was restarted and goes on"
    if progress.cut:
        return UNKNOWN, "the beginning of the job master's log is gone, and the rest doesn't say"
    if progress.all_joined:
        return STARTING, f"all {total} workers joined; not all are at the first barrier"
    if progress.started:
        if progress.joined:
            return STARTING, f"{progress.joined} of {total} workers joined"
        return STARTING, "no worker has been told to have joined"
    if pod is None:
        return STARTING, "the job master has no pod yet"
    why = reason_of(pod)
    if why in ("PodInitializing", "ContainerCreating"):
        return STARTING, "the pod of the job master is being started"
    return STARTING, f"the job master: {why or 'it has not said yet that it waits for the workers'}"


def _waiting_again(progress: Progress) -> str:
    """Return a sentence about the workers that wait at the barrier for workers past it; empty if none waits."""
    if not progress.at_barrier:
        return ""
    who = ", ".join(str(worker) for worker in sorted(progress.at_barrier)[:5])
    return f"worker {who} waits at the INIT barrier until all others come back to it"


def _lost(progress: Progress, pod: Object | None, restarts: int) -> str:
    """Return why the job can't end any more; empty if it can."""
    times = "once" if restarts == 1 else f"{restarts} times"
    if progress.znode:
        return f"ZooKeeper has {progress.znode} of an earlier run, and Twister2 starts no run where there is one"
    if progress.died:
        return f"the job master died: {progress.died}"
    if progress.exited:
        again = f" after it was restarted ({times}; {RESTARTED})" if restarts else ""
        return f"the job master ended{again} without a word on how the job ended"
    if restarts and progress.started and not (progress.joined or progress.recovered):
        return f"the job master was restarted {times} and knows of no worker; {RESTARTED}"
    waiting = container(pod, MASTER).get("state", {}).get("waiting") or {}
    if restarts >= MOST_CRASHES and waiting.get("reason") == "CrashLoopBackOff":
        return f"the job master was restarted {times} and ends each time: {reason_of(pod or {}, MASTER)}"
    return ""
