"""The network namespaces: one fabric with a bridge, one namespace a node on it. None has a way out to the host."""

from __future__ import annotations

import json
from pathlib import Path

from . import settings
from .processes import in_namespace, run


def exists(namespace: str) -> bool:
    """Tell whether a network namespace is there."""
    return (Path("/run/netns") / namespace).exists()


def inside(namespace: str, script: str) -> None:
    """Run lines of shell in a network namespace."""
    run(*in_namespace(namespace, "sh", "-e"), text=script)


def create_fabric() -> None:
    """Make the fabric: the namespace of the control plane, with the bridge that the nodes are on."""
    run("ip", "netns", "add", settings.FABRIC)
    inside(
        settings.FABRIC,
        f"""
        ip link set lo up
        ip link add {settings.BRIDGE} type bridge
        ip address add {settings.FABRIC_IPV4}/24 dev {settings.BRIDGE}
        ip -6 address add {settings.FABRIC_IPV6}/64 dev {settings.BRIDGE} nodad
        ip link set {settings.BRIDGE} up
        # The nodes' router: a pod reaches the external address of another node through it.
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        """,
    )


def create_node(node: str) -> None:
    """Make a node's namespace and put it on the bridge."""
    namespace = settings.node_namespace(node)
    ipv4, ipv6 = settings.node_ips(node)
    run("ip", "netns", "add", namespace)
    # Both ends are made inside: a link never appears among the host's.
    inside(settings.FABRIC, f"ip link add {node} type veth peer name eth0 netns {namespace}")
    inside(settings.FABRIC, f"ip link set {node} master {settings.BRIDGE} up")
    inside(
        namespace,
        f"""
        ip link set lo up
        ip address add {ipv4}/24 dev eth0
        ip -6 address add {ipv6}/64 dev eth0 nodad
        ip link set eth0 up
        ip route add default via {settings.FABRIC_IPV4}
        ip -6 route add default via {settings.FABRIC_IPV6}
        for key in ipv4/ip_forward ipv6/conf/all/forwarding \\
            bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables; do
          echo 1 > /proc/sys/net/$key
        done
        """,
    )


def give_external_ips(node: str) -> None:
    """Give a node addresses that lie outside the nodes' subnet, with routes to them in the fabric."""
    (external4, external6), (own4, own6) = settings.external_ips(node), settings.node_ips(node)
    script = f"ip address add {external4}/32 dev lo\nip -6 address add {external6}/128 dev lo nodad\n"
    inside(settings.node_namespace(node), script)
    inside(settings.FABRIC, f"ip route replace {external4} via {own4}\nip -6 route replace {external6} via {own6}\n")


def set_pod_routes(nodes: dict[str, list[str]]) -> None:
    """Tell the fabric and every node where the pods of the other nodes are; `nodes` are names with their pod CIDRs."""
    for place in (None, *nodes):
        namespace = settings.node_namespace(place) if place else settings.FABRIC
        lines = []
        for node, subnets in nodes.items():
            ipv4, ipv6 = settings.node_ips(node)
            for subnet in subnets if node != place else ():
                family, via = ("-6", ipv6) if ":" in subnet else ("-4", ipv4)
                lines.append(f"ip {family} route replace {subnet} via {via}")
        inside(namespace, "\n".join(lines))


def namespaces() -> list[str]:
    """Return the names of all network namespaces of the cluster."""
    listed = json.loads(run("ip", "-json", "netns", "list") or "[]")
    return [entry["name"] for entry in listed if entry["name"].startswith(f"{settings.PREFIX}-")]


def delete(namespace: str) -> None:
    """Remove a network namespace; its links, addresses, routes and rules go with it."""
    run("ip", "netns", "delete", namespace, check=False)
