"""Which objects a job has in the cluster: also of kinds that not every cluster serves."""

import asyncio

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.release.job_objects import KINDS, objects_of, path_of

SERVED = "gateways.gateway.networking.k8s.io\ntcproutes.gateway.networking.k8s.io\n"


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl whose cluster serves some kinds; the function returns what `get` was asked for."""

    def install(served):
        path = tmp_path / "kubectl"
        (tmp_path / "served").write_text(served)
        path.write_text(
            "#!/bin/sh\n"
            f'case "$*" in\napi-resources*) cat {tmp_path}/served;;\n'
            f'get*) echo "$2" >>{tmp_path}/words; echo \'{{"items": [{{"kind": "Some"}}]}}\';;\nesac\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
        found = asyncio.run(objects_of(Kubectl(Connection(namespace="data")), "job"))
        return found, sorted((tmp_path / "words").read_text().split())

    return install


def test_a_cluster_without_the_gateway_api_is_not_asked_for_routes(kubectl):
    found, (asked,) = kubectl("")
    assert "gateway" not in asked and "ingresses.networking.k8s.io" in asked and len(found) == 1


def test_only_the_kinds_that_it_serves_are_read_and_no_gateway_of_others(kubectl):
    found, asked = kubectl(SERVED)
    assert asked[1] == "tcproutes.gateway.networking.k8s.io" and len(asked) == len(found) == 2


def test_ways_in_come_first_so_that_they_end_first():
    kinds = list(KINDS)
    assert max(kinds.index(kind) for kind in ("Service", "Ingress", "TCPRoute", "ListenerSet")) < kinds.index(
        "StatefulSet"
    )


def test_an_object_is_removed_in_the_version_that_it_was_read_in():
    route = {"apiVersion": "gateway.networking.k8s.io/v1alpha2", "kind": "TCPRoute"}
    route["metadata"] = {"name": "a", "namespace": "data"}
    assert path_of(route) == "/apis/gateway.networking.k8s.io/v1alpha2/namespaces/data/tcproutes/a"
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "data"}}
    assert path_of(service) == "/api/v1/namespaces/data/services/a"
