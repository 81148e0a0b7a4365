"""Reads the logs of a job's containers to find the job's state, and saves them before the containers are removed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.process import stream
from ..clients.resources import Cluster
from ..errors import JobError, NoRightsError, UsageError
from ..exposure.model import Worker
from ..exposure.workers import CONTAINER, Object, number, of_kind, table
from . import diagnosis, log_patterns
from .log_patterns import FULLY_FAILED, Progress
from .stack_traces import cause, without_frames
from .state import (
    MASTER,
    STARTING,
    UNKNOWN,
    JobState,
    container,
    has_run,
    is_suspended,
    master_name,
    master_pod,
    state_of,
)

TAIL = 10_000
"""The most lines that are read of a log: a job's own program may print without end."""
FAILURE = 1_000
"""The most lines that are read of a failed container's log: an exception may have long causes."""
OWN_LOGS = 64
"""The most workers whose own logs are read, each by a request, where the job master's log has no single workers."""
AT_ONCE = 4
"""Number of logs that are read at the same time."""


async def text(kubectl: Kubectl, pod: str, name: str, *, previous: bool = False, tail: int = TAIL) -> str:
    """Return the end of a container's log; empty if there is no log (yet).

    Raises:
        NoRightsError: The user may not read logs.
        NoClusterError: The cluster does not answer.
    """
    more = ["--previous"] if previous else []
    result = await kubectl.run("logs", pod, "-c", name, f"--tail={tail}", *more)
    if result.code and isinstance(error := translate(result.err, "kubectl", Step.READ), NoRightsError):
        raise error
    return "" if result.code else result.out


async def state(kubectl: Kubectl, job: str, cluster: Cluster) -> JobState:
    """Return the state of a Twister2 job, read from the job master's log and the ConfigMap `<job>`.

    Args:
        kubectl: The client.
        job: Name of the job.
        cluster: Its live objects.

    Raises:
        JobError: The cluster does not answer.
    """
    objects = cluster.objects
    if is_suspended(job, objects):
        return state_of(job, objects, Progress())
    pod = master_pod(job, objects)
    master = f"{master_name(job)}-0"
    try:
        now, before, counts = await asyncio.gather(
            text(kubectl, master, MASTER) if has_run(pod, MASTER) else _nothing(),
            text(kubectl, master, MASTER, previous=True) if _restarted(pod) else _nothing(),
            restart_counts(kubectl, job),
        )
        progress = log_patterns.read(now)
        unknown = progress.all_joined and not (progress.tells_workers or progress.end)
        exited = await _exited(kubectl, objects) if unknown else None
    except NoRightsError as error:
        return JobState(UNKNOWN, error.message.rstrip("."))
    found = state_of(job, objects, progress, previous=log_patterns.read(before), counts=counts, exited=exited)
    waits = await unfinished_package(kubectl, job, objects) if found.state == STARTING else []
    if waits:
        return replace(found, reason=waits[0])
    row = failed_for_good(found, objects)
    why = await failure(kubectl, row.pod, f"{CONTAINER}{row.container}") if row else ""
    return replace(found, reason=f"{found.reason}: {why}") if why else found


def failed_for_good(state: JobState, objects: Sequence[Object]) -> Worker | None:
    """Return the worker because of which a job failed; None if there is none."""
    failed = {worker.id for worker in state.workers if worker.state == FULLY_FAILED}
    return next((worker for worker in table(objects) if worker.id in failed), None)


async def _nothing() -> str:
    return ""


def _restarted(pod: Object | None) -> bool:
    return number(container(pod, MASTER).get("restartCount")) > 0


async def unfinished_package(kubectl: Kubectl, job: str, objects: Sequence[Object]) -> list[str]:
    """Return the last log line of the first init container that is still making the job package, in a sentence."""
    pods = diagnosis.pods_making_package(job, objects)
    said = (await text(kubectl, pods[0], diagnosis.PACKAGE, tail=1)).strip() if pods else ""
    return [f"the job's package is not there yet in pod {pods[0]}: {said}"] if said else []


async def restart_counts(kubectl: Kubectl, job: str) -> dict[str, str]:
    """Return the data of the ConfigMap in which Twister2 counts restarts; empty if it is missing."""
    found = await kubectl.items("configmaps", f"--field-selector=metadata.name={job}")
    return dict(found[0].get("data") or {}) if found else {}


async def _exited(kubectl: Kubectl, objects: Sequence[Object]) -> set[int] | None:
    """Return the IDs of the workers whose own logs say at the end that they are done; None for a large job."""
    workers = table(objects)
    if len(workers) > OWN_LOGS:
        return None
    pods = {pod["metadata"]["name"]: pod for pod in of_kind(objects, "Pod")}
    turn = asyncio.Semaphore(AT_ONCE)

    async def done(pod: str, name: str) -> bool:
        async with turn:
            return bool(log_patterns.WORKER_EXITED.search(await text(kubectl, pod, name, tail=5)))

    asked = [w for w in workers if has_run(pods.get(w.pod), f"{CONTAINER}{w.container}")]
    answers = await asyncio.gather(*(done(w.pod, f"{CONTAINER}{w.container}") for w in asked))
    return {worker.id for worker, answer in zip(asked, answers, strict=True) if answer}


@dataclass(frozen=True)
class Log:
    """The log of one run of a container."""

    pod: str
    container: str
    previous: bool

    @property
    def file(self) -> str:
        """Return the name of the file in which the log is saved."""
        return f"{self.pod}.{self.container}{'.previous' if self.previous else ''}.log"


def of_pods(pods: Sequence[Object]) -> list[Log]:
    """Return all logs of the pods: that of each container, and that of its previous run if there was one."""
    found = []
    for pod in pods:
        status = pod.get("status", {})
        for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            if {"running", "terminated"} & set(one.get("state") or {}) or one.get("lastState"):
                found.append(Log(pod["metadata"]["name"], one["name"], previous=False))
            if one.get("lastState"):
                found.append(Log(pod["metadata"]["name"], one["name"], previous=True))
    return found


def folder_for(job: str, chosen: str) -> Path:
    """Return the folder to save logs in: the chosen one, else the first new one of `<job>-logs`, `<job>-logs-2`, ...

    Raises:
        UsageError: The chosen folder is no folder, holds files already, or can't be read.
    """
    if chosen:
        path = Path(chosen)
        try:
            taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        except OSError as error:
            raise UsageError(f"{path} can't be used for logs: {error.strerror}.", "Choose another --logs.") from None
        if taken:
            raise UsageError(f"{path} exists already, and logs in it would be lost.", "Choose another --logs.")
        return path
    names = (f"{job}-logs{f'-{index}' if index > 1 else ''}" for index in range(1, 10_000))
    return next(Path(name) for name in names if not Path(name).exists())


async def save(kubectl: Kubectl, logs: Sequence[Log], folder: Path) -> int:
    """Save logs, and return how many; an empty or missing log does not overwrite a saved one.

    Raises:
        UsageError: The folder can't be written to.
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(log: Log) -> bool:
        more = ["--previous"] if log.previous else []
        argv = kubectl.argv("logs", log.pod, "-c", log.container, *more)
        part = folder / f"{log.file}.part"
        async with turn:
            with kubectl.connection.kubectl_environment() as inherited, part.open("wb") as file:
                async with stream(argv, env=inherited.env, pass_fds=inherited.descriptors) as reader:
                    size = 0
                    while chunk := await reader.read(2**16):
                        size += file.write(chunk)
        if size:
            part.replace(folder / log.file)
        else:
            part.unlink()
        return size > 0

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return sum(await asyncio.gather(*(one(log) for log in logs)))
    except OSError as error:
        raise UsageError(f"The logs can't be saved in {folder}: {error.strerror}.", "Choose another --logs.") from None


async def _cause_and_lines(kubectl: Kubectl, pod: str, name: str) -> tuple[str, list[str]]:
    """Return the exception that ended a container, or its previous run, and the lines of the first log with any.

    The exception is empty if the logs have none (any more); the lines are without the frames of stack traces.
    """
    words: list[str] = []
    for previous in (False, True):
        lines = (await text(kubectl, pod, name, previous=previous, tail=FAILURE)).splitlines()
        if why := cause(lines):
            return why, words
        words = words or without_frames(lines)
    return "", words


async def failure(kubectl: Kubectl, pod: str, name: str) -> str:
    """Return the exception that ended a container, or its previous run; empty if its logs have none (any more)."""
    return (await _cause_and_lines(kubectl, pod, name))[0]


async def failure_lines(kubectl: Kubectl, pod: str, name: str, known: str = "", lines: int = 5) -> list[str]:
    """Return why a container failed: the exception that ended it, else its last lines without frames of stack traces.

    Args:
        kubectl: The client.
        pod: Name of the pod.
        name: Name of the container.
        known: The exception that its logs showed earlier: they are lost with the pod or after two restarts.
        lines: The most lines to return if no exception is found.
    """
    try:
        why, words = await _cause_and_lines(kubectl, pod, name)
    except JobError:
        why, words = "", []
    why = why or known
    return [why] if why else words[-lines:]
