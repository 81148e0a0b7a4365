"""The table of workers, from the live StatefulSets and pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .model import Worker

Object = Mapping[str, Any]

GROUP = "twister2-job/group"
FIRST_WORKER = "twister2-job/first-worker"
INSTANCES = "twister2-job/instances"
WORKERS_PER_POD = "twister2-job/workers-per-pod"
CONTAINER = "twister2-container-"


def number(text: object, default: int = 0) -> int:
    """Return `text` as a number, or `default` if it is not one."""
    try:
        return int(str(text))
    except ValueError:
        return default


def part(item: Object, *keys: str) -> Object:
    """Return a map inside an object, such as its status; an empty one if it is null or missing."""
    for key in keys:
        item = item.get(key) or {}
    return item


def listed(item: Object, key: str) -> list[Any]:
    """Return a list inside an object without what is null in it; an empty one if it is null or missing."""
    return [one for one in item.get(key) or [] if one]


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """Return the objects of one kind."""
    return [item for item in objects if item.get("kind") == kind]


def removed(objects: Iterable[Object]) -> bool:
    """Tell whether nothing is left of a job, or only pods that end, as after an uninstall that did not wait."""
    return all(o.get("kind") == "Pod" and "deletionTimestamp" in o["metadata"] for o in objects)


def own_sets(objects: Iterable[Object], job: str) -> list[Object]:
    """Return the StatefulSets of a job by the chart's labels: a release may also hold the user's own StatefulSets."""
    own = {"app.kubernetes.io/name": "twister2-job", "app.kubernetes.io/instance": job}
    return [s for s in of_kind(objects, "StatefulSet") if own.items() <= (s["metadata"].get("labels") or {}).items()]


def worker_sets(objects: Iterable[Object]) -> list[Object]:
    """Return the StatefulSets of the worker groups, in the order of the groups."""
    sets = [s for s in of_kind(objects, "StatefulSet") if GROUP in (s["metadata"].get("labels") or {})]
    return sorted(sets, key=lambda s: number(s["metadata"]["labels"][GROUP]))


def group_path(group: int, key: str) -> str:
    """Return the path, in the chart's values, of a setting of a worker group."""
    return f"computeResources[{group - 1}].{key}" if group else key


def replicas(stateful_set: Object) -> int:
    """Return how many pods a StatefulSet should have."""
    return number(stateful_set.get("spec", {}).get("replicas", 1))


def sizes(objects: Iterable[Object]) -> dict[str, int]:
    """Return how many pods each worker group should have, by the name of its StatefulSet."""
    return {s["metadata"]["name"]: replicas(s) for s in worker_sets(objects)}


def resizes(live: Iterable[Object], rendered: Iterable[Object]) -> bool:
    """Tell whether an upgrade changes the number of pods of a worker group.

    Args:
        live: The job's objects in the cluster.
        rendered: Those of the upgrade.
    """
    wanted = sizes(rendered)
    return any(wanted.get(group) != pods for group, pods in sizes(live).items())


def pod_ready(pod: Object) -> bool:
    """Tell whether the pod is Ready and not being deleted."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def last_line(terminated: Mapping[str, Any]) -> str:
    """Return the last line of a failed container's termination message: by policy, the end of its log."""
    lines = str(terminated.get("message") or "").strip().splitlines()
    return lines[-1].strip() if lines and terminated.get("exitCode") else ""


def reason_of(pod: Object, container: str = "") -> str:
    """Return why a pod (or its `container`) is not ready, in Kubernetes' own words; empty if it is ready."""
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    states = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for state in states:
        if container and state.get("name", "").startswith(CONTAINER) and state["name"] != container:
            continue
        waiting = state.get("state", {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in ("PodInitializing", "ContainerCreating"):
            before = state.get("lastState", {}).get("terminated") or {}
            return ": ".join(filter(None, (waiting["reason"], waiting.get("message", ""), last_line(before))))
        ended = state.get("state", {}).get("terminated") or {}
        if ended.get("exitCode"):
            message = last_line(ended)
            return f"{ended.get('reason') or 'Error'}: exit code {ended['exitCode']}{': ' if message else ''}{message}"
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return ": ".join(filter(None, (condition.get("reason", ""), condition.get("message", ""))))
    if status.get("phase") == "Failed":
        return ": ".join(filter(None, (status.get("reason") or "Failed", status.get("message", ""))))
    for state in states:
        if waiting := state.get("state", {}).get("waiting"):
            return str(waiting.get("reason", "waiting"))
    if not pod_ready(pod):
        return "not ready yet"
    return ""


def table(objects: Sequence[Object]) -> list[Worker]:
    """Return the workers of a job: worker ID = first worker of its group + ordinal * workers per pod + container.

    A worker whose pod doesn't exist yet is in the table too.

    Args:
        objects: The job's live StatefulSets and pods; other kinds are ignored.
    """
    pods = {pod["metadata"]["name"]: pod for pod in of_kind(objects, "Pod")}
    workers = []
    for group in worker_sets(objects):
        metadata = group["metadata"]
        annotations = metadata.get("annotations") or {}
        first, in_pod = number(annotations.get(FIRST_WORKER)), max(1, number(annotations.get(WORKERS_PER_POD), 1))
        for ordinal in range(replicas(group)):
            name = f"{metadata['name']}-{ordinal}"
            for container in range(in_pod):
                worker = first + ordinal * in_pod + container
                index = number(metadata["labels"][GROUP])
                workers.append(_worker(worker, index, name, container, pods.get(name)))
    return sorted(workers, key=lambda w: w.id)


def reserved(groups: Sequence[Object], worker: int, pod: str) -> Worker:
    """Return a worker that doesn't run but has a Service: one of a suspended job, or one that may be added later.

    Args:
        groups: The StatefulSets of the worker groups.
        worker: ID of the worker.
        pod: Name of the pod that its Service leads to.
    """
    for group in groups:
        metadata = group["metadata"]
        if pod.rpartition("-")[0] == metadata["name"]:
            annotations = metadata.get("annotations") or {}
            in_pod = max(1, number(annotations.get(WORKERS_PER_POD), 1))
            container = (worker - number(annotations.get(FIRST_WORKER))) % in_pod
            return Worker(worker, number(metadata["labels"][GROUP]), pod, container, reserved=True)
    return Worker(worker, 0, pod, 0, reserved=True)


def _worker(worker: int, group: int, name: str, container: int, pod: Object | None) -> Worker:
    """Return one row of the table."""
    if pod is None:
        return Worker(worker, group, name, container, reason="no pod yet")
    wanted = f"{CONTAINER}{container}"
    mine = [s for s in pod.get("status", {}).get("containerStatuses") or [] if s.get("name") == wanted]
    ready = bool(mine and mine[0].get("ready")) and not pod["metadata"].get("deletionTimestamp")
    return Worker(
        id=worker,
        group=group,
        pod=name,
        container=container,
        node=pod.get("spec", {}).get("nodeName", ""),
        ready=ready,
        restarts=number(mine[0].get("restartCount")) if mine else 0,
        reason="" if ready else reason_of(pod, wanted),
    )


def port_names(objects: Iterable[Object]) -> list[str]:
    """Return the names of the workers' ports, read from the first worker of a pod, whose names have no suffix."""
    found: dict[str, None] = {}
    for group in worker_sets(objects):
        containers = group["spec"].get("template", {}).get("spec", {}).get("containers") or []
        first = [one for one in containers if one.get("name") == f"{CONTAINER}0"]
        found |= {port["name"]: None for one in first for port in one.get("ports") or [] if port.get("name")}
    return list(found)
