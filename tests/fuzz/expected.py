"""Where the chart puts values that must arrive as they are: pieces of pods, maps, and numbers with all their digits."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.conftest import CHART
from tests.fuzz.generator import Case
from tests.fuzz.strings import PLACEHOLDERS

DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
# Fields of a pod or a container that have another name in values.yaml.
POD = {
    "imagePullSecrets": "imagePullSecrets", "initContainers": "initContainers", "sidecars": "containers",
    "extraVolumes": "volumes", "podSecurityContext": "securityContext", "priorityClassName": "priorityClassName",
    "runtimeClassName": "runtimeClassName", "enableServiceLinks": "enableServiceLinks", "hostAliases": "hostAliases",
    "dnsConfig": "dnsConfig", "dnsPolicy": "dnsPolicy", "schedulerName": "schedulerName",
}  # fmt: skip
CONTAINER = {
    "env": "env", "envFrom": "envFrom", "extraVolumeMounts": "volumeMounts", "securityContext": "securityContext",
    "readinessProbe": "readinessProbe", "livenessProbe": "livenessProbe", "startupProbe": "startupProbe",
    "lifecycle": "lifecycle",
}  # fmt: skip
GROUP = ("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints")
SERVICE = (
    "externalTrafficPolicy", "internalTrafficPolicy", "sessionAffinity", "ipFamilyPolicy", "ipFamilies",
    "publishNotReadyAddresses",
)  # fmt: skip


def value(case: Case, path: str) -> Any:
    """Return a value, or the chart's default."""
    found: Any = functools.reduce(
        lambda inner, key: inner.get(key) if isinstance(inner, dict) else None, path.split("."), case.values
    )
    if found is None:
        found = functools.reduce(lambda inner, key: inner[key], path.split("."), DEFAULTS)
    return found


def holds(found: Any, given: Any) -> bool:
    """Tell whether a field has all of a value: each key of a map, each entry of a list."""
    if isinstance(given, dict):
        return isinstance(found, dict) and all(key in found and holds(found[key], one) for key, one in given.items())
    if isinstance(given, list):
        return isinstance(found, list) and all(any(holds(mine, one) for mine in found) for one in given)
    if isinstance(given, bool) or isinstance(found, bool):
        return found is given
    # JSON has one kind of number, and a reader of Kubernetes takes 5e+06 for no integer.
    return bool(found == given and isinstance(found, int) == isinstance(given, int))


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return an object, or an empty one."""
    for found in objects:
        if found["kind"] == kind and found["metadata"]["name"] == name:
            return found
    return {}


def groups(case: Case) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Yield index, values and first worker of each worker group."""
    first = 0
    own = {key: value(case, key) for key in ("instances", "workersPerPod", "resources", *GROUP)}
    for index, group in enumerate([{}, *value(case, "computeResources")]):
        merged = {**own, **{key: one for key, one in group.items() if one is not None}}
        yield index, merged, first
        first += int(merged["instances"] * merged["workersPerPod"])


def copied(case: Case, objects: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each value "as in Kubernetes" that isn't where it belongs."""
    for index, group, _ in groups(case):
        stateful_set = named(objects, "StatefulSet", f"{case.name}-{index}")
        if not stateful_set:
            yield f"StatefulSet {case.name}-{index} is missing"
            continue
        template = stateful_set["spec"]["template"]
        pod = template["spec"]
        for key, name in POD.items():
            given = case.values.get(key)
            if given and not holds(pod.get(name), given):
                yield f"{key}: pod.{name} is {pod.get(name)!r:.200}"
        # Twister2 ignores SIGTERM, so its pods have no time for it.
        grace = value(case, "terminationGracePeriodSeconds")
        if pod.get("terminationGracePeriodSeconds") not in (0, grace):
            yield f"terminationGracePeriodSeconds: {pod.get('terminationGracePeriodSeconds')} in place of {grace}"
        for key in GROUP:
            if group[key] and not holds(pod.get(key), group[key]):
                yield f"group {index}, {key}: it is {pod.get(key)!r:.200}"
        workers = [one for one in pod["containers"] if str(one["name"]).startswith("twister2-container-")]
        for container in workers[:2]:
            for key, name in CONTAINER.items():
                given = case.values.get(key)
                if given and not holds(container.get(name), given):
                    yield f"{key}: container.{name} is {container.get(name)!r:.200}"
            if group["resources"] and not holds(container.get("resources"), group["resources"]):
                yield f"group {index}, resources: it is {container.get('resources')!r:.200}"
            for key in ("command", "args"):
                if value(case, key) and container.get(key) != value(case, key):
                    yield f"{key}: it is {container.get(key)!r:.200}"
        for key, name in (("podLabels", "labels"), ("podAnnotations", "annotations")):
            if not holds(template["metadata"].get(name) or {}, value(case, key)):
                yield f"{key}: {name} are {template['metadata'].get(name)!r:.300}"
    for number, given in enumerate(value(case, "extraObjects")):
        if not any(holds(found, given) for found in objects):
            yield f"extraObjects[{number}]: it is not there as it is"
    services = {
        "headless": case.name, "nodePort": f"{case.name}-nodeport", "perWorker": f"{case.name}-w-0",
        "loadBalancer": f"{case.name}-loadbalancer",
    }  # fmt: skip
    for block, name in services.items():
        service = named(objects, "Service", name)
        if not service:
            continue
        own = (value(case, "perWorker.overrides") or {}).get("0") or {} if block == "perWorker" else {}
        for key in ("labels", "annotations"):
            given = {**value(case, f"{block}.{key}"), **(own.get(key) or {})}
            given = {name: text for name, text in given.items() if text not in PLACEHOLDERS}
            if not holds(service["metadata"].get(key) or {}, given):
                yield f"{block}.{key}: they are {service['metadata'].get(key)!r:.300}"
        for key in SERVICE:
            given = value(case, f"{block}.{key}") if key in DEFAULTS[block] else None
            if given and service["spec"].get(key) != given and (block, key) != ("perWorker", "externalTrafficPolicy"):
                yield f"{block}.{key}: it is {service['spec'].get(key)!r}"
    account = named(objects, "ServiceAccount", value(case, "serviceAccount.name") or case.name)
    if account and not holds(account["metadata"].get("annotations") or {}, value(case, "serviceAccount.annotations")):
        yield f"serviceAccount.annotations: they are {account['metadata'].get('annotations')!r:.300}"


def numbers(case: Case, objects: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each number that isn't what the values say, as an integer with all its digits."""

    def compare(what: str, found: Any, expected: Any) -> Iterator[str]:
        if found != expected or type(found) is not type(expected):
            yield f"{what}: {found!r} in place of {expected!r}"

    stride = 1 + len(value(case, "additionalPorts"))
    suspended = value(case, "suspend")
    for index, group, first in groups(case):
        found = named(objects, "StatefulSet", f"{case.name}-{index}")
        if not found:
            continue
        marks = found["metadata"]["annotations"]
        where = f"StatefulSet {case.name}-{index}"
        yield from compare(f"{where} replicas", found["spec"]["replicas"], 0 if suspended else int(group["instances"]))
        counts = {"first-worker": first, "instances": group["instances"], "workers-per-pod": group["workersPerPod"]}
        for key, number in counts.items():
            yield from compare(f"{where} {key}", marks.get(f"twister2-job/{key}"), str(int(number)))
        pod = found["spec"]["template"]["spec"]
        workers = [one for one in pod["containers"] if re.fullmatch(r"twister2-container-\d+", str(one["name"]))]
        yield from compare(f"{where} workers", len(workers), int(group["workersPerPod"]))
        for container, worker in enumerate(workers):
            expected = [int(value(case, "workerPort")) + container * stride + k for k in range(stride)]
            ports = [port["containerPort"] for port in worker.get("ports") or []]
            yield from compare(f"{where} ports", ports, expected)
    for name, number in (value(case, "perWorker.nodePortBase") or {}).items():
        own = (value(case, "perWorker.overrides") or {}).get("0") or {}
        for port in named(objects, "Service", f"{case.name}-w-0").get("spec", {}).get("ports", []):
            if port["name"] == name and name not in (own.get("nodePorts") or {}):
                yield from compare(f"perWorker.nodePortBase.{name}", port.get("nodePort"), int(number))
    for name, number in (value(case, "nodePort.nodePorts") or {}).items():
        for port in named(objects, "Service", f"{case.name}-nodeport").get("spec", {}).get("ports", []):
            if port["name"] == name:
                yield from compare(f"nodePort.nodePorts.{name}", port.get("nodePort"), int(number))
    if value(case, "podDisruptionBudget.enabled"):
        spec = named(objects, "PodDisruptionBudget", case.name)["spec"]
        for key in ("minAvailable", "maxUnavailable"):
            given = value(case, f"podDisruptionBudget.{key}")
            if given != "":
                yield from compare(f"podDisruptionBudget.{key}", spec.get(key), given)
