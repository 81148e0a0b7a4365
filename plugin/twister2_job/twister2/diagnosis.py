"""Finds the problems of a Twister2 job's pods, each cause once however many pods have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..exposure.workers import CONTAINER, Object, last_line, number, of_kind, pod_ready, reason_of, replicas, table
from .state import MASTER, master_name

PACKAGE = "job-package"
"""Name of the init container that gets the jar and makes Twister2's job package."""
MOST_FAILURES = 3
"""Failures of that container after which the job counts as lost: a further try would change nothing."""
PASSING = ("", "Terminating", "PodInitializing", "ContainerCreating", "not ready yet")
"""Reasons that are not reported: they pass in a moment."""


@dataclass(frozen=True)
class Problem:
    """A problem that keeps the job from going on.

    Attributes:
        key: Problems of the same key are reported once.
        text: A sentence without its full stop.
        fatal: Whether it can't pass by itself.
        log: Pod and container whose log of the previous run may say more; empty if there is none.
    """

    key: str
    text: str
    fatal: bool = False
    log: tuple[str, ...] = ()


def of_pods(job: str, objects: Sequence[Object]) -> list[Problem]:
    """Return the problems that keep the job's pods from running.

    Args:
        job: Name of the job.
        objects: Its live pods; other kinds are ignored.
    """
    from ..release.pod_reasons import unwrapped

    found: list[Problem] = []
    causes: dict[str, list[str]] = {}
    for pod in (p for p in of_kind(objects, "Pod") if _is_of_job(job, p)):
        if package := _package(pod):
            found.append(package)
        elif not pod_ready(pod) and (why := reason_of(pod)) not in PASSING and ": exit code " not in why:
            # The rest of a reason counts seconds or names the pod. An ended container is reported when it is restarted.
            cause = why.partition(":")[0]
            cause = "image" if cause in ("ErrImagePull", "ImagePullBackOff") else cause
            causes.setdefault(cause, []).append(f"pod {pod['metadata']['name']}: {unwrapped(why)}")
    for cause, texts in causes.items():
        more = f" (and {len(texts) - 1} more pod{'s' if len(texts) > 2 else ''})" if len(texts) > 1 else ""
        found.append(Problem(cause, texts[0] + more))
    return found


def lacks_pods(stateful_set: Object) -> bool:
    """Tell whether pods of a StatefulSet have not been made yet."""
    return number(stateful_set.get("status", {}).get("replicas")) < replicas(stateful_set)


def stuck(job: str, objects: Sequence[Object]) -> str:
    """Return a problem that keeps a pod of the job from running and may pass by itself; empty if there is none."""
    texts = [found.text for found in of_pods(job, objects) if not found.key.startswith("package")]
    lacking = [s["metadata"]["name"] for s in of_kind(objects, "StatefulSet") if lacks_pods(s)]
    texts += [f"StatefulSet {name} lacks pods" for name in lacking]
    return texts[0] if texts else ""


def _is_of_job(job: str, pod: Object) -> bool:
    """Tell whether a pod is of a worker or of the job master, and not one of `helm test`."""
    name: str = pod["metadata"]["name"].rpartition("-")[0]
    return name == master_name(job) or name.rpartition("-")[0] == job


def _package(pod: Object) -> Problem | None:
    """Return the problem of the init container that makes the job package; None if it hasn't failed."""
    for status in pod.get("status", {}).get("initContainerStatuses") or []:
        if status.get("name") != PACKAGE or status.get("ready"):
            continue
        ended = [(status.get(key) or {}).get("terminated") or {} for key in ("state", "lastState")]
        failed = next((one for one in ended if one.get("exitCode")), None)
        if failed is None:
            return None
        times = number(status.get("restartCount")) + bool(ended[0].get("exitCode"))
        message = last_line(failed) or f"exit code {failed['exitCode']}"
        text = f"the job's package can't be made in pod {pod['metadata']['name']}: {message.rstrip('.')}"
        fatal = times >= MOST_FAILURES
        return Problem(f"package {'given up' if fatal else message}", text, fatal)
    return None


def pods_making_package(job: str, objects: Sequence[Object]) -> list[str]:
    """Return the names of the pods whose init container runs: it may be waiting for a server."""
    found = []
    for pod in (p for p in of_kind(objects, "Pod") if _is_of_job(job, p)):
        for status in pod.get("status", {}).get("initContainerStatuses") or []:
            if status.get("name") == PACKAGE and "running" in (status.get("state") or {}):
                found.append(str(pod["metadata"]["name"]))
    return found


def restarts(job: str, objects: Sequence[Object]) -> list[Problem]:
    """Return a problem for each restarted worker, with the reason and exit code that Kubernetes reports."""
    found = []
    pods = {pod["metadata"]["name"]: pod for pod in of_kind(objects, "Pod")}
    for worker in (w for w in table(objects) if w.restarts):
        name = f"{CONTAINER}{worker.container}"
        states = pods[worker.pod].get("status", {}).get("containerStatuses") or []
        status = next(state for state in states if state.get("name") == name)
        ended = (status.get("lastState") or {}).get("terminated") or {}
        why = ended.get("reason") or "Error"
        why += f", exit code {ended['exitCode']}" if ended.get("exitCode") else ""
        text = f"worker {worker.id} (pod {worker.pod}) ended ({why}) and is started again; restart {worker.restarts}"
        found.append(Problem(f"restart {worker.id} {worker.restarts}", text, log=(worker.pod, name)))
    return found


def silent(job: str, objects: Sequence[Object], joined: set[int], started: bool) -> list[tuple[str, str, str]]:
    """Return the containers that run without having started or joined: name for people, pod and container.

    Args:
        job: Name of the job.
        objects: Its live StatefulSets and pods.
        joined: IDs of the workers that have joined.
        started: Whether the job master has said that it waits for workers.
    """
    if not started:
        return [("the job master", f"{master_name(job)}-0", MASTER)]
    waiting = [w for w in table(objects) if w.ready and w.id not in joined]
    return [(f"worker {w.id}", w.pod, f"{CONTAINER}{w.container}") for w in waiting]
