"""Twister2's own classes in the pods of this chart: jobs that compute, and workers that are reached from outside."""

import base64
import io
import json
import re
import tarfile

import pytest
import yaml

from tests.cluster.conftest import COMMAND, alone, eventually, only_newest_helm, refused
from tests.cluster.twister2_images import PACKAGE, ask, jar, values
from tests.conftest import REPOSITORY
from tests.job_protobuf import protobuf

pytestmark = only_newest_helm  # tests/chart compares what each Helm renders.

IMAGE_CONFIGURATION = "tests/images/twister2/conf/common"
# All that the example's own main would have set; it wants its numbers as texts.
ALL_REDUCE = {
    "itr": "20", "size": "1000", "workers": "4", "stages": "4,4", "gap": "0", "outstanding": "0", "pi": "1",
    "int_itr": "0", "verify": True, "stream": False, "window": False,
}  # fmt: skip
SERVER = f"{PACKAGE}.internal.rsched.BasicK8sWorker"
GROUPS = {"instances": 2, "workersPerPod": 2, "computeResources": [{"instances": 1, "workersPerPod": 1}]}
# (worker ID, pod, worker port) of these groups, counted by hand.
TABLE = [(0, "0-0", 9000), (1, "0-0", 9002), (2, "0-1", 9000), (3, "0-1", 9002), (4, "1-0", 9000)]


@pytest.fixture(autouse=True)
def one_at_a_time():
    """Twister2 0.3.0 gives a job up when one of its workers is late, and five JVMs are enough for two cores."""
    with alone("twister2"):
        yield


@pytest.fixture
def write(tmp_path):
    """Write a values file and return its path."""

    def file(**more):
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values(**more)))
        return str(path)

    return file


@pytest.fixture
def url(kube, namespace):
    """The URL, inside the cluster, of the jar."""
    kube("-n", namespace, "create", "configmap", "files", f"--from-file=examples.jar={jar()}")
    container = {
        "name": "files",
        "image": "docker.io/library/python:3.11-slim-bookworm",
        "command": ["python3", "-m", "http.server", "8000", "--bind", "::", "--directory", "/files"],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "files", "mountPath": "/files"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "files", "labels": {"app": "files"}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "files", "configMap": {"name": "files"}}],
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }  # fmt: skip
    kube("-n", namespace, "create", "-f", "-", input=json.dumps(pod))
    kube("-n", namespace, "expose", "pod", "files", "--port=80", "--target-port=8000")
    kube("-n", namespace, "wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
    return f"http://files.{namespace}.svc/examples.jar"


def results(release, workers=4):
    """Return how many workers' own logs say that Twister2 has verified their results."""
    logs = [
        release.kube("-n", release.namespace, "logs", f"{release.name}-0-{n}", "-c", "twister2-container-0")
        for n in range(workers)
    ]
    return sum("Results are verified!" in log for log in logs)


def test_a_job_by_bare_helm_computes_to_its_end(release, write, url, command):
    settings = write(instances=4, job={"class": f"{PACKAGE}.task.batch.BTAllReduceExample", "config": ALL_REDUCE})
    release.install("-f", settings, "--set", f"job.jar.url={url}")
    result = command("wait", release.name, "--timeout", "120")
    assert result.returncode == 0, result.stderr
    assert results(release) == 4
    status = json.loads(command("status", release.name, "-o", "json").stdout)
    assert status["job"]["state"] == "completed"
    release.helm("uninstall", "--wait", "--timeout", "60s")


def test_submit_follows_a_job_to_its_end_and_uninstall_leaves_nothing(release, job, write, command, left):
    settings = write(instances=4, job={"config": ALL_REDUCE})
    result = command("submit", job, str(jar()), "--class", f"{PACKAGE}.comms.batch.BAllReduceExample", "-f", settings)
    assert result.returncode == 0, result.stderr
    assert "completed" in result.stderr and results(release) == 4
    assert any(re.fullmatch(rf"{job}-jar-[0-9a-f]{{8}}-0", name) for name in left())
    assert command("uninstall", job, "--wait").returncode == 0
    assert eventually(lambda: not left())


def test_submit_with_only_the_documented_role(run, job, namespace, write, restricted_kubeconfig, bind_documented_role):
    bind_documented_role()
    settings = write(instances=2, job={"config": {**ALL_REDUCE, "workers": "2", "stages": "2,2"}})
    who = {"KUBECONFIG": restricted_kubeconfig()}
    words = ("submit", job, str(jar()), "--class", f"{PACKAGE}.comms.batch.BAllReduceExample", "-f", settings)
    result = run(COMMAND, *words, "--namespace", namespace, env=who)
    assert result.returncode == 0, result.stderr
    result = run(COMMAND, "uninstall", job, "--namespace", namespace, env=who)
    assert result.returncode == 0, result.stderr


def test_every_worker_is_reached_through_the_shared_node_port(release, job, write, command, nodes):
    """Twister2's own server answers with the worker ID that Twister2 gave it."""
    settings = write(instances=3, nodePort={"enabled": True})
    result = command("submit", job, str(jar()), "--class", SERVER, "--detach", "-f", settings)
    assert result.returncode == 0, result.stderr
    (number,) = release.node_ports().values()
    hosts = [address for addresses in nodes.values() for address in addresses]
    seen = set()

    def all_seen():
        seen.update(ask(host, number)["workerID"] for host in hosts)
        return seen == {"0", "1", "2"}

    assert eventually(all_seen, 60)


def test_ids_and_ports_are_those_that_twister2_computes_and_rerun_keeps_the_node_ports(
    release, job, write, command, nodes
):
    ports = {"additionalPorts": [{"name": "ui"}], "perWorker": {"enabled": True, "ports": ["worker"]}}
    settings = write(**GROUPS, **ports)
    result = command("submit", job, str(jar()), "--class", SERVER, "--detach", "-f", settings)
    assert result.returncode == 0, result.stderr

    def each_is_itself():
        report = json.loads(command("address", job, "-o", "json").stdout)
        assert [(w["id"], w["pod"].removeprefix(f"{job}-")) for w in report["workers"]] == [row[:2] for row in TABLE]
        for worker, (number, _, port) in zip(report["workers"], TABLE, strict=True):
            assert worker["addresses"]
            for address in worker["addresses"]:
                try:
                    said = ask(address["host"], address["number"])
                except OSError as error:
                    raise AssertionError(f"{error}: {address}") from error
                assert (said["workerID"], said["port"]) == (str(number), str(port)), address
        return True

    assert eventually(each_is_itself, 60)
    found, pods = release.worker_ports(), release.uids()
    assert len(found) == 5 and len(pods) == 3
    result = command("rerun", job, "--detach")
    assert result.returncode == 0, result.stderr
    assert release.worker_ports() == found
    assert release.uids().keys() == pods.keys() and not set(release.uids().values()) & set(pods.values())
    assert eventually(each_is_itself, 60)


def test_a_driver_scales_the_job_which_then_ends_and_runs_again(release, job, write, command, left, tmp_path):
    """Twister2's own DriverExample goes from 2 workers to 6, 4 and 8, with the right to scale one StatefulSet."""
    driver = f"{PACKAGE}.internal.rsched.DriverExample"
    settings = write(instances=2, perWorker={"enabled": True, "count": 8})
    words = ("submit", job, str(jar()), "--class", SERVER, "--driver", driver, "--detach", "-f", settings)
    result = command(*words)
    assert result.returncode == 0, result.stderr
    sizes = []

    def scaled_to(*wanted):
        size = release.get("statefulset", f"{job}-0")["spec"]["replicas"]
        sizes.extend([] if sizes[-1:] == [size] else [size])
        return sizes == list(wanted)

    assert eventually(lambda: scaled_to(2, 6, 4, 8), 240), sizes

    def each_is_itself():
        report = json.loads(command("address", job, "-o", "json").stdout)
        assert len(report["workers"]) == 8
        for worker in report["workers"]:
            for address in worker["addresses"]:
                assert ask(address["host"], address["number"])["workerID"] == str(worker["id"]), address
        return True

    assert eventually(each_is_itself, 90)
    found = release.worker_ports()
    result = command("upgrade", job, "--reset-then-reuse-values")
    refused(result, 2, f"instances: group {job}-0 of the running job has 8 pods, and would get 2")
    assert len(release.pods()) == 8
    result = command("kill", job, "--logs", str(tmp_path / "logs"))
    assert result.returncode == 0 and release.pods() == {}, result.stderr
    result = command("rerun", job, "--detach")
    assert result.returncode == 0, result.stderr
    sizes.clear()
    assert eventually(lambda: scaled_to(2, 6), 120), sizes
    assert release.worker_ports() == found
    assert command("uninstall", job, "--wait").returncode == 0
    assert eventually(lambda: not left())


def test_the_package_in_the_pod_is_what_the_protobuf_library_and_tarfile_read(release, job, write, command, run):
    words = ("submit", job, str(jar()), "--class", SERVER, "--config", "a.size=5", "--config", "a.on=true", "--detach")
    result = command(*words, "-f", write(**GROUPS, additionalPorts=[{"name": "ui"}]))
    assert result.returncode == 0, result.stderr
    # kubectl's text would not be the bytes.
    show = f"import base64; print(base64.b64encode(open('/twister2-memory-dir/{job}.tar.gz', 'rb').read()).decode())"
    text = release.kube(
        "-n", release.namespace, "exec", f"{job}-jm-0", "-c", "twister2-job-master-0", "--", "python3", "-c", show
    )
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text)), mode="r:gz") as tar:
        content = {entry.name.removeprefix("twister2-job/"): tar.extractfile(entry).read() for entry in tar}
    assert content["job.jar"] == jar().read_bytes()
    found = protobuf().FromString(content[f"{job}.job"])
    assert (found.job_id, found.worker_class_name, found.number_of_workers) == (job, SERVER, 5)
    assert [(r.instances, r.workers_per_pod, r.index) for r in found.compute_resource] == [(2, 2, 0), (1, 1, 1)]
    core, network = (yaml.safe_load(content[f"kubernetes/{name}.yaml"]) for name in ("core", "network"))
    assert (core["a.size"], core["a.on"], core["kubernetes.namespace"]) == (5, True, release.namespace)
    assert network["twister2.resource.worker.additional.ports"] == ["ui"]
    own = {f"common/{path.name}": path.read_bytes() for path in (REPOSITORY / IMAGE_CONFIGURATION).iterdir()}
    assert own.keys() == {name for name in content if re.fullmatch(r"common/.*\.yaml", name)}
    assert all(content[name] == text for name, text in own.items())
    assert core["twister2.checkpointing.request.timeout"] == 50000  # Which the image lacks.


def test_a_missing_jar_is_a_sentence_and_no_ready_pod(release, job, write, command, url):
    wrong = url.replace("examples", "missing")
    result = command("submit", job, wrong, "--class", SERVER, "--timeout", "60", "-f", write(instances=1))
    refused(result, 26, f"can't be had from {wrong}: HTTP status 404")
    assert not any(pod["status"]["containerStatuses"][0]["ready"] for pod in release.pods().values())


def test_nobody_else_reaches_the_job_master_and_the_workers_port(release, job, write, command):
    settings = write(instances=1, additionalPorts=[{"name": "ui"}], nodePort={"enabled": True})
    result = command("submit", job, str(jar()), "--class", SERVER, "--detach", "-f", settings)
    assert result.returncode == 0, result.stderr
    assert list(release.node_ports()) == ["ui"]  # The worker port is none that strangers should reach.
    ips = {pod: release.get("pod", f"{job}-{pod}")["status"]["podIP"] for pod in ("jm-0", "0-0")}
    program = """
import socket, sys, time
until = time.monotonic() + float(sys.argv[1])
for host, port in (pair.rsplit("/", 1) for pair in sys.argv[2:]):
    found = "closed"
    while found == "closed" and time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), 3).close()
            found = "open"
        except OSError:
            time.sleep(0.5)
    print(found)
"""
    targets = (f"{ips['jm-0']}/11011", f"{ips['0-0']}/9000")

    def from_pod(name, seconds, *labels):
        override = {
            "spec": {
                "securityContext": {
                    "runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": name,
                        "image": "docker.io/library/python:3.11-slim-bookworm",
                        "command": ["python3", "-c", program, str(seconds), *targets],
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
                "restartPolicy": "Never",
            }
        }  # fmt: skip
        manifest = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": dict(labels)}, **override,
        }  # fmt: skip
        release.kube("-n", release.namespace, "create", "-f", "-", input=json.dumps(manifest))
        phase = "jsonpath={.status.phase}=Succeeded"
        release.kube("-n", release.namespace, "wait", f"--for={phase}", f"pod/{name}", "--timeout=60s")
        return release.kube("-n", release.namespace, "logs", name).split()

    # First one that the policies know as a worker: it is the policies that make the difference.
    worker = {
        "app.kubernetes.io/name": "twister2-job",
        "app.kubernetes.io/instance": job,
        "app.kubernetes.io/component": "worker",
    }
    assert from_pod("worker", 30, *worker.items()) == ["open", "open"]
    assert from_pod("stranger", 5) == ["closed", "closed"]
