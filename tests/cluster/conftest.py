"""What the tests on a real cluster share. They run against the cluster of `--kubeconfig FILE`, and only then.

`make test` starts the development cluster and passes its kubeconfig. An exported KUBECONFIG alone is never used: the
tests make and delete namespaces, which nobody wants on a cluster that is not named.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHART, helm_path
from tests.conftest import run as run_command

HELM_VERSIONS = ("3.19.0", "4.3.1")
# The cluster's network has no way out: pip installs from the wheels that `make setup` has fetched.
WHEELS = Path(sys.prefix) / "wheels"
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)} if WHEELS.is_dir() else {}
ADDRESS_TYPES = ("InternalIP", "ExternalIP")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; without a cluster they skip and say what they lack, except in CI."""
    missing = not config.getoption("kubeconfig", default=None) and not os.environ.get("CI")
    for item in items:
        if "/tests/cluster/" in str(item.path):
            item.add_marker(pytest.mark.cluster)
            if missing:
                item.add_marker(pytest.mark.skip(reason="needs a cluster: pass --kubeconfig FILE, or run `make test`"))


@pytest.fixture(scope="session")
def cluster_kubeconfig(request: pytest.FixtureRequest) -> str:
    """The kubeconfig of the cluster that the tests may use."""
    path = request.config.getoption("kubeconfig")
    assert path, "needs a cluster: pass --kubeconfig FILE"
    return str(path)


@pytest.fixture(scope="session", params=HELM_VERSIONS)
def helm(request: pytest.FixtureRequest) -> str:
    """The path of Helm, in each version in turn."""
    return helm_path(request.param)


@pytest.fixture
def environment(cluster_kubeconfig: str, helm: str) -> dict[str, str]:
    """The environment of every command: the cluster's kubeconfig and the Helm of this round."""
    folder = os.path.dirname(helm)
    path = f"{folder}:{os.environ['PATH']}"
    return {**os.environ, **OFFLINE, "KUBECONFIG": cluster_kubeconfig, "HELM_BIN": helm, "PATH": path}


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command with the environment of this round; `env` adds to it."""

    def runner(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run_command(*command, **{**options, "env": {**environment, **options.get("env", {})}})

    return runner


@pytest.fixture
def kube(run: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., str]:
    """Run kubectl and return what it printed; fails with its message."""

    def kubectl(*arguments: str, **options: Any) -> str:
        result = run("kubectl", *arguments, **options)
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
        return result.stdout

    return kubectl


@pytest.fixture
def namespace(kube: Callable[..., str]) -> Iterator[str]:
    """A new namespace that enforces the `restricted` Pod Security Standard; deleted afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    kube("create", "-f", "-", input=json.dumps(manifest))
    yield name
    kube("delete", "namespace", name, "--wait=false")


@pytest.fixture
def job() -> str:
    """A job name that was never used: a kubelet remembers the ConfigMaps of deleted jobs for a while."""
    return f"j{secrets.token_hex(4)}"


class Release:
    """A release made by bare Helm."""

    def __init__(self, run: Callable[..., Any], kube: Callable[..., str], name: str, namespace: str) -> None:
        self.run, self.kube, self.name, self.namespace = run, kube, name, namespace

    def helm(self, verb: str, *arguments: str) -> None:
        """Run `helm VERB NAME CHART ARGUMENTS` and wait until it is done."""
        words = (verb, self.name, *((str(CHART),) if verb in ("install", "upgrade") else ()), *arguments)
        result = self.run("helm", *words, "--namespace", self.namespace)
        assert result.returncode == 0, f"helm {' '.join(words)}: {result.stdout}{result.stderr}"

    def install(self, *arguments: str) -> None:
        """`helm install --wait`."""
        self.helm("install", "--wait", "--timeout", "120s", *arguments)

    def upgrade(self, *arguments: str) -> None:
        """`helm upgrade --wait`."""
        self.helm("upgrade", "--wait", "--timeout", "120s", *arguments)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return a live object."""
        found: dict[str, Any] = json.loads(self.kube("-n", self.namespace, "get", kind, name, "-o", "json"))
        return found

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the live worker pods by name."""
        labels = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=worker"
        listed = json.loads(self.kube("-n", self.namespace, "get", "pods", "-l", labels, "-o", "json"))
        return {pod["metadata"]["name"]: pod for pod in listed["items"]}

    def uids(self) -> dict[str, str]:
        """Return the pods' UIDs: a pod that was replaced has another one."""
        return {name: pod["metadata"]["uid"] for name, pod in self.pods().items()}

    def node_ports(self) -> dict[str, int]:
        """Return the live node ports by port name."""
        return {
            port["name"]: port["nodePort"] for port in self.get("service", f"{self.name}-nodeport")["spec"]["ports"]
        }


@pytest.fixture
def release(run: Callable[..., Any], kube: Callable[..., str], job: str, namespace: str) -> Release:
    """A release that is not installed yet."""
    return Release(run, kube, job, namespace)


@pytest.fixture(scope="session")
def nodes(cluster_kubeconfig: str) -> dict[str, list[str]]:
    """The addresses of every node, both families, InternalIP and ExternalIP."""
    listed = run_command("kubectl", "--kubeconfig", cluster_kubeconfig, "get", "nodes", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    return {
        node["metadata"]["name"]: [
            one["address"] for one in node["status"]["addresses"] if one["type"] in ADDRESS_TYPES
        ]
        for node in json.loads(listed.stdout)["items"]
    }


def ask(host: str, port: int, timeout: float = 5) -> dict[str, Any]:
    """Ask an echo worker by HTTP who it is."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def eventually(step: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first true result of `step`; the last error or result is the failure's text."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = step()
            if result:
                return result
        except (OSError, ValueError, AssertionError) as error:
            result = error
        assert time.monotonic() < end, f"not within {seconds} s: {result}"
        time.sleep(0.2)
