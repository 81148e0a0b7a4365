"""Finds problems before anything is changed, all at once: moved worker IDs, taken node ports, exceeded quotas.

The checks need rights in one namespace only. Fixed node ports are checked by a dry run of the API server: it reserves
nothing, but it reports a taken port. Ports that Kubernetes picks need no check.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..clients.kubectl import Kubectl
from ..clients.messages import Step, translate
from ..clients.messages.text import listed
from ..clients.resources import LIMIT
from ..errors import JobError, NoRightsError, PortTakenError, RefusedError, ValuesError
from ..exposure.ways import EXPOSURE, WORKER
from ..exposure.workers import (
    FIRST_WORKER,
    INSTANCES,
    WORKERS_PER_POD,
    Object,
    group_path,
    number,
    of_kind,
    worker_sets,
)
from . import load_balancers, volume_claims

_SERVICE = re.compile(r'(?:Service|services) "([^"]+)" is (?:invalid|forbidden)')
_TAKEN = re.compile(r"spec\.ports\[(\d+)\]\.nodePort: Invalid value: (\d+): provided port is already allocated")
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: ([^,\s]+), used: ([^,\s]+), limited: ([^,\s]+)")
_QUOTA_KEYS = ("services", "count/services", "services.nodeports", "services.loadbalancers")


HOLDERS = 5.0
"""Seconds to find out which Service has a taken port: the user waits for the error meanwhile."""


@dataclass
class Findings:
    """The problems that were found; each text is `values path: problem; remedy`."""

    values: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    quota: list[str] = field(default_factory=list)

    def error(self) -> JobError | None:
        """Return one error with all problems, of the first one's type; None if there is no problem."""
        text = "\n  ".join([*self.values, *self.taken, *self.quota])
        if self.values:
            return ValuesError(text)
        if self.taken:
            return PortTakenError(text)
        return RefusedError(text) if self.quota else None


def _ports(service: Object) -> list[Mapping[str, Any]]:
    return list((service.get("spec") or {}).get("ports") or [])


def _path(service: Object, index: int) -> str:
    """Return the path of the value that sets a node port."""
    port = _ports(service)[index].get("name") or "worker"
    if EXPOSURE not in (service["metadata"].get("labels") or {}):
        return f"extraObjects (Service {service['metadata']['name']}).spec.ports[{index}].nodePort"
    worker = (service["metadata"].get("labels") or {}).get(WORKER)
    if worker is not None:
        return f"perWorker.overrides.{worker}.nodePorts.{port} (or perWorker.nodePortBase.{port})"
    return f"nodePort.nodePorts.{port}{' (or nodePort.port)' if index == 0 else ''}"


def moved_workers(live: Sequence[Object], rendered: Sequence[Object]) -> list[str]:
    """Return a problem for each group whose workers would get other IDs; only the last group may change its size.

    Args:
        live: The job's objects in the cluster.
        rendered: Those of the upgrade.
    """

    def groups(objects: Sequence[Object]) -> list[tuple[int, int, int]]:
        notes = [s["metadata"].get("annotations") or {} for s in worker_sets(objects)]
        return [
            (number(n.get(FIRST_WORKER)), number(n.get(INSTANCES)), number(n.get(WORKERS_PER_POD), 1)) for n in notes
        ]

    problems = []
    old, new = groups(live), groups(rendered)
    for group, (before, after) in enumerate(zip(old, new, strict=False)):
        if before[2] != after[2]:
            problems.append(
                f"{group_path(group, 'workersPerPod')}: {before[2]} of the running job would become {after[2]}, and "
                "the IDs of its workers would move to other pods; install a job of another name instead"
            )
        elif before[1] != after[1] and group < len(old) - 1:
            if group < len(new) - 1:
                moves = f"worker {old[group + 1][0]} would become worker {new[group + 1][0]}, with all behind it"
            elif after[1] > before[1]:
                moves = f"worker {old[group + 1][0]} of the next group, which goes, would become one of this group"
            else:
                continue  # The later groups are removed, and no other group takes their IDs.
            problems.append(
                f"{group_path(group, 'instances')}: {before[1]} of the running job would become {after[1]}, and "
                f"{moves}: addresses would lead to other workers; change only the last group, or add one behind it"
            )
    return problems


def lost_ports(live: Sequence[Object], rendered: Sequence[Object]) -> list[str]:
    """Return sentences for the job's node ports that an upgrade loses, since it removes a Service or a port of one."""
    kept = {s["metadata"]["name"]: s for s in of_kind(rendered, "Service")}
    own: list[str] = []
    shared: list[str] = []
    for service in _exposures(live):
        name = service["metadata"]["name"]
        new = kept.get(name, {"spec": {}})
        stays = {port.get("name") for port in _ports(new)} if load_balancers.keeps_node_ports(service, new) else set()
        lost = [str(p["nodePort"]) for p in _ports(service) if p.get("nodePort") and p.get("name") not in stays]
        kind = (service["spec"].get("type"), new["spec"].get("type"))
        address = load_balancers.address_of(service) if kind[0] != kind[1] else ""
        if not lost and not address and name in kept:
            continue
        ports = f" (node port{'s' if len(lost) > 1 else ''} {', '.join(lost)})" if lost else ""
        ports = f" (load balancer {address})" if address else ports
        (shared if (service["metadata"].get("labels") or {}).get(WORKER) is None else own).append(f"{name}{ports}")
    sentences = []
    if shared:
        sentences.append(f"{', '.join(shared)}: this way in is given up; nobody holds its numbers for a later one.")
    if own:
        names = listed(own)
        on = any((service["metadata"].get("labels") or {}).get(WORKER) is not None for service in kept.values())
        keeps = "perWorker.count" if on else "perWorker.enabled=true"
        sentences.append(f"{names}: these Services and their node ports are given up; {keeps} keeps them.")
    return sentences


def swapped(live: Sequence[Object], rendered: Sequence[Object]) -> dict[tuple[str, int], str]:
    """Return a problem for each wanted node port that another Service of the job has now, by (Service, port's index).

    Kubernetes changes one Service after the other, and refuses a port as long as another Service has it.
    """
    holder = {
        port["nodePort"]: service["metadata"]["name"]
        for service in of_kind(live, "Service")
        for port in _ports(service)
        if port.get("nodePort")
    }
    problems = {}
    for service in of_kind(rendered, "Service"):
        name = service["metadata"]["name"]
        for index, port in enumerate(_ports(service)):
            wanted = port.get("nodePort")
            if wanted and holder.get(wanted, name) != name:
                problems[name, index] = (
                    f"{_path(service, index)}: node port {wanted} is that of Service {holder[wanted]} of this job, and "
                    f"Kubernetes can't move it in one step; first give {holder[wanted]} another port, or expose that "
                    "worker no longer, and move it in a second upgrade"
                )
    return problems


def _exposures(objects: Iterable[Object]) -> list[Object]:
    return [s for s in of_kind(objects, "Service") if EXPOSURE in (s["metadata"].get("labels") or {})]


async def check(
    kubectl: Kubectl, live: Sequence[Object], rendered: Sequence[Object], job: str, before: Sequence[Object] = ()
) -> None:
    """Check everything.

    Args:
        kubectl: The client.
        live: The job's objects in the cluster; empty for an install.
        rendered: The objects of the install or upgrade.
        job: Name of the job.
        before: The rendered objects of the revision that an upgrade builds on.

    Raises:
        ValuesError: IDs of running workers would move, volume claims or the class of a load balancer would change, or
            Services would swap node ports.
        PortTakenError: Other Services have node ports that the values ask for.
        RefusedError: The upgrade or install would exceed a quota.
    """
    moved = [*moved_workers(live, rendered), *volume_claims.changed(live, rendered, job)] if live else []
    findings = Findings(values=[*moved, *load_balancers.fixed_fields(live, rendered, before)])
    swaps = swapped(live, rendered)
    findings.values += swaps.values()
    now = {s["metadata"]["name"]: s for s in of_kind(live, "Service")}
    wanted = []
    for service in _exposures(rendered):
        name = service["metadata"]["name"]
        has = {port.get("nodePort") for port in _ports(now[name])} if name in now else set()
        fixed = {(index, port["nodePort"]) for index, port in enumerate(_ports(service)) if port.get("nodePort")}
        if any(value not in has and (name, index) not in swaps for index, value in fixed):
            wanted.append(service)
    made = [s for s in _exposures(rendered) if s["metadata"]["name"] not in now]
    # A single Service is refused or made as a whole, so the quotas need no check for it.
    looks = [_quotas(kubectl, made)] if len(made) > 1 else []
    tries = [
        _dry_run(kubectl, verb, chosen)
        for verb, chosen in (
            ("create", [s for s in wanted if s["metadata"]["name"] not in now]),
            ("replace", [s for s in wanted if s["metadata"]["name"] in now]),
        )
        if chosen
    ]
    for found in await asyncio.gather(*looks, *tries):
        findings.taken += found.taken
        findings.quota += [text for text in found.quota if text not in findings.quota]
    error = findings.error()
    if isinstance(error, PortTakenError):
        error = await with_holders(kubectl, error)
    if error:
        raise error


def quantity(text: object) -> int | None:
    """Return a count of a quota as a number (Kubernetes writes 1000 as `1k`); None if `text` is no count."""
    found = re.fullmatch(r"(\d+)([kMG]?)", str(text))
    return int(found[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[found[2]] if found else None


async def _dry_run(kubectl: Kubectl, verb: str, services: Sequence[Object]) -> Findings:
    """Return what the API server reports in a dry run of creating or replacing Services."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(services)})
    # kubectl sends one Service after the other, and each takes time over a slow connection.
    limit = LIMIT + 0.5 * len(services)
    result = await kubectl.run(verb, "--dry-run=server", "-f", "-", "-o", "name", stdin=text, timeout=limit)
    found = Findings()
    by_name = {s["metadata"]["name"]: s for s in services}
    unknown = []
    for line in filter(str.strip, result.err.splitlines()):
        named = _SERVICE.search(line)
        service = by_name.get(named[1]) if named else None
        taken, quota = _TAKEN.findall(line), _QUOTA.search(line)
        if service and taken:
            found.taken += [
                f"{_path(service, int(index))}: node port {port} is used already; leave it out to get a "
                "free one, or choose another"
                for index, port in taken
            ]
        elif quota:
            found.quota.append(f"quota {quota[1]}: {quota[2]} requested, {quota[3]} used, {quota[4]} allowed")
        elif "Warning:" not in line and "already exists" not in line:
            unknown.append(line)
    if result.code and not (found.taken or found.quota) and unknown:
        raise translate("\n".join(unknown), "kubectl", Step.WRITE)
    return found


async def with_holders(kubectl: Kubectl, error: PortTakenError) -> PortTakenError:
    """Return the error with the names of the Services that have the ports, if the user may list all namespaces."""
    if " by " in error.message:
        return error  # They are named already.
    taken = {number(text) for text in re.findall(r"\d+", error.message)}
    try:
        services = await kubectl.items("services", "--all-namespaces", namespaced=False, timeout=HOLDERS)
    except JobError:
        return PortTakenError(error.message, f"{error.hint} (You may not list Services of other namespaces.)".strip())
    held = [
        f"{port['nodePort']} by {s['metadata']['namespace']}/{s['metadata']['name']}"
        for s in services
        for port in s["spec"].get("ports") or []
        if port.get("nodePort") in taken
    ]
    named = f"{error.message.rstrip('.')}: {', '.join(held)}." if held else error.message
    return PortTakenError(named, error.hint)


async def _quotas(kubectl: Kubectl, made: Sequence[Object]) -> Findings:
    """Return the quotas that the new Services would exceed; nothing if the user may not read quotas."""
    try:
        quotas = await kubectl.items("resourcequotas")
    except NoRightsError:
        return Findings()
    balancers = [s for s in made if s["spec"].get("type") == load_balancers.TYPE]
    giving = [s for s in made if s["spec"].get("type") == "NodePort"]
    giving += [s for s in balancers if s["spec"].get("allocateLoadBalancerNodePorts", True)]
    counts = (len(made), len(made), sum(len(_ports(s)) for s in giving), len(balancers))
    needed = dict(zip(_QUOTA_KEYS, counts, strict=True))
    found = Findings()
    for quota in quotas:
        status = quota.get("status", {})
        for key in _QUOTA_KEYS:
            allowed, used = status.get("hard", {}).get(key), status.get("used", {}).get(key, "0")
            room = quantity(allowed)
            if room is not None and (quantity(used) or 0) + needed[key] > room:
                found.quota.append(
                    f"quota {quota['metadata']['name']}: {key} {used} of {allowed} are used and this needs "
                    f"{needed[key]} more; expose fewer (perWorker.count, ports), or ask for a larger quota"
                )
    return found
