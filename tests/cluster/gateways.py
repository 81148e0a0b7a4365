"""Gateways of the cluster that the tests use, and what they have to know of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable

import pytest

GROUP = "gateway.networking.k8s.io"
OPEN, CLOSED = ("gateways", "devcluster"), ("gateways", "closed")
"""Namespace and name of a Gateway that takes ListenerSets of all namespaces, and of one that takes none.

Both have the listeners `http` and `tls`, which passes TLS through. `devcluster up --with gateway` makes them.
"""
Kube = Callable[..., str]


def needed(kube: Kube, kinds: tuple[str, ...] = ("tcproutes", "udproutes", "tlsroutes", "listenersets")) -> None:
    """Skip the test if the cluster lacks these kinds or the Gateways."""
    served = kube("api-resources", f"--api-group={GROUP}", "-o", "name").split()
    missing = [kind for kind in kinds if f"{kind}.{GROUP}" not in served]
    if not missing:
        namespace, name = OPEN
        found = kube("-n", namespace, "get", "gateways", name, "--ignore-not-found", "-o", "name")
        missing = [] if found.strip() else [f"the Gateway {namespace}/{name}"]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: `devcluster up --with gateway` brings them")


def address(kube: Kube, gateway: tuple[str, str] = OPEN) -> str:
    """Return an IPv4 address of a Gateway, or its host name."""
    listed = json.loads(kube("-n", gateway[0], "get", "gateway", gateway[1], "-o", "json"))["status"]["addresses"]
    return next(str(one["value"]) for one in listed if ":" not in one["value"])


_bases = itertools.cycle(range(0, 1000, 100))


def base() -> int:
    """Return a number from which on a test may open 100 listeners, since tests share a Gateway and run side by side."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return 21000 + process % 8 * 1000 + next(_bases)


def parent(gateway: tuple[str, str] = OPEN) -> tuple[str, ...]:
    """Return Helm's options that name a Gateway."""
    values = {"name": gateway[1], "namespace": gateway[0]}
    return ("--set", "gateway.enabled=true", "--set-json", f"gateway.parentRefs=[{json.dumps(values)}]")
