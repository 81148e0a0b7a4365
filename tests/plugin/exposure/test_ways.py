"""Ways in whose objects are no Services: which are read, when, and what is said of those that can't be."""

import json
import stat
import sys

import pytest
from twister2_job.clients import further
from twister2_job.clients.children import Result
from twister2_job.clients.connection import Connection
from twister2_job.clients.resources import Cluster
from twister2_job.errors import LoginError, NoClusterError
from twister2_job.exposure.addresses import report
from twister2_job.exposure.snapshot import addresses

from .test_addresses import HEADLESS, NODES, pod, stateful_set

READS = "networking.k8s.io/v1/ingresses,gateway.networking.k8s.io/v1/namespaces/infra/gateways/web"
HEADLESS_WITH = {
    **HEADLESS,
    "metadata": {**HEADLESS["metadata"], "annotations": {"twister2-job/mode": "echo", "twister2-job/reads": READS}},
}


def ingress(
    name="job-worker", worker=None, host="w.example.com", path="/", tls=False, at=("192.0.2.7",), port="worker"
):
    labels = {"twister2-job/exposure": "ingress", "twister2-job/port": port}
    if worker is not None:
        labels["twister2-job/worker"] = str(worker)
    rule = {"http": {"paths": [{"path": path, "pathType": "Prefix"}]}, **({"host": host} if host else {})}
    points = [{"hostname" if point[0].isalpha() else "ip": point} for point in at]
    return {
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "data", "labels": labels},
        "spec": {"ingressClassName": "traefik", "rules": [rule], **({"tls": [{"hosts": [host]}]} if tls else {})},
        "status": {"loadBalancer": {"ingress": points} if at else {}},
    }


def cluster(*objects, pods=None):
    pods = pods or [pod(0, "node-1"), pod(1, "node-2")]
    return Cluster([HEADLESS_WITH, stateful_set(len(pods)), *pods, *objects], NODES)


def test_a_job_names_the_further_kinds_that_it_has():
    assert further.further([HEADLESS], "job") == []
    own, other = further.further([HEADLESS_WITH], "job")
    assert own.read.kind == "Ingress" and own.own and not own.read.single
    selector = "app.kubernetes.io/name%3Dtwister2-job%2Capp.kubernetes.io/instance%3Djob"
    assert own.read.words[2].startswith(
        f"/apis/networking.k8s.io/v1/namespaces/data/ingresses?labelSelector={selector}"
    )
    assert other.read.words[2] == "/apis/gateway.networking.k8s.io/v1/namespaces/infra/gateways/web"
    assert other.read.kind == "Gateway" and other.read.single and not other.own


@pytest.mark.parametrize(
    "entry", ["", "v1/secrets", "networking.k8s.io/v1/ingresses?x=y", "a/v1/namespaces/../secrets/x", "a/v1/secrets"]
)
def test_no_other_path_of_the_api_is_read(entry):
    annotations = {"twister2-job/reads": entry}
    assert (
        further.entries([{**HEADLESS, "metadata": {**HEADLESS["metadata"], "annotations": annotations}}], "job") == ()
    )


FORBIDDEN = (
    'Error from server (Forbidden): ingresses.networking.k8s.io is forbidden: User "u" cannot list resource '
    '"ingresses" in API group "networking.k8s.io" in the namespace "data"'
)
ABSENT = "Error from server (NotFound): the server could not find the requested resource"


@pytest.mark.parametrize(
    ("error", "why"),
    [(FORBIDDEN, "you may not list them"), (ABSENT, "this cluster does not serve networking.k8s.io/v1")],
)
def test_a_kind_that_cannot_be_read_is_a_warning_and_the_rest_comes(error, why):
    wanted = further.further([HEADLESS_WITH], "job")
    found = further.extended(cluster(), wanted, [Result(1, "", error), Result(1, "", error)])
    said = report("job", found).warnings
    assert said == (f"The job's ingresses can't be read, so their addresses are missing: {why}.",)


FAULTS = [
    "Error from server (TooManyRequests): the server has received too many requests",
    "Error from server (InternalError): an error on the server has prevented the request from succeeding",
    "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
    "Error from server: etcdserver: request timed out",
    'Error from server: conversion webhook for x failed: Post "https://gw.svc:443/": dial tcp: connection refused',
    'Error from server (InternalError): Internal error occurred: service "gw" not found',
]


@pytest.mark.parametrize("error", FAULTS)
def test_a_fault_at_an_object_that_is_not_the_jobs_hides_no_address(error):
    wanted = further.further([HEADLESS_WITH], "job")
    listed = json.dumps({"items": [ingress()]})
    found = further.extended(cluster(), wanted, [Result(0, listed, ""), Result(1, "", error)])
    sentence = f"Gateway infra/web can't be read, so what it tells of addresses is missing: {error}."
    assert report("job", found).warnings == (sentence,)
    assert [a.host for a in report("job", found).shared] == ["w.example.com"]


@pytest.mark.parametrize("error", [FORBIDDEN.replace("ingresses", "gateways"), ABSENT, 'x (NotFound): "web" not found'])
def test_of_a_single_object_that_is_absent_or_forbidden_its_way_in_tells(error):
    wanted = further.further([HEADLESS_WITH], "job")
    found = further.extended(cluster(), wanted, [Result(0, '{"items": []}', ""), Result(1, "", error)])
    assert (found.others, found.unread) == ([], [])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout", NoClusterError),
        ("The connection to the server 192.0.2.1:6443 was refused - did you specify it?", NoClusterError),
        ("error: You must be logged in to the server (Unauthorized)", LoginError),
    ],
)
def test_without_a_connection_or_a_login_the_read_ends(error, kind):
    wanted = further.further([HEADLESS_WITH], "job")
    with pytest.raises(kind):
        further.extended(cluster(), wanted, [Result(0, '{"items": []}', ""), Result(1, "", error)])


def test_an_object_that_is_not_the_jobs_is_kept_apart():
    wanted = further.further([HEADLESS_WITH], "job")
    gateway = json.dumps({"metadata": {"name": "web", "namespace": "infra"}})
    found = further.extended(cluster(), wanted, [Result(0, '{"items": []}', ""), Result(0, gateway, "")])
    assert [(o["kind"], o["metadata"]["name"]) for o in found.others] == [("Gateway", "web")]
    assert report("job", found).namespace == "data"


def program(tmp_path, headless):
    """Write a kubectl that answers from objects and counts its runs."""
    lists = {
        "pods,statefulsets": [stateful_set(1), pod(0, "node-1")],
        "/services": [headless], "/nodes": NODES, "/ingresses": [ingress()],
    }  # fmt: skip
    path = tmp_path / "kubectl"
    path.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(tmp_path / 'runs')!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        f"lists = {lists!r}\n"
        "for part, items in lists.items():\n"
        "    if any(part in word for word in sys.argv[1:]):\n"
        "        print(json.dumps({'items': items})); sys.exit()\n"
        "print('Error from server (NotFound): x not found', file=sys.stderr); sys.exit(1)\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(("headless", "runs"), [(HEADLESS, 3), (HEADLESS_WITH, 5)], ids=["plain", "with an Ingress"])
def test_a_plain_job_starts_no_more_processes_than_before(tmp_path, monkeypatch, headless, runs):
    monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(program(tmp_path, headless)))
    monkeypatch.setenv("KUBECONFIG", "/dev/null")
    found = addresses(Connection(namespace="data"), "job")
    assert len((tmp_path / "runs").read_text().splitlines()) == runs
    assert [a.via for a in found.shared] == (["ingress"] if runs == 5 else [])


def test_one_entry_for_all_comes_before_nodes_and_inside_addresses_last():
    service = {
        "kind": "Service",
        "metadata": {
            "name": "job-w-0", "namespace": "data",
            "labels": {"twister2-job/exposure": "perWorker", "twister2-job/worker": "0"},
        },
        "spec": {"type": "ClusterIP", "clusterIPs": ["10.96.0.7"], "ports": [{"name": "worker", "port": 9000}]},
    }  # fmt: skip
    balanced = {
        **service, "metadata": {**service["metadata"], "name": "job-w-0b"},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "worker", "port": 9000}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }  # fmt: skip
    found = report("job", cluster(service, balanced, ingress("job-w-0-worker", worker=0)))
    (first, *_) = found.workers
    assert [(a.via, a.source) for a in first.addresses] == [
        ("perWorker", "loadBalancer"), ("ingress", "hostname"), ("perWorker", "serviceDNS"), ("perWorker", "clusterIP"),
    ]  # fmt: skip
