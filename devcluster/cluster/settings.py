"""Names, addresses and places of the development cluster. There is one on a machine, so all of them are constants."""

from __future__ import annotations

from pathlib import Path

import helm_binaries

SOURCE = Path(__file__).resolve().parent.parent / "go"
STATE = Path("/var/lib/twister2-job-devcluster")
VOLUMES = Path("/tmp/hostpath_pv")  # Where Kubernetes' host-path provisioner writes; no flag changes it.
LOCK = Path("/run/twister2-job-devcluster.lock")
PREFIX = "t2dev"  # Of namespaces, links and cgroups: a link's name has room for 15 characters.
FABRIC = f"{PREFIX}-fabric"  # The network namespace of the control plane; whatever talks to the cluster runs in it.
BRIDGE = "br0"

FABRIC_IPV4, FABRIC_IPV6 = "10.89.0.1", "fd00:10:89::1"
SERVICE_CIDRS = "10.96.0.0/16,fd00:10:96::/112"
POD_CIDRS = "10.244.0.0/16,fd00:10:244::/56"
API_SERVICE_IPV4 = "10.96.0.1"
DNS_IPV4, DNS_IPV6 = "10.96.0.10", "fd00:10:96::a"
NODE_PORT_RANGE = "30000-32767"
# All subnets that nodes have addresses in; kube-proxy opens node ports at these.
NODE_SUBNETS = ("10.89.0.0/24", "10.89.1.0/24", "fd00:10:89::/64", "fd00:10:89:1::/64")
EXTERNAL_NODE = "node-2"  # The node that has an ExternalIP, if there are at least two.

KUBERNETES = "1.37.2"
ETCD = "3.7.0"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
MAXIMUM_NODES = 9  # The last digit of an address.

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_CONTROLLERS = ("cpuset", "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified")


def cache() -> Path:
    """Return the folder of what is slow to build; it lies outside the checkout, so that it outlives it."""
    return helm_binaries.cache_root() / "devcluster"


def binaries() -> Path:
    """Return the folder that holds all programs of the cluster."""
    return cache() / "bin"


def kubeconfig(user: str = "admin") -> Path:
    """Return the kubeconfig of one of the cluster's users."""
    return STATE / "kubeconfig" / user


def node_names(count: int) -> list[str]:
    """Return the names of the first `count` nodes."""
    return [f"node-{number}" for number in range(1, count + 1)]


def node_number(name: str) -> int:
    """Return the number in a node's name."""
    return int(name.rsplit("-", 1)[1])


def node_ips(name: str) -> tuple[str, str]:
    """Return the IPv4 and IPv6 address of a node in the fabric."""
    return f"10.89.0.1{node_number(name)}", f"fd00:10:89::1{node_number(name)}"


def external_ips(name: str) -> tuple[str, str]:
    """Return the external IPv4 and IPv6 address of the node that has some."""
    return f"10.89.1.1{node_number(name)}", f"fd00:10:89:1::1{node_number(name)}"


def node_namespace(name: str) -> str:
    """Return the network namespace of a node."""
    return f"{PREFIX}-{name}"
