"""Forward and client without a cluster: what they lead to, what they never touch, and faults of kubectl."""

import asyncio
import json
import os
import signal
import socket
import threading
import time

import pytest
from twister2_job import Endpoint, Job
from twister2_job.clients.connection import Connection
from twister2_job.clients.resources import Cluster
from twister2_job.clients.signals import until_signalled
from twister2_job.errors import ForwardLostError, NoClusterError, NotExposedError, PendingError, UsageError
from twister2_job.exposure.model import Address, JobAddresses, Worker
from twister2_job.reach import connect as client_module
from twister2_job.reach import forward as forward_module
from twister2_job.reach import tunnel as tunnel_module
from twister2_job.reach.connect import choose
from twister2_job.reach.forward import Forward, find
from twister2_job.reach.tunnel import reserved_port


def stateful_set(instances=2, per_pod=2):
    return {
        "kind": "StatefulSet",
        "metadata": {
            "name": "job-0",
            "labels": {"twister2-job/group": "0"},
            "annotations": {"twister2-job/first-worker": "0", "twister2-job/workers-per-pod": str(per_pod)},
        },
        "spec": {"replicas": instances},
    }


def pod(ordinal, ready=True):
    """A pod of two workers, each with the ports worker, ui and beat (UDP)."""

    def ports(container):
        suffix = f"-{container}" if container else ""
        named = [("worker", "TCP"), ("ui", "TCP"), ("beat", "UDP")]
        return [
            {"name": name + suffix, "containerPort": 9000 + 3 * container + index, "protocol": protocol}
            for index, (name, protocol) in enumerate(named)
        ]

    names = [f"twister2-container-{container}" for container in range(2)]
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    return {
        "kind": "Pod",
        "metadata": {"name": f"job-0-{ordinal}", "uid": f"uid-{ordinal}", "namespace": "data"},
        "spec": {"containers": [{"name": name, "ports": ports(index)} for index, name in enumerate(names)]},
        "status": {
            "containerStatuses": [
                {"name": name, "ready": ready, "state": {"running": {}} if ready else waiting} for name in names
            ]
        },
    }


CLUSTER = Cluster([stateful_set(), pod(0, ready=False), pod(1)], None)


@pytest.mark.parametrize(
    ("worker", "port", "pod_name", "number"),
    [
        (2, "worker", "job-0-1", 9000),
        (2, "ui", "job-0-1", 9001),
        (3, "worker", "job-0-1", 9003),
        (3, "ui", "job-0-1", 9004),
    ],
)
def test_a_worker_has_the_ports_of_its_own_container(worker, port, pod_name, number):
    target = find("job", CLUSTER, worker, port)
    assert (target.worker, target.pod, target.number, target.uid) == (worker, pod_name, number, "uid-1")


def test_without_a_worker_it_is_the_first_ready_one():
    assert find("job", CLUSTER, None, "worker").worker == 2


@pytest.mark.parametrize(
    ("objects", "worker", "port", "error", "said"),
    [
        (CLUSTER.objects, 7, "ui", NotExposedError, r"Job job has no worker 7\. Its workers are 0, 1, 2, 3\."),
        ([stateful_set(50)], 100, "ui", NotExposedError, r"no worker 100\. Its workers are 0 to 99\."),
        (CLUSTER.objects, 3, "web", NotExposedError, r"no port web\. Its ports are worker, ui, beat\."),
        (CLUSTER.objects, 1, "web", NotExposedError, r"no port web\. Its ports are worker, ui, beat\."),
        (CLUSTER.objects, 3, "beat", NotExposedError, "beat of worker 3 is UDP, and only TCP"),
        (CLUSTER.objects, 1, "ui", PendingError, r"worker 1 \(job-0-0\): CrashLoopBackOff: back-off 10s"),
        ([stateful_set()], 1, "ui", PendingError, r"worker 1 \(job-0-0\): no pod yet"),
        ([stateful_set(1), pod(0, ready=False)], None, "ui", PendingError, "no worker is ready; worker 0"),
        ([stateful_set(0)], None, "ui", PendingError, "no workers now: it is suspended"),
    ],
)
def test_what_can_not_be_reached_is_told_with_what_can(objects, worker, port, error, said):
    with pytest.raises(error, match=said):
        find("job", Cluster(objects, None), worker, port)


def test_a_local_port_that_is_none():
    with pytest.raises(UsageError, match="70000"):
        Forward(Connection(), "job", local=70000)


def test_a_held_port_refuses_connections_and_is_nobody_elses():
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
    with reserved_port(port), socket.socket() as client, socket.socket() as other:
        with pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))


# The choice between the addresses of a job.


def address(host, number=1, port="worker", protocol="TCP", state="available", **more):
    return Address(
        "perWorker", port, protocol, host, number, state=state, reason="" if state == "available" else "why", **more
    )


def report(*addresses, mode="echo", shared=()):
    return JobAddresses("job", "data", 1, tuple(shared), (Worker(0, 0, "job-0-0", 0, addresses=addresses),), mode=mode)


@pytest.fixture
def server():
    """A listening socket that counts who connects; returns its port and the count."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)

        def connections():
            count = 0
            while True:
                try:
                    listening.accept()[0].close()
                    count += 1
                except BlockingIOError:
                    return count

        yield listening.getsockname()[1], connections


def test_the_worker_port_of_a_twister2_job_gets_no_connection(server):
    port, connections = server
    mine = address("127.0.0.1", port)
    assert asyncio.run(choose(report(mine, mode="twister2"), 0, "worker")) == mine
    assert asyncio.run(choose(report(address("127.0.0.1", 1), mode="twister2"), 0, "worker")) is not None
    assert connections() == 0
    ui = address("127.0.0.1", port, port="ui")
    assert asyncio.run(choose(report(ui, mode="twister2"), 0, "ui")) == ui
    assert connections() == 1


def test_an_address_inside_the_cluster_is_not_taken_unseen_from_outside(monkeypatch):
    inside = address("job-w-0.data.svc", source="serviceDNS")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert asyncio.run(choose(report(inside, mode="twister2"), 0, "worker")) is None
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert asyncio.run(choose(report(inside, mode="twister2"), 0, "worker")) == inside


def test_the_first_address_that_answers_is_taken(server):
    port, _ = server
    good = address("127.0.0.1", port)
    assert asyncio.run(choose(report(address("127.0.0.1", 1), good), 0, "worker")) == good
    assert asyncio.run(choose(report(address("127.0.0.1", port, state="pending"), good), 0, "worker")) == good
    assert asyncio.run(choose(report(address("127.0.0.1", 1)), 0, "worker")) is None
    assert asyncio.run(choose(report(good), 0, "web")) is None


def test_shared_addresses_are_for_those_who_take_any_worker(server):
    port, _ = server
    shared = Address("nodePort", "worker", "TCP", "127.0.0.1", port, state="available")
    assert asyncio.run(choose(report(shared=[shared]), None, "worker")) == shared
    assert asyncio.run(choose(report(shared=[shared]), 0, "worker")) is None


@pytest.mark.parametrize(
    ("seconds", "chosen", "most"),
    [
        ({"a": 0.1, "b": 0.0}, "a", 0.19),  # The better one answers a little later.
        ({"a": 60, "b": 0.0}, "b", 1.0),  # It keeps silent: a head start is all it gets.
        ({"a": 60, "b": 60}, None, 2.0),
    ],
)
def test_a_better_address_gets_a_head_start_and_no_more(monkeypatch, seconds, chosen, most):
    async def answers(address, *_):
        await asyncio.sleep(seconds[address.host])
        return True

    monkeypatch.setattr(client_module, "_answers", answers)
    began = time.monotonic()
    found = asyncio.run(choose(report(address("a"), address("b")), 0, "worker"))
    assert (found.host if found else None) == chosen and time.monotonic() - began < most


def test_datagrams_are_not_probed_and_not_forwarded():
    beat = address("127.0.0.1", 1, port="beat", protocol="UDP")
    waiting = address("", 0, port="beat", protocol="UDP", state="pending")
    assert asyncio.run(choose(report(waiting, beat), 0, "beat")) == beat
    with pytest.raises(PendingError, match="beat of job job: pending, why"):
        asyncio.run(choose(report(waiting), 0, "beat"))
    assert asyncio.run(choose(report(), 0, "beat")) is None


def test_an_endpoint_is_a_pair():
    host, port = endpoint = Endpoint("::1", 80, "perWorker")
    assert (host, port) == endpoint == ("::1", 80) and len(endpoint) == 2
    assert endpoint.via == "perWorker" and endpoint.address == "[::1]:80"


# Faults of kubectl that no real one shows when asked to: these tests have a script in its place.

SCRIPT = """#!/bin/sh
case "$*" in
  *--watch*) exec sleep 1000;;
  get*) cat "{folder}/objects.json";;
  port-forward*) echo "$*" >>"{folder}/runs"; port=${{3%%:*}}; . "{folder}/behaviour";;
esac
"""


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl that shows a job and forwards as told; returns the command lines of its forwards."""

    def install(behaviour, cluster=CLUSTER):
        (tmp_path / "objects.json").write_text(json.dumps({"items": cluster.objects}))
        (tmp_path / "behaviour").write_text(behaviour)
        (tmp_path / "runs").touch()
        path = tmp_path / "kubectl"
        path.write_text(SCRIPT.format(folder=tmp_path))
        path.chmod(0o755)
        monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
        return lambda: (tmp_path / "runs").read_text().splitlines()

    return install


FORWARDING = "echo Forwarding from 127.0.0.1:${port:-12345} '->' 9000; "


def test_a_kubectl_that_never_forwards_is_ended(kubectl, monkeypatch):
    runs = kubectl("sleep 1000; echo not reached")
    monkeypatch.setattr(tunnel_module, "START_LIMIT", 0.3)

    async def main():
        async with Forward(Connection(), "job", worker=3, port="ui"):
            pass

    began = time.monotonic()
    with pytest.raises(NoClusterError, match=r"did not reach pod job-0-1 within 0\.3 s"):
        asyncio.run(main())
    assert time.monotonic() - began < 2 and runs() == ["port-forward pod/job-0-1 :9004 --address 127.0.0.1"]


@pytest.mark.parametrize(
    ("mode", "port", "warned"),
    [("twister2", "", True), ("twister2", "worker", True), ("twister2", "ui", False), ("echo", "", False)],
)
def test_a_forward_to_a_jobs_own_worker_port_is_warned_of(kubectl, mode, port, warned):
    service = {"kind": "Service", "metadata": {"name": "job", "annotations": {"twister2-job/mode": mode}}}
    kubectl("exit 1", Cluster([stateful_set(), pod(0, ready=False), service], None))
    said = []
    with pytest.raises(PendingError):  # The worker is not ready, and all that is said comes before.
        asyncio.run(forward_module.forward(Connection(), "job", port=port, say=said.append))
    assert said == ([forward_module.STRANGERS] if warned else [])


def test_ctrl_c_while_the_synchronous_client_waits_ends_kubectl(kubectl, tmp_path):
    runs = kubectl("echo $$ >$(dirname $0)/pid; exec sleep 1000")

    def interrupt():
        while not (tmp_path / "pid").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Job("job").connect():
        pass
    assert len(runs()) == 1 and time.monotonic() - began < 3
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_process_that_was_just_started_is_ended(number):
    """Raised in the handler, the signal would come between the start of the process and our knowing of it."""
    ended = []

    async def work():
        os.kill(os.getpid(), number)
        ended.append("start")  # Not interrupted here,
        try:
            await asyncio.sleep(60)  # but here, where a process is ended.
        finally:
            ended.append("end")

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        asyncio.run(until_signalled(work()))
    assert ended == ["start", "end"] and signal.getsignal(number) == before


def test_a_signal_counts_also_when_our_reader_is_gone():
    async def work():
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            raise BrokenPipeError  # As `print` does when whoever sent the signal closed the pipe too.

    with pytest.raises(SystemExit) as raised:
        asyncio.run(until_signalled(work()))
    assert raised.value.code == 128 + signal.SIGTERM


def test_an_ignored_signal_stays_ignored():
    async def work():
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        return "done"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(until_signalled(work())) == "done"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_kubectl_that_ignores_sigterm_is_killed_with_its_children(kubectl, monkeypatch):
    kubectl(FORWARDING + "trap '' TERM; sleep 1000; sleep 1000")
    monkeypatch.setattr(tunnel_module, "GRACE", 0.3)

    async def main():
        async with Forward(Connection(), "job") as way:
            return way._tunnel._process.pid

    began = time.monotonic()
    group = asyncio.run(main())
    assert time.monotonic() - began < 2
    with pytest.raises(ProcessLookupError):
        while time.monotonic() - began < 5:
            os.killpg(group, 0)
            time.sleep(0.05)  # Whose parent is gone is reaped by init, in its own time.


def test_a_kubectl_that_breaks_at_once_is_not_run_in_a_tight_loop(kubectl):
    runs, said = kubectl(FORWARDING + "echo 'error: lost connection to pod' >&2; exit 1"), []

    async def main():
        async with Forward(Connection(), "job", say=said.append):
            await asyncio.sleep(2)

    asyncio.run(main())
    assert 2 <= len(runs()) <= 5
    assert runs()[1] == "port-forward pod/job-0-1 12345:9000 --address 127.0.0.1"  # The port it has had.
    assert said[1] == "Lost worker 2 (pod job-0-1): lost connection to pod; connecting again."


def test_a_forward_is_given_up_after_its_limit_with_the_last_reason(kubectl, monkeypatch):
    """And until then the local port is kept, without anybody listening there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        local = free.getsockname()[1]
    monkeypatch.setattr(forward_module, "FIRST_PAUSE", 0.4)
    kubectl(FORWARDING + "[ $(wc -l <$(dirname $0)/runs) = 1 ] && { sleep 0.2; exit 1; }")

    async def main():
        async with Forward(Connection(), "job", local=local, limit=1) as way:
            kubectl(
                "echo 'error: unable to forward port because pod is not running. Current status=Pending' >&2; exit 1"
            )
            await asyncio.sleep(0.5)
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", local))
            await way.ended()

    began = time.monotonic()
    with pytest.raises(ForwardLostError, match=r"worker 2 \(pod job-0-1\) .* within 1 s: Pod job-0-1 doesn't run"):
        asyncio.run(main())
    assert 1 < time.monotonic() - began < 4
