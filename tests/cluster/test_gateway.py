"""Routes of single workers at a real Gateway, with packets: is it this worker that answers, and what survives."""

import concurrent.futures
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster import gateways, speaking
from tests.cluster.asking import ask
from tests.cluster.conftest import eventually, only_newest_helm
from tests.cluster.test_per_worker import kill

PORTS = ["worker", "ui", "beat", "rpc", "tls"]
# Pod and container of each worker: three groups, two workers in the pod of the second; counted by hand.
PLACES = {0: ("0-0", 0), 1: ("1-0", 0), 2: ("1-0", 1), 3: ("2-0", 0)}
# In each container the port `worker` has another number, so a probe by name would not do.
LISTENS = "import os, socket; socket.create_connection(('localhost', int(os.environ['WORKER_PORT'])))"
TIMES = 100
AT_ONCE = 12


@pytest.fixture(autouse=True)
def gateway_api(kube):
    gateways.needed(kube)


@pytest.fixture
def certificates(release, kube, tmp_path):
    """A certificate of each worker's own, in a Secret that the pods mount."""
    for worker in PLACES:
        host = host_of(release, "tls", worker)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        names = ("-subj", "/CN=worker", "-addext", f"subjectAltName=DNS:{host}")
        files = ("-keyout", tmp_path / f"{worker}.key", "-out", tmp_path / f"{worker}.crt")
        subprocess.run(["openssl", "req", "-x509", *key, *names, *files], check=True, capture_output=True)
    files = [f"--from-file={path}" for path in sorted(tmp_path.glob("?.???"))]
    kube("-n", release.namespace, "create", "secret", "generic", "certificates", *files)
    return tmp_path


def host_of(release, port, worker):
    return f"{port}-{worker}.{release.name}.example.com"


def values(release, base):
    """Return the values of a job whose workers speak everything, behind routes of every kind."""
    workers = {
        f"{release.name}-{pod}/twister2-container-{container}": worker for worker, (pod, container) in PLACES.items()
    }
    words = [json.dumps(PORTS), json.dumps(workers), "/certificates"]
    additional = [{"name": name, **({"protocol": "UDP"} if name == "beat" else {})} for name in PORTS[1:]]
    return {
        "image": {"repository": "docker.io/library/python", "tag": "3.11-slim-bookworm"},
        "command": ["python3", "-c", Path(speaking.__file__).read_text(), *words],
        "readinessProbe": {"exec": {"command": ["python3", "-c", LISTENS]}, "periodSeconds": 2, "timeoutSeconds": 5},
        "extraVolumes": [{"name": "certificates", "secret": {"secretName": "certificates"}}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/certificates", "readOnly": True}],
        "additionalPorts": additional,
        "instances": 1,
        "computeResources": [{"workersPerPod": 2}, {}],
        "perWorker": {"enabled": True, "type": "ClusterIP"},
        "gateway": {
            "shared": False,
            "ports": {
                "worker": {}, "beat": {},
                "ui": {"route": "HTTP", "sectionName": "http", "hostTemplate": "ui-{worker}.{job}.example.com"},
                "rpc": {"route": "GRPC", "sectionName": "http", "hostTemplate": "rpc-{worker}.{job}.example.com"},
                "tls": {"route": "TLS", "sectionName": "tls", "hostTemplate": "tls-{worker}.{job}.example.com"},
            },
            "perWorker": {
                "enabled": True,
                "listenerSet": {"enabled": True, "portBase": {"worker": base, "beat": base}},
            },
        },
    }  # fmt: skip


class Asking:
    """Asks every worker of a release at each of its addresses at the Gateway."""

    def __init__(self, release, at, base, certificates):
        self.release, self.at, self.base, self.certificates = release, at, base, certificates

    def one(self, port, worker):
        """Return who answers at one address."""
        host = host_of(self.release, port, worker)
        if port == "worker":
            return speaking.ask_http(self.at, self.base + worker)
        if port == "beat":
            return ask(self.at, self.base + worker, "UDP")
        if port == "ui":
            return speaking.ask_http(self.at, 80, host)
        if port == "rpc":
            return speaking.ask_grpc(self.at, 80, host)
        return speaking.ask_tls(self.at, 443, host, str(self.certificates / f"{worker}.crt"))

    def wrong(self, ports, times):
        """Return the answers that are not those of the worker asked; an error counts as one."""

        def look(asked):
            port, worker = asked
            pod, container = PLACES[worker]
            place = f"{self.release.name}-{pod}/twister2-container-{container}"
            try:
                found = self.one(port, worker)
            except (OSError, ValueError) as error:
                return [(asked, repr(error))]
            return [] if found == {"worker": worker, "place": place, "portName": port} else [(asked, found)]

        targets = [(port, worker) for port in ports for worker in PLACES] * times
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return [one for found in pool.map(look, targets) for one in found]

    def prove(self):
        """Every address of every worker is answered by it each time, once the proxies have learned of its pod."""

        def all_right():
            found = self.wrong(PORTS, 1)
            assert not found, found[:3]
            return True

        assert eventually(all_right, 60)
        found = self.wrong(["worker", "ui", "tls"], TIMES)
        assert not found, f"{len(found)} of {3 * TIMES * len(PLACES)} answers are wrong: {found[:3]}"


@only_newest_helm
def test_every_worker_answers_at_each_of_its_routes_through_its_whole_life(release, kube, certificates, tmp_path):
    """By listener (TCP, UDP), by host (HTTP, gRPC) and by SNI; the same after a killed pod and after an upgrade."""
    base = gateways.base()
    asking = Asking(release, gateways.address(kube), base, certificates)
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values(release, base)))
    arguments = ("-f", str(path), *gateways.parent())
    release.install(*arguments)
    asking.prove()

    kill(release, f"{release.name}-1-0")
    asking.prove()

    uids = release.uids()
    release.upgrade(*arguments, "--set", "gateway.annotations.note=new")
    assert release.uids() == uids
    asking.prove()


def echo(base, *more):
    """Return Helm's options for echo workers with a TCP listener each."""
    own = f"gateway.perWorker.enabled=true,gateway.perWorker.listenerSet.enabled=true,perWorker.enabled=true,{TYPE}"
    number = f"gateway.perWorker.listenerSet.portBase.worker={base}"
    return (*gateways.parent(), "--set", f"gateway.shared=false,{own},{number}", *more)


TYPE = "perWorker.type=ClusterIP"


@only_newest_helm
def test_the_wrapper_prints_the_addresses_and_check_finds_the_right_workers(command, job, kube):
    base, at = gateways.base(), gateways.address(kube)
    host = "gateway.ports.ui.route=HTTP,gateway.ports.worker.route=TCP,gateway.ports.ui.sectionName=http"
    hosts = f"gateway.ports.ui.hostTemplate=w-\\{{worker\\}}.{job}.example.com"
    ports = ("--set-json", 'additionalPorts=[{"name":"ui"}]', "--set", f"{host},{hosts},drainSeconds=0")
    result = command("install", job, *echo(base, *ports), "-o", "json", timeout=180)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    for worker in report["workers"]:
        by_port = {}
        for one in worker["addresses"]:
            if one["via"] == "gateway":
                assert one["state"] == "available", one
                by_port.setdefault(one["port"], []).append(one)
        assert f"{at}:{base + worker['id']}" in [one["address"] for one in by_port["worker"]]
        assert [one["url"] for one in by_port["ui"]] == [f"http://w-{worker['id']}.{job}.example.com:80"]

    def checked():
        results = json.loads(command("check", job, "-o", "json").stdout)["results"]
        own = [one for one in results if one["via"] == "gateway" and one["port"] == "worker"]
        assert {one["worker"] for one in own} == {0, 1}
        assert all((one["state"], one["answeredBy"]) == ("answered", one["worker"]) for one in own), own
        return True

    assert eventually(checked)


@only_newest_helm
def test_a_shared_route_spreads_and_other_ways_in_stay(release, kube):
    at, host = gateways.address(kube), f"{release.name}.example.com"
    routes = f"gateway.ports.worker.route=HTTP,gateway.ports.worker.sectionName=http,gateway.host={host}"
    release.install("--set", "instances=2,nodePort.enabled=true")
    uids, numbers = release.uids(), release.node_ports()
    release.upgrade(*gateways.parent(), "--set", f"instances=2,nodePort.enabled=true,{routes}")
    found = set()

    def both():
        found.add(speaking.ask_http(at, 80, host)["worker"])
        return found == {0, 1}

    assert eventually(both)
    assert (release.uids(), release.node_ports()) == (uids, numbers)
    release.upgrade("--set", "instances=2,nodePort.enabled=true")
    assert (release.uids(), release.node_ports()) == (uids, numbers)

    def gone():
        with pytest.raises(OSError, match="status 404"):
            speaking.ask_http(at, 80, host)
        return True

    assert eventually(gone)


@only_newest_helm
def test_another_count_touches_the_last_listener_set_alone(release, kube):
    """Few pods and many reserved workers: 64 listeners in the first set, the rest in the second."""
    at, base = gateways.address(kube), gateways.base()

    def generations():
        found = json.loads(kube("-n", release.namespace, "get", "listenersets", "-o", "json"))["items"]
        return {one["metadata"]["name"]: one["metadata"]["generation"] for one in found}

    def right():
        assert [ask(at, base + worker)["worker"] for worker in (0, 1)] == [0, 1]
        return True

    reserve = "perWorker.maxServices=100,perWorker.count"
    release.install(*echo(base), "--set", f"{reserve}=66")
    assert eventually(right, 60)
    before = generations()
    assert sorted(before) == [f"{release.name}-0", f"{release.name}-1"]
    release.upgrade(*echo(base), "--set", f"{reserve}=68")
    after = generations()
    assert after[f"{release.name}-0"] == before[f"{release.name}-0"]
    assert after[f"{release.name}-1"] > before[f"{release.name}-1"]
    assert eventually(right)


@only_newest_helm
def test_the_network_policy_lets_the_named_proxies_in_and_nobody_else(release, kube):
    at, base = gateways.address(kube), gateways.base()
    peer = "networkPolicy.proxiesFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
    release.install(*echo(base), "--set", f"{peer}=envoy-gateway-system")
    assert eventually(lambda: ask(at, base)["worker"] == 0, 60)

    def shut():
        try:
            ask(at, base, timeout=2)
        except (OSError, AssertionError):
            return True
        return False

    release.upgrade(*echo(base), "--set", f"{peer}=nowhere")
    assert eventually(lambda: shut() and shut(), 60)
    release.upgrade(*echo(base), "--set", f"{peer}=envoy-gateway-system")
    assert eventually(lambda: ask(at, base)["worker"] == 0, 60)


def listener_sets(release, kube):
    return kube("-n", release.namespace, "get", "listenersets", "-o", "json")
