"""`check` on a real cluster: who answers at the addresses of echo workers, and what is told when the wrong one does."""

import asyncio
import json

import pytest
from twister2_job import AsyncJob
from twister2_job.cli.output import check_table
from twister2_job.errors import NotExposedError, UnansweredError
from twister2_job.reach.check import check, require

from tests.cluster.conftest import eventually, only_newest_helm

pytestmark = only_newest_helm
OWN = ("--set", "perWorker.enabled=true")


@pytest.fixture
def checked(release, cluster_kubeconfig):
    """Return a function that checks the addresses as they are now."""
    job = AsyncJob(release.name, namespace=release.namespace, kubeconfig=cluster_kubeconfig)

    async def read_and_check(**options):
        return await check(await job.addresses(), **options)

    return lambda **options: asyncio.run(read_and_check(**options))


def test_right_after_install_every_address_answers_as_its_own_worker(release, checked):
    ports = ("--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]')
    release.install(*OWN, *ports, "--set", "nodePort.enabled=true")
    result = checked()
    assert result.ok and result.identity == "checked", check_table(result)
    assert require(result) is None
    own = [r for r in result.results if r.worker >= 0]
    assert {(r.worker, r.address.port) for r in own} == {(w, p) for w in (0, 1) for p in ("worker", "ui", "beat")}
    assert all(r.answered_by == r.worker and r.milliseconds > 0 for r in own)
    assert {r.address.family for r in own} == {"IPv4", "IPv6"}
    assert {r.address.port for r in result.results if r.worker < 0} == {"worker", "ui", "beat"}


def test_several_workers_in_a_pod_are_told_apart(release, checked):
    release.install(*OWN, "--set", "instances=1,workersPerPod=3")
    result = checked()
    assert result.ok and {r.answered_by for r in result.results} == {0, 1, 2}, check_table(result)


def test_a_service_that_leads_to_another_worker_is_found(release, checked):
    release.install(*OWN)
    assert checked().ok
    patch = {"spec": {"selector": {"statefulset.kubernetes.io/pod-name": f"{release.name}-0-1"}}}
    release.kube(
        "-n", release.namespace, "patch", "service", f"{release.name}-w-0", "--type=merge", "-p", json.dumps(patch)
    )

    def told():
        result = checked()
        assert {r.state for r in result.results if r.worker == 1} == {"answered"}, check_table(result)
        return {(r.state, r.answered_by) for r in result.results if r.worker == 0} == {("wrong worker", 1)} and result

    result = eventually(told)
    with pytest.raises(UnansweredError, match=f"worker 1 of job {release.name} answers, on its port worker"):
        require(result)


def test_a_worker_that_is_gone_is_not_available(release, checked):
    """Its Service stays, reserved; the others answer."""
    release.install(*OWN, "--set", "perWorker.count=3")
    result = checked()
    assert result.ok and {r.state for r in result.results if r.worker < 2} == {"answered"}, check_table(result)
    reserved = [r for r in result.results if r.worker == 2]
    assert reserved and all(r.state == "skipped" and r.reason.startswith("reserved: ") for r in reserved)


def test_a_program_of_ones_own_is_compared_with_what_is_expected(release, checked):
    program = "import http.server, os; http.server.ThreadingHTTPServer.address_family = 10\n"
    program += "class Page(http.server.BaseHTTPRequestHandler):\n"
    program += "  def do_GET(self):\n"
    program += "    self.send_response(200); self.end_headers()\n"
    program += "    self.wfile.write(b'I am ' + os.environ['POD_NAME'].encode() + b'.')\n"
    program += "http.server.ThreadingHTTPServer(('::', int(os.environ['WORKER_PORT'])), Page).serve_forever()\n"
    values = (
        "image.repository=docker.io/library/python,image.tag=3.11-slim-bookworm,readinessProbe.tcpSocket.port=worker"
    )
    release.install(*OWN, "--set", values, "--set-json", f"command={json.dumps(['python3', '-c', program])}")
    plain = checked()
    assert plain.ok and plain.identity == "not checked", check_table(plain)
    expected = checked(expect=rf"I am {release.name}-0-{{worker}}\.")
    assert expected.ok and expected.identity == "checked", check_table(expected)
    wrong = checked(expect=r"I am worker {worker}\.")
    assert {r.state for r in wrong.results} == {"wrong worker"}, check_table(wrong)
    assert "I am" in wrong.results[0].reason, check_table(wrong)


def test_an_address_for_clients_inside_the_cluster_is_named_as_such(release, checked):
    release.install(*OWN, "--set", "perWorker.type=ClusterIP,instances=1")
    result = checked(timeout=1)
    sources = {r.address.source for r in result.results}
    assert not result.ok and sources == {"serviceDNS", "clusterIP"}, check_table(result)
    with pytest.raises(UnansweredError, match="meant for clients inside the cluster"):
        require(result)


def test_a_job_that_is_not_exposed_is_told_in_a_sentence(release, checked):
    release.install()
    with pytest.raises(NotExposedError, match=rf"Job {release.name} has no address to check"):
        checked()
