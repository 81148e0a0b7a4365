"""Objects of a Twister2 job as kubectl shows them, for tests without a cluster."""

from __future__ import annotations

from typing import Any

MASTER = "twister2-job-master-0"
Object = dict[str, Any]


def running(name: str, restarts: int = 0, ready: bool = True) -> Object:
    """The status of a container that runs; with restarts it ended before."""
    before = {"terminated": {"exitCode": 1, "reason": "Error"}} if restarts else {}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": {"running": {}}, "lastState": before}


def crashed(name: str, restarts: int = 1, reason: str = "Error", message: str = "") -> Object:
    """The status of a container that ended with 1 and waits for its next start."""
    ended = {"terminated": {"exitCode": 1, "reason": reason, "message": message}}
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    return {"name": name, "ready": False, "restartCount": restarts, "state": waits, "lastState": ended}


def waiting(name: str, reason: str) -> Object:
    """The status of a container that has never run."""
    return {"name": name, "ready": False, "restartCount": 0, "state": {"waiting": {"reason": reason}}, "lastState": {}}


def pod(name: str, *containers: Object, init: Object | None = None, uid: str = "a", **metadata: Any) -> Object:
    """A pod with these container statuses."""
    ready = bool(containers) and all(one["ready"] for one in containers)
    names = [one["name"] for one in containers] or ["twister2-container-0"]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": f"{name}-{uid}", **metadata},
        "spec": {"nodeName": "node-1", "containers": [{"name": one} for one in names]},
        "status": {
            "phase": "Running" if containers else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": list(containers),
            "initContainerStatuses": [init] if init else [],
        },
    }


def stateful_set(name: str, replicas: int, group: int | None = None, per_pod: int = 1) -> Object:
    """A StatefulSet; the job master's has no group."""
    labels = {} if group is None else {"twister2-job/group": str(group)}
    notes = {"twister2-job/first-worker": "0", "twister2-job/workers-per-pod": str(per_pod)}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": labels, "annotations": notes, "generation": 1},
        "spec": {"replicas": replicas, "updateStrategy": {"type": "OnDelete"}},
        "status": {"replicas": replicas, "readyReplicas": replicas, "observedGeneration": 1},
    }


def service(mode: str = "twister2") -> Object:
    """The headless Service."""
    return {"kind": "Service", "metadata": {"name": "job", "annotations": {"twister2-job/mode": mode}}, "spec": {}}


def master(*containers: Object, **more: Any) -> Object:
    """The job master's pod; it runs unless told otherwise."""
    return pod("job-jm-0", *(containers or (running(MASTER),)), **more)


def worker(ordinal: int, *containers: Object, **more: Any) -> Object:
    """A worker's pod; it runs unless told otherwise."""
    return pod(f"job-0-{ordinal}", *(containers or (running("twister2-container-0"),)), **more)


def whole_job(*pods: Object, workers: int = 2) -> list[Object]:
    """A job of that many workers; pods that are given take the place of those that run."""
    given = {one["metadata"]["name"]: one for one in pods}
    usual = [master(), *(worker(ordinal) for ordinal in range(workers))]
    every = [given.pop(one["metadata"]["name"], one) for one in usual]
    return [stateful_set("job-jm", 1), stateful_set("job-0", workers, group=0), *every, *given.values()]
