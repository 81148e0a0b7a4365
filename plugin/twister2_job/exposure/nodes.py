"""Node addresses: which nodes of the cluster answer on a node port, and at which of their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

ADDRESS_TYPES = ("ExternalDNS", "ExternalIP", "InternalDNS", "InternalIP", "Hostname")
"""Types of node addresses, best first."""

POD_HOST_IP = "podHostIP"
"""Source of an address that comes from a pod, because the user may not read nodes."""

SERVICE_DNS, CLUSTER_IP = "serviceDNS", "clusterIP"
INSIDE_ONLY = (SERVICE_DNS, CLUSTER_IP)
"""Sources of addresses that only clients inside the cluster reach."""


class NodeAddress(NamedTuple):
    """An address of a node; `type` is one of `ADDRESS_TYPES` or `POD_HOST_IP`."""

    host: str
    type: str
    node: str


def family(host: str) -> str:
    """Return IPv6, IPv4, or an empty string for a DNS name."""
    if ":" in host:
        return "IPv6"
    parts = host.split(".")
    return "IPv4" if len(parts) == 4 and all(part.isdigit() for part in parts) else ""


def host_port(host: str, number: int) -> str:
    """Return `host:number`, with brackets around an IPv6 address."""
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def is_ready(node: Mapping[str, Any]) -> bool:
    """Tell whether the node's kubelet reports it Ready."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def addresses_of_nodes(nodes: Iterable[Mapping[str, Any]]) -> list[NodeAddress]:
    """Return the addresses of the Ready nodes, without duplicates.

    A node's Hostname is used only if the node has no other address: it seldom resolves outside the cluster.
    """
    found: dict[tuple[str, str], NodeAddress] = {}
    for node in nodes:
        if not is_ready(node):
            continue
        name = node["metadata"]["name"]
        listed = [a for a in node.get("status", {}).get("addresses") or [] if a.get("type") in ADDRESS_TYPES]
        better = [a for a in listed if a["type"] != "Hostname"]
        for address in sorted(better or listed, key=lambda a: ADDRESS_TYPES.index(a["type"])):
            if host := address.get("address", ""):
                found.setdefault((name, host), NodeAddress(host, address["type"], name))
    return list(found.values())


def addresses_of_pods(pods: Iterable[Mapping[str, Any]]) -> list[NodeAddress]:
    """Return the addresses of the nodes that run `pods`, read from the pods, for users who may not read nodes.

    `status.hostIPs` (both families) exists since Kubernetes 1.28, `status.hostIP` always.
    """
    found: dict[tuple[str, str], NodeAddress] = {}
    for pod in pods:
        status, name = pod.get("status", {}), pod.get("spec", {}).get("nodeName", "")
        listed = [entry.get("ip", "") for entry in status.get("hostIPs") or []] or [status.get("hostIP", "")]
        for host in filter(None, listed):
            found.setdefault((name, host), NodeAddress(host, POD_HOST_IP, name))
    return list(found.values())


def ordered(
    addresses: Sequence[NodeAddress], *, preferred: str = "", hosting: frozenset[str] = frozenset()
) -> list[NodeAddress]:
    """Return `addresses`, best first.

    The order: the preferred type, then `ADDRESS_TYPES`; within a type nodes that run a ready worker first, IPv4 before
    IPv6, then by node name.

    Args:
        addresses: What to sort.
        preferred: Type of address that goes before all others; may be empty.
        hosting: Names of the nodes that run a ready worker.
    """
    order = [preferred, *ADDRESS_TYPES, POD_HOST_IP]
    families = ["", "IPv4", "IPv6"]
    return sorted(
        addresses,
        key=lambda a: (order.index(a.type), a.node not in hosting, families.index(family(a.host)), a.node, a.host),
    )
