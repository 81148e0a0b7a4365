"""Load balancers: MetalLB, which gives Services of type LoadBalancer addresses of the nodes' own network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import certificates, install
from . import objects

VERSION = "0.15.2"
WHAT = f"MetalLB {VERSION}"
BUILDS = ("metallb",)
NAMESPACE = "metallb-system"
CONDITIONS: list[tuple[str, str, str]] = []
IMAGE = f"localhost/metallb:{VERSION}"
# What Services get, and what is kept for those of other add-ons; all nodes and the fabric are in these networks.
POOLS = {
    "devcluster": ["10.89.0.100-10.89.0.199", "fd00:10:89::1:0-fd00:10:89::1:ffff"],
    "fixed": ["10.89.0.200-10.89.0.209", "fd00:10:89::200-fd00:10:89::209"],
}


def fixed(number: int) -> dict[str, str]:
    """Return the annotation that gives a Service one of the fixed addresses, in both families."""
    return {"metallb.io/loadBalancerIPs": f"10.89.0.20{number},fd00:10:89::20{number}"}


def images(say: Callable[[str], None]) -> list[Path]:
    """Make the image of both programs and return its archive."""
    programs = {f"usr/local/bin/{name}": install.programs("metallb") / name for name in ("controller", "speaker")}
    return [objects.write_image(IMAGE, programs, install.recipe("metallb"), say)]


def start() -> None:
    """Apply MetalLB's objects. It has no webhook, as the API server here can't reach Services."""
    objects.apply_kinds("metallb")
    # With this key the speakers know each other.
    key = hashlib.sha256(certificates.path("ca").read_bytes()).hexdigest()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "memberlist", "namespace": NAMESPACE},
        "data": {"secretkey": base64.b64encode(key.encode()).decode()},
    }
    objects.apply(
        objects.namespace(NAMESPACE),
        *objects.account("controller", NAMESPACE),
        *objects.account("speaker", NAMESPACE),
        secret,
        controller(),
        speaker(),
        *pools(),
    )


def controller() -> objects.Object:
    """Return what chooses the addresses."""
    container = {
        "image": IMAGE,
        "command": ["controller", "--port=7472", "--webhook-mode=disabled", "--disable-cert-rotation"],
        "env": [
            {"name": "METALLB_ML_SECRET_NAME", "value": "memberlist"},
            {"name": "METALLB_DEPLOYMENT", "value": "controller"},
            from_field("METALLB_NAMESPACE", "metadata.namespace"),
        ],
        "probe": {"httpGet": {"path": "/metrics", "port": 7472}},
    }
    return objects.workload("Deployment", "controller", NAMESPACE, container, [])


def speaker() -> objects.Object:
    """Return what answers for the addresses, on every node and in its own network."""
    container = {
        "image": IMAGE,
        "command": ["speaker", "--port=7472"],
        "env": [
            from_field("METALLB_NODE_NAME", "spec.nodeName"),
            from_field("METALLB_POD_NAME", "metadata.name"),
            from_field("METALLB_NAMESPACE", "metadata.namespace"),
            from_field("METALLB_HOST", "status.hostIP"),
            from_field("METALLB_ML_BIND_ADDR", "status.podIP"),
            {"name": "METALLB_ML_LABELS", "value": "app=speaker"},
            {"name": "METALLB_ML_SECRET_KEY_PATH", "value": "/etc/ml_secret_key"},
        ],
        "securityContext": {"capabilities": {"add": ["NET_RAW"]}},
        "volumeMounts": [{"name": "memberlist", "mountPath": "/etc/ml_secret_key", "readOnly": True}],
        "probe": {"httpGet": {"path": "/metrics", "port": 7472}},
    }
    volumes = [{"name": "memberlist", "secret": {"secretName": "memberlist"}}]
    return objects.workload("DaemonSet", "speaker", NAMESPACE, container, volumes, hostNetwork=True)


def pools() -> list[objects.Object]:
    """Return the pools of addresses, and that the nodes answer for all of them."""
    api = "metallb.io/v1beta1"
    made: list[objects.Object] = [
        {
            "apiVersion": api,
            "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"addresses": addresses, "autoAssign": name != "fixed"},
        }
        for name, addresses in POOLS.items()
    ]
    # Of every pool, also of those that a test adds.
    advertisement = {"apiVersion": api, "kind": "L2Advertisement", "spec": {"interfaces": ["eth0"]}}
    return [*made, {**advertisement, "metadata": {"name": "devcluster", "namespace": NAMESPACE}}]


def from_field(name: str, path: str) -> dict[str, Any]:
    """Return a variable that holds a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
