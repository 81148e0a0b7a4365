"""What the tests on a real cluster share. They run against the cluster of `--kubeconfig FILE`, and only then.

`make test` starts the development cluster and passes its kubeconfig. An exported KUBECONFIG alone is never used: the
tests make and delete namespaces, which nobody wants on a cluster that is not named.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import asking
from tests.cluster.asking import Target
from tests.cluster.asking import ask as ask
from tests.conftest import CHART, REPOSITORY, helm_path
from tests.conftest import run as run_command

HELM_VERSIONS = ("3.19.0", "4.3.1")
# The cluster's network has no way out: pip installs from the wheels that `make setup` has fetched.
WHEELS = Path(sys.prefix) / "wheels"
COMMAND = str(Path(sys.executable).parent / "twister2-job")
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)} if WHEELS.is_dir() else {}
ADDRESS_TYPES = ("InternalIP", "ExternalIP")
# Pods that go at once: what test_drain.py is about would cost every other test 3 seconds for each pod that ends.
QUICK = ("--set", "drainSeconds=0")
# Values that the chart takes and Kubernetes refuses: a mount without a volume, in a container that is not the chart's.
MOUNT = "sidecars[0].volumeMounts[0].name=none,sidecars[0].volumeMounts[0].mountPath=/x"
BAD = ("--set", f"sidecars[0].name=a,sidecars[0].image=b,{MOUNT}")
# For what no version of Helm can make different: how packets go.
only_newest_helm = pytest.mark.parametrize("helm", HELM_VERSIONS[-1:], indirect=True)


@pytest.hookimpl(trylast=True)  # After pytest's own order, by fixtures.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; without a cluster they skip and say what they lack, except in CI.

    Tests of one command after the other, which take a minute and more, come first: at the end the other processes would
    wait for them.
    """
    items.sort(key=lambda item: item.path.name not in ("test_docs.py", "test_demo.py"))
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
        self.quick = False

    def helm(self, verb: str, *arguments: str) -> None:
        """Run `helm VERB NAME CHART ARGUMENTS` and wait until it is done."""
        chart = (str(CHART), *(QUICK if self.quick else ())) if verb in ("install", "upgrade") else ()
        words = (verb, self.name, *chart, *arguments)
        result = self.run("helm", *words, "--namespace", self.namespace)
        assert result.returncode == 0, f"helm {' '.join(words)}: {result.stdout}{result.stderr}"

    def install(self, *arguments: str, quick: bool = True) -> None:
        """`helm install --wait`; `quick` lets the pods of this release go at once."""
        self.quick = quick
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

    def services(self) -> dict[str, dict[str, Any]]:
        """Return the live Services by name."""
        labels = f"app.kubernetes.io/instance={self.name}"
        listed = json.loads(self.kube("-n", self.namespace, "get", "services", "-l", labels, "-o", "json"))
        return {service["metadata"]["name"]: service for service in listed["items"]}

    def worker_ports(self) -> dict[int, dict[str, int]]:
        """Return the live node ports of the workers' own Services by worker ID and port name; none with ClusterIP."""
        return {
            int(service["metadata"]["labels"]["twister2-job/worker"]): {
                port["name"]: port["nodePort"] for port in service["spec"]["ports"] if "nodePort" in port
            }
            for service in self.services().values()
            if service["metadata"]["labels"].get("twister2-job/exposure") == "perWorker"
        }

    def reach_from(self, pod: str, targets: list[Target], timeout: float = 5) -> list[list[dict[str, Any]]]:
        """Ask the targets from inside a pod of the namespace, as `reach` does from here."""
        code = Path(asking.__file__).read_text()
        words = ("-n", self.namespace, "exec", pod, "--", "python3", "-c", code, json.dumps(targets), str(timeout))
        answers: list[list[dict[str, Any]]] = json.loads(self.kube(*words))
        return answers

    def node_ports(self) -> dict[str, int]:
        """Return the live node ports by port name."""
        return {
            port["name"]: port["nodePort"] for port in self.get("service", f"{self.name}-nodeport")["spec"]["ports"]
        }


@pytest.fixture
def release(run: Callable[..., Any], kube: Callable[..., str], job: str, namespace: str) -> Release:
    """A release that is not installed yet."""
    return Release(run, kube, job, namespace)


_fixed_ports = itertools.cycle(range(4))


@pytest.fixture
def fixed_port() -> int:
    """A node port that no other test fixes: every process that runs tests has a few of its own, one after the other."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return 30000 + process % 8 * 4 + next(_fixed_ports)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes that run tests out of what has this name until it is done here."""
    path = Path(tempfile.gettempdir()) / f"twister2-job-{os.getuid()}-{name.replace('/', '-')}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout, for what makes files in it: tests that run side by side would meet there."""
    unwanted = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "dist")
    return Path(shutil.copytree(REPOSITORY, tmp_path / "checkout", ignore=unwanted))


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


def eventually(step: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first true result of `step`; the last error or result is the failure's text."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = step()
            if result:
                return result
        except (OSError, ValueError, LookupError, AssertionError) as error:
            result = error
        assert time.monotonic() < end, f"not within {seconds} s: {result}"
        time.sleep(0.5)  # Steps start programs, which the machine should have time for.


@pytest.fixture
def command(run: Callable[..., Any], namespace: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in the test's namespace."""

    def runner(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        result: subprocess.CompletedProcess[str] = run(COMMAND, *words, "--namespace", namespace, **options)
        return result

    return runner


def refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert the exit code and the words of the message, and that it is no traceback."""
    assert result.returncode == code, f"{result.returncode}: {result.stdout}{result.stderr}"
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def left(kube: Callable[..., str], namespace: str) -> Callable[[], list[str]]:
    """Tell what is in the namespace beside what every namespace has."""

    def names() -> list[str]:
        kinds = "statefulsets,services,configmaps,serviceaccounts,secrets,roles,rolebindings,networkpolicies"
        kinds += ",poddisruptionbudgets"
        found = json.loads(kube("-n", namespace, "get", kinds, "-o", "json"))["items"]
        return [
            one["metadata"]["name"] for one in found if one["metadata"]["name"] not in ("kube-root-ca.crt", "default")
        ]

    return names


@pytest.fixture
def restricted_kubeconfig(
    kube: Callable[..., str], namespace: str, cluster_kubeconfig: str, tmp_path: Path
) -> Callable[..., str]:
    """A kubeconfig of a ServiceAccount without rights; returns a function that takes the token to put into it."""
    kube("-n", namespace, "create", "serviceaccount", "user")

    def write(token: str = "") -> str:
        token = token or kube("-n", namespace, "create", "token", "user").strip()
        view = json.loads(kube("--kubeconfig", cluster_kubeconfig, "config", "view", "--raw", "-o", "json"))
        view["users"] = [{"name": "user", "user": {"token": token}}]
        view["contexts"][0]["context"]["user"] = "user"
        path = tmp_path / "restricted"
        path.write_text(json.dumps(view))
        path.chmod(0o600)
        return str(path)

    return write


@pytest.fixture
def bind_documented_role(kube: Callable[..., str], namespace: str) -> Callable[[], None]:
    """Give that ServiceAccount the Role that docs/wrapper.md shows, and nothing else."""

    def bind() -> None:
        text = (REPOSITORY / "docs" / "wrapper.md").read_text()
        found = re.search(r"```yaml\n(.*?kind: Role\n.*?)```", text, re.DOTALL)
        assert found, "docs/wrapper.md shows no Role"
        role = yaml.safe_load(found[1])
        role["metadata"]["namespace"] = namespace
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "user", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": namespace}],
        }
        kube("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))

    return bind
