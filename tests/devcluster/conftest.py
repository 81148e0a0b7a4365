"""What the tests of the development cluster share. They start and stop a cluster of their own, one for all modules.

A cluster that is up when they start is somebody's: they never touch it, but skip (in CI: fail) and say so.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

DEVCLUSTER = REPOSITORY / "devcluster" / "devcluster"
STATE = Path("/var/lib/twister2-job-devcluster")
HOSTPATH = Path("/tmp/hostpath_pv")  # Where Kubernetes' host-path provisioner writes; no flag changes it.
NAMESPACE = "devcluster-test"
WEB_PODS = 3
Done = subprocess.CompletedProcess[str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, so that `-m 'not devcluster'` leaves them out, and order its modules.

    The tests of a cluster that is down come first, and those that take it down last.
    """
    order = {"test_devcluster.py": 0, "test_teardown.py": 2}
    ours = [item for item in items if "/tests/devcluster/" in str(item.path)]
    for item in ours:
        item.add_marker(pytest.mark.devcluster)
    ours.sort(key=lambda item: order.get(item.path.name, 1))
    items[:] = [item for item in items if "/tests/devcluster/" not in str(item.path)] + ours


def devcluster(*words: str, seconds: float = 120, **options: Any) -> Done:
    """Run a devcluster command and return what it printed; never raises for its exit code."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    command = [sys.executable, str(DEVCLUSTER), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **options)


def inside(*words: str, **options: Any) -> str:
    """Run a command in the cluster's network and return its output; fails with its message."""
    done = devcluster("exec", "--", *words, **options)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def kubectl(*words: str, **options: Any) -> str:
    """Run kubectl in the tests' namespace and return its output; fails with its message."""
    return inside("kubectl", "--namespace", NAMESPACE, *words, **options)


def get(*words: str) -> dict[str, Any]:
    """Return live objects."""
    found: dict[str, Any] = json.loads(kubectl("get", *words, "-o", "json"))
    return found


def fetch_inside(*addresses: str) -> dict[str, str]:
    """Fetch `/hostname` from each HOST:PORT out of the cluster's network; return the answers, or the errors."""
    return dict(json.loads(inside(sys.executable, "-c", FETCH, *addresses)))


def fetch_in_pod(pod: str, *addresses: str) -> dict[str, str]:
    """Fetch `/hostname` from each HOST:PORT out of a pod; return the answers, or the errors."""
    return dict(json.loads(kubectl("exec", pod, "--", "python3", "-c", FETCH, *addresses)))


FETCH = """
import json, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
def fetch(address):
    try:
        return urllib.request.urlopen(f"http://{address}/hostname", timeout=5).read().decode().strip()
    except OSError as error:
        return f"no answer: {error}"
with ThreadPoolExecutor(64) as pool:
    print(json.dumps(dict(zip(sys.argv[1:], pool.map(fetch, sys.argv[1:])))))
"""


def node_port_addresses(service: str = "web-nodeport") -> list[str]:
    """Return ADDRESS:NODEPORT of every node's addresses, both families, ExternalIP included."""
    port = get("service", service)["spec"]["ports"][0]["nodePort"]
    status = json.loads(devcluster("status", "-o", "json").stdout)
    addresses = [
        one["address"]
        for node in status["nodes"]
        for one in node["addresses"]
        if one["type"] in ("InternalIP", "ExternalIP")
    ]
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in addresses]


def pod_addresses() -> dict[str, str]:
    """Return ADDRESS:PORT of the web servers' pods, both families, each with the pod's name."""
    return {
        f"[{entry['ip']}]:8080" if ":" in entry["ip"] else f"{entry['ip']}:8080": pod["metadata"]["name"]
        for pod in get("pods", "-l", "app=web")["items"]
        for entry in pod["status"]["podIPs"]
    }


def through_port_forward(pod: str) -> str:
    """Fetch `/hostname` from a pod through `kubectl port-forward`; return the answer."""
    script = f"""
kubectl --namespace {NAMESPACE} port-forward pod/{pod} 18080:8080 >/dev/null & forward=$!
trap 'kill $forward' EXIT
for attempt in $(seq 50); do
  sleep 0.1
  "$0" -c 'import urllib.request as r; print(r.urlopen("http://127.0.0.1:18080/hostname", timeout=5).read().decode())' \
    2>/dev/null && exit 0
done
exit 1
"""
    return inside("sh", "-c", script, sys.executable).strip()


def eventually(what: str, step: Callable[[], Any], seconds: float) -> Any:
    """Return the first true result of `step`, or fail and say what was waited for and what was seen last."""
    end = time.monotonic() + seconds
    while True:
        try:
            result = step()
            if result:
                return result
        except AssertionError as error:
            result = error
        assert time.monotonic() < end, f"{what}: not within {seconds} s; last seen: {result}"
        time.sleep(0.5)


@dataclass
class Machine:
    """What of the machine the cluster could have changed."""

    network_namespaces: set[int] = field(default_factory=set)
    named_namespaces: set[str] = field(default_factory=set)
    mounts: list[str] = field(default_factory=list)
    cgroups: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    routes: str = ""
    rules: str = ""
    address_sets: str = ""
    forwarding: str = ""
    processes: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def is_ours(command: str) -> bool:
    """Tell whether a command line is that of one of the cluster's programs."""
    return command.startswith((f"{STATE}/", "/pause")) or "/devcluster/bin/" in command.split(" --")[0]


def machine() -> Machine:
    """Look at the machine. Processes of others come and go, so only those are listed that could be the cluster's."""
    seen = Machine()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                seen.network_namespaces.add((folder / "ns" / "net").stat().st_ino)
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # It has ended just now.
            if is_ours(command):
                seen.processes.add(f"{folder.name} {command}")
    seen.named_namespaces = set(output("ip", "netns", "list").split())
    seen.mounts = sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    # The cluster's cgroups lie below one of its own in each hierarchy; deeper ones are other people's business.
    seen.cgroups = {str(path) for path in Path("/sys/fs/cgroup").glob("*/*") if path.is_dir()}
    links = json.loads(output("ip", "-json", "link"))
    seen.links = {link["ifname"] for link in links}
    seen.routes = output("ip", "route", "show", "table", "all") + output("ip", "-6", "route", "show", "table", "all")
    seen.rules = output("nft", "list", "ruleset")
    seen.address_sets = output("ipset", "list", "-name")
    seen.forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    seen.folders = {str(path) for path in (STATE, HOSTPATH) if path.exists()}
    return seen


@pytest.fixture(scope="session")
def clean_machine() -> Iterator[Machine]:
    """The machine as it was before; skips where the cluster can't run or somebody's runs already."""
    reason = ""
    if platform.system() != "Linux" or os.geteuid() != 0:
        reason = "the development cluster needs Linux and root"
    elif STATE.exists():
        reason = "a development cluster is up and these tests start and stop their own: `devcluster down` first"
    if reason:
        pytest.skip(reason)
    installed = devcluster("install", seconds=3000)
    assert installed.returncode == 0, installed.stderr
    yield machine()
    devcluster("down")


@dataclass
class Cluster:
    """The tests' cluster."""

    second_up: Done
    seconds: float


@pytest.fixture(scope="session")
def cluster(clean_machine: Machine) -> Iterator[Cluster]:
    """A cluster of three nodes; while it started, a second `up` was tried."""
    began = time.monotonic()
    command = [sys.executable, str(DEVCLUSTER), "up"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as first:
        time.sleep(1)
        second = devcluster("up")
        _, said = first.communicate(timeout=120)
    seconds = time.monotonic() - began
    assert first.returncode == 0, said
    yield Cluster(second, seconds)
    devcluster("down")


@pytest.fixture(scope="session")
def web(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """A StatefulSet of web servers, one a node, that answer `/hostname`; with a headless and a NodePort Service."""
    inside("kubectl", "create", "namespace", NAMESPACE)
    kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": web_manifests()}))
    kubectl("rollout", "status", "statefulset/web", "--timeout=90s")
    return {pod["metadata"]["name"]: pod for pod in get("pods", "-l", "app=web")["items"]}


def pod_spec(command: list[str], **more: Any) -> dict[str, Any]:
    """Return a pod's specification as strict as the chart's: no root, no capabilities, a root that can't be written."""
    security = {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "main",
        "image": "docker.io/library/python:3.11-slim-bookworm",
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": security,
        **more,
    }
    return {"containers": [container], "terminationGracePeriodSeconds": 0}


def web_manifests() -> list[dict[str, Any]]:
    """Return the objects of the web servers."""
    labels, selector = {"app": "web"}, {"matchLabels": {"app": "web"}}
    probe = {"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1}
    spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    command = ["python3", "-u", "-m", "http.server", "8080", "--bind", "::", "--directory", "/etc"]
    template = pod_spec(command, readinessProbe=probe) | {
        "topologySpreadConstraints": [spread | {"labelSelector": selector}]
    }
    both = {"ipFamilyPolicy": "RequireDualStack", "selector": labels, "ports": [{"port": 8080}]}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": WEB_PODS,
                "serviceName": "web",
                "podManagementPolicy": "Parallel",
                "selector": selector,
                "template": {"metadata": {"labels": labels}, "spec": template},
            },
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": both | {"clusterIP": "None"}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web-nodeport"},
            "spec": both | {"type": "NodePort"},
        },
    ]
