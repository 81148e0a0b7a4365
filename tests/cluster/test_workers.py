"""The workers inside a real cluster: DNS names, ports, several workers in a pod."""

import json

import pytest

from tests.cluster import gateways
from tests.cluster.conftest import alone, eventually, only_newest_helm
from tests.conftest import CI_VALUES

GROUPS = (
    "--set", "instances=1",
    "--set-json", 'computeResources=[{"instances":2,"workersPerPod":2},{"instances":1}]',
    "--set-json", 'additionalPorts=[{"name":"ui"}]',
)  # fmt: skip
# (worker ID, pod, container, worker port) of the groups above, counted by hand.
TABLE = [
    (0, "0-0", 0, 9000),
    (1, "1-0", 0, 9000),
    (2, "1-0", 1, 9002),
    (3, "1-1", 0, 9000),
    (4, "1-1", 1, 9002),
    (5, "2-0", 0, 9000),
]

ASK_ALL = """
import json, socket, sys
for host, port in json.loads(sys.argv[1]):
    addresses = sorted({info[4][0] for info in socket.getaddrinfo(host, None)})
    for address in addresses:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(b"x")
            print(json.dumps([":" in address, json.loads(connection.recv(65536))]))
"""


# Twister2 jobs need their images and jars: test_twister2.py.
RUNNABLE = [path for path in CI_VALUES if not path.stem.startswith("job-")]


@only_newest_helm
def test_workers_reach_each_other_by_dns_name_on_their_own_ports(release):
    """From one worker to every port of every other, over every address its DNS name has, IPv4 and IPv6."""
    release.install(*GROUPS)
    targets = [
        (f"{release.name}-{pod}.{release.name}", port + offset)
        for _, pod, _, port in TABLE
        for offset in (0, 1)
    ]  # fmt: skip
    words = ("exec", f"{release.name}-0-0", "--", "python3", "-c", ASK_ALL, json.dumps(targets))
    answers = [json.loads(line) for line in release.kube("-n", release.namespace, *words).splitlines()]
    found = {(v6, one["worker"], one["pod"], one["port"], one["portName"]) for v6, one in answers}
    expected = {
        (v6, worker, f"{release.name}-{pod}", port + offset, ("worker", "ui")[offset])
        for worker, pod, _, port in TABLE
        for offset in (0, 1)
        for v6 in (True, False)
    }
    assert found == expected


def test_helm_test_passes_for_every_group(release):
    release.install(*GROUPS)
    result = release.run("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    assert result.returncode == 0, result.stdout + result.stderr
    for worker, *_ in TABLE:
        assert f"ok: port ui of worker {worker}" in result.stdout


@only_newest_helm
def test_helm_test_fails_when_a_worker_does_not_answer(release):
    """A chart test that can't fail is worth nothing: the workers listen on another port than the values say."""
    release.install("--set", "instances=1", "--set-json", 'readinessProbe={"exec":{"command":["true"]}}')
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args/3", "value": "worker=9100"}]
    release.kube(
        "-n", release.namespace, "patch", "statefulset", f"{release.name}-0", "--type=json", "-p", json.dumps(patch)
    )
    release.kube("-n", release.namespace, "rollout", "status", f"statefulset/{release.name}-0", "--timeout=60s")
    result = release.run("helm", "test", release.name, "--namespace", release.namespace, "--logs", "--timeout", "120s")
    assert result.returncode != 0
    assert "FAILED: port worker of worker 0" in result.stdout + result.stderr


@only_newest_helm  # tests/chart compares what each Helm renders.
@pytest.mark.parametrize("values", RUNNABLE, ids=[path.stem for path in RUNNABLE])
def test_every_ci_values_file_runs(release, kube, values):
    if values.stem.startswith("gateway-"):
        gateways.needed(kube)
    with alone(values.stem):  # Some of them fix node ports.
        release.install("-f", str(values))
        release.helm("uninstall", "--wait", "--timeout", "60s")


def test_uninstall_leaves_nothing(release):
    release.install("--set", "nodePort.enabled=true")
    release.helm("uninstall", "--wait", "--timeout", "60s")
    kinds = "statefulsets,services,configmaps,serviceaccounts,secrets,pods"

    def left():
        found = json.loads(release.kube("-n", release.namespace, "get", kinds, "-o", "json"))["items"]
        return [one for one in found if one["metadata"]["name"] not in ("kube-root-ca.crt", "default")]

    # Helm waits for its own objects; the pods belong to the StatefulSet and end a moment later.
    assert eventually(lambda: not left())
