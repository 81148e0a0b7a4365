"""What goes wrong at a real Gateway: a sentence, an exit code, a release that stays or is undone, and the repair."""

import json

import pytest

from tests.cluster import gateways
from tests.cluster.asking import ask
from tests.cluster.conftest import eventually, only_newest_helm, refused
from tests.cluster.test_gateway import echo

pytestmark = only_newest_helm


@pytest.fixture(autouse=True)
def gateway_api(kube):
    gateways.needed(kube)


def closed(base):
    """Return the options of `echo` with the Gateway that takes no ListenerSets."""
    namespace, name = gateways.CLOSED
    return (*echo(base), "--set", f"gateway.parentRefs[0].name={name},gateway.parentRefs[0].namespace={namespace}")


def release_of(command, job):
    found = json.loads(command("list", "-o", "json").stdout)
    return {one["name"]: one["status"] for one in found}.get(job)


def test_a_gateway_that_allows_no_listener_sets_is_told_and_repaired_by_another_gateway(command, job, kube):
    base = gateways.base()
    result = command("install", job, *closed(base), "--set", "drainSeconds=0", timeout=120)
    namespace, name = gateways.CLOSED
    sentence = f"the Gateway {namespace}/{name} allows no ListenerSets of namespace "
    refused(result, 3, sentence, "(NotAllowed)", f"listener worker-0 of ListenerSet {job}-0 is refused")
    assert release_of(command, job) == "deployed"
    assert sentence in command("address", job).stdout
    checked = command("check", job)
    assert checked.returncode == 23 and sentence in checked.stdout, checked.stdout + checked.stderr

    repaired = command("upgrade", job, *echo(base), timeout=120)
    assert repaired.returncode == 0, repaired.stderr
    assert eventually(lambda: ask(gateways.address(kube), base)["worker"] == 0)


def test_a_number_that_another_listener_has_is_told_and_repaired_by_another_number(command, job, kube):
    base, other = gateways.base(), gateways.base()
    assert command("install", f"{job}-a", *echo(base), "--set", "drainSeconds=0", timeout=120).returncode == 0
    result = command("install", f"{job}-b", *echo(base), "--set", "drainSeconds=0", timeout=120)
    refused(result, 3, f"port {base} is taken by another listener of the Gateway", "portBase")
    assert release_of(command, f"{job}-b") == "deployed"
    at = gateways.address(kube)
    assert ask(at, base)["job"] == f"{job}-a", "the older listener goes on"
    assert command("upgrade", f"{job}-b", *echo(other), timeout=120).returncode == 0
    assert eventually(lambda: ask(at, other)["job"] == f"{job}-b")


def test_a_listener_that_the_gateway_does_not_have_is_told(command, job):
    section = "gateway.ports.worker.route=HTTP,gateway.ports.worker.sectionName=nowhere,gateway.host=a.example.com"
    result = command("install", job, *gateways.parent(), "--set", f"{section},drainSeconds=0", timeout=120)
    refused(result, 3, f"HTTPRoute {job}-worker is refused", "has no such listener nowhere")
    good = section.replace("nowhere", "http")
    assert command("upgrade", job, *gateways.parent(), "--set", good, timeout=120).returncode == 0


def test_without_any_controller_it_is_pending_and_install_does_not_hang(command, job):
    nowhere = gateways.parent(("gateways", "missing"))
    section = "gateway.ports.worker.route=HTTP,gateway.host=a.example.com,drainSeconds=0"
    result = command("install", job, *nowhere, "--set", section, timeout=90)
    refused(result, 3, f"HTTPRoute {job}-worker: no controller has taken it; is the Gateway gateways/missing there")
    assert release_of(command, job) == "deployed"


def test_a_version_that_the_cluster_does_not_serve_is_refused_and_undone(command, job, left):
    version = "gateway.apiVersion=gateway.networking.k8s.io/v1alpha9"
    result = command("install", job, *echo(gateways.base()), "--set", version, timeout=120)
    refused(result, 18, "TCPRoute", "v1alpha9")
    assert eventually(lambda: left() == [])
    assert release_of(command, job) is None


def test_without_rights_at_the_gateway_the_advertised_host_is_needed(
    command, job, restricted_kubeconfig, bind_documented_role
):
    bind_documented_role()
    base = gateways.base()
    environment = {"KUBECONFIG": restricted_kubeconfig()}
    result = command("install", job, *echo(base), "--set", "drainSeconds=0", timeout=120, env=environment)
    refused(result, 3, "can't be read; set gateway.advertisedHost")
    host = ("--set", "gateway.advertisedHost=gateway.example.com")
    result = command("upgrade", job, *echo(base), *host, "-o", "plain", timeout=120, env=environment)
    assert result.returncode == 0, result.stderr
    assert f"gateway.example.com:{base}" in result.stdout.split()
