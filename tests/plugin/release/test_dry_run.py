"""What is tried before an upgrade, and which answers count."""

import asyncio

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.errors import RefusedError
from twister2_job.release import dry_run


def thing(kind, name, **more):
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


def test_only_what_is_added_or_changed_is_tried_workloads_first_and_no_rights():
    before = [thing("Service", "a"), thing("StatefulSet", "b", spec=1), thing("Role", "c")]
    after = [
        thing("Service", "a"),
        thing("Service", "d"),
        thing("StatefulSet", "b", spec=2),
        thing("Role", "c", rules=[]),
    ]
    assert [o["metadata"]["name"] for o in dry_run.changed(before, after)] == ["b", "d"]
    many = [thing("Service", f"s{n}") for n in range(3000)]
    assert len(dry_run.changed([], [*many, thing("StatefulSet", "b")])) == dry_run.MOST
    assert dry_run.changed([], [*many, thing("StatefulSet", "b")])[0]["kind"] == "StatefulSet"


def test_of_routes_and_ingresses_some_stand_for_all_and_services_keep_their_place():
    routes = [thing(kind, f"{kind}{n}") for kind in ("Ingress", "TCPRoute") for n in range(500)]
    tried = dry_run.changed([], [*routes, thing("Service", "a"), thing("NetworkPolicy", "b")])
    kinds = [o["kind"] for o in tried]
    assert kinds == ["NetworkPolicy", *["Ingress"] * dry_run.SOME, *["TCPRoute"] * dry_run.SOME, "Service"]


def test_the_users_own_objects_of_other_kinds_and_namespaces_are_left_to_helm():
    elsewhere = {**thing("ConfigMap", "a"), "metadata": {"name": "a", "namespace": "other"}}
    more = [{"apiVersion": "example.com/v1", "kind": "Odd", "metadata": {"name": "a"}}, elsewhere, thing("Secret", "a")]
    assert dry_run.changed([], [*more, thing("ConfigMap", "a")]) == [thing("ConfigMap", "a")]


class Helm:
    path = "/bin/helm"


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """Try one changed StatefulSet with a kubectl that says something and ends with a code; real ones say it seldom."""

    def run(said, code, by_server=True):
        path = tmp_path / "kubectl"
        (tmp_path / "said").write_text(said)
        path.write_text(
            f'#!/bin/sh\ncat >/dev/null\necho "$*" >>{tmp_path}/words\ncat {tmp_path}/said >&2\nexit {code}\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
        before, after = [thing("StatefulSet", "job-0", spec=1)], [thing("StatefulSet", "job-0", spec=2)]
        asyncio.run(dry_run.check(Kubectl(Connection(namespace="data")), Helm(), by_server, before, after))

    return run


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'error: resource mapping not found for name: "job-worker" namespace: "data" from "STDIN": no matches for '
            'kind "TCPRoute" in version "gateway.networking.k8s.io/v1"',
            "TCPRoute of gateway.networking.k8s.io/v1: this cluster does not serve it; install what brings it",
        ),
        (
            'Error from server (Invalid): StatefulSet.apps "job-0" is invalid: spec: Forbidden: updates to statefulset',
            'StatefulSet.apps "job-0" is invalid',
        ),
        (
            'Error from server (BadRequest): error when replacing "STDIN": StatefulSet in version "v1" cannot be '
            "handled as a StatefulSet: json: cannot unmarshal number",
            "job-0: StatefulSet in version",
        ),
        ('Error from server: admission webhook "a.b" denied the request: no', 'admission webhook "a.b" denied'),
        (
            'Error from server (Forbidden): pods "x" is forbidden: exceeded quota: few, requested: pods=1',
            "exceeded quota",
        ),
    ],
)
def test_what_no_upgrade_gets_past_is_refused(attempt, said, told):
    with pytest.raises(RefusedError) as error:
        attempt(said, 1)
    assert told in str(error.value) and "Error from server" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Warning: Validation failed for ValidatingAdmissionPolicy 'x' with binding 'y': denied the request", 0),
        ("Warning: Validation failed for ValidatingAdmissionPolicy 'x': exceeded quota\nerror: timed out", 1),
        ('Error from server (Forbidden): User "a" cannot patch resource "statefulsets"', 1),
        ("Error from server (InternalError): failed calling webhook", 1),
        ("Unable to connect to the server: dial tcp: i/o timeout", 1),
    ],
)
def test_every_other_failure_lets_helm_go_on(attempt, said, code):
    attempt(said, code)


def test_it_is_tried_as_helm_applies_it(attempt, tmp_path):
    attempt("", 0)
    attempt("", 0, by_server=False)
    first, second = (tmp_path / "words").read_text().splitlines()
    assert first.startswith("apply --server-side --force-conflicts --field-manager=helm --dry-run=server")
    assert second.startswith("replace --dry-run=server")
