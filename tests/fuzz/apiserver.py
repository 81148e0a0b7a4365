"""Asks the API server whether it takes what the chart renders: a strict dry run of a create for each object."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import re
import subprocess
import threading
from typing import Any

PATHS = {
    "ConfigMap": "/api/v1", "Pod": "/api/v1", "Secret": "/api/v1", "Service": "/api/v1", "ServiceAccount": "/api/v1",
    "StatefulSet": "/apis/apps/v1", "Role": "/apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1", "NetworkPolicy": "/apis/networking.k8s.io/v1",
    "PodDisruptionBudget": "/apis/policy/v1", "Ingress": "/apis/networking.k8s.io/v1",
}  # fmt: skip
OF_GATEWAYS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "ListenerSet")
PATHS |= dict.fromkeys(OF_GATEWAYS, "/apis/gateway.networking.k8s.io/v1")
# What the API server says of the cluster as it is, and not of the object.
ELSEWHERE = re.compile(
    r"already exists|provided port is (already allocated|not in the valid range)|no PriorityClass with name"
    r"|RuntimeClass .* not found|is not configured on (this )?cluster|serviceaccount .* not found"
)


def plural(kind: str) -> str:
    """Return the name of a kind in an URL."""
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "es" if kind.endswith("s") else "s")


class ApiServer:
    """The API server behind `kubectl proxy`, which logs in as kubectl does; `namespace` is one made for this."""

    def __init__(self, kubectl: list[str], namespace: str, threads: int = 4) -> None:
        self.namespace = namespace
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.seen: dict[str, concurrent.futures.Future[str]] = {}
        self.local = threading.local()
        self.connections: list[http.client.HTTPConnection] = []
        self.proxy = subprocess.Popen([*kubectl, "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        assert self.proxy.stdout
        found = re.search(r":(\d+)$", self.proxy.stdout.readline().strip())
        assert found, "kubectl proxy did not start"
        self.port = int(found[1])

    def close(self) -> None:
        """End the proxy."""
        self.pool.shutdown(cancel_futures=True)
        for connection in self.connections:
            connection.close()
        self.proxy.terminate()
        self.proxy.communicate()

    def refused(self, found: dict[str, Any]) -> concurrent.futures.Future[str]:
        """Return the promise of why an object is refused, empty if it is not; the same object is asked about once."""
        if isinstance(found.get("metadata", {}).get("namespace"), str):
            found = {**found, "metadata": {**found["metadata"], "namespace": self.namespace}}
        text = json.dumps(found, sort_keys=True)
        if text not in self.seen:
            self.seen[text] = self.pool.submit(self._ask, str(found.get("kind")), text)
        return self.seen[text]

    def _ask(self, kind: str, text: str) -> str:
        if kind not in PATHS:
            return f"kind {kind}: the fuzzing does not know it; add it to tests/fuzz/apiserver.py"
        path = f"{PATHS[kind]}/namespaces/{self.namespace}/{plural(kind)}?dryRun=All&fieldValidation=Strict"
        for last in (False, True):
            try:
                if not hasattr(self.local, "connection"):
                    self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                    self.connections.append(self.local.connection)
                self.local.connection.request("POST", path, text.encode(), {"Content-Type": "application/json"})
                response = self.local.connection.getresponse()
                body = response.read()
                break
            except (OSError, http.client.HTTPException):
                del self.local.connection
                if last:
                    raise
        if response.status < 300:
            return ""
        message = str(json.loads(body).get("message", body))
        return "" if ELSEWHERE.search(message) else message
