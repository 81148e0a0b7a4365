"""Asking addresses, against real sockets on this machine: each thing that can happen to a connection."""

import asyncio
import errno
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest
from twister2_job.errors import UnansweredError
from twister2_job.reach import probe
from twister2_job.reach.check import check, require
from twister2_job.reach.probe import ask_all
from twister2_job.reach.sockets import failed

from tests.plugin.reach.servers import (
    LOOPBACK,
    MANY,
    address,
    closed_port,
    deaf,
    echo,
    many,
    only,
    report,
    run,
    says,
    server,
)


def test_refused():
    assert only(report(address(closed_port()))).state == "refused"


def test_dropped_packets_time_out():
    with deaf() as port:
        began = time.monotonic()
        assert only(report(address(port)), timeout=0.4).state == "timed out"
        assert 0.4 <= time.monotonic() - began < 2


def test_a_server_that_connects_and_says_nothing_is_no_echo_worker():
    with server(lambda connection: time.sleep(1)) as port:
        silent = only(report(address(port)))
        assert silent.state == "timed out" and silent.reason == "connected, then silent for 0.6 s"
        assert only(report(address(port), mode="command")).state == "answered"


def test_a_proxy_that_connects_and_closes_leads_to_no_worker():
    with server(lambda connection: None) as port:
        closed = only(report(address(port)))
    assert (closed.state, closed.reason) == ("refused", "connected, then closed without a word")


def test_no_route():
    result = only(report(address(9000, host="255.255.255.255")))
    assert (result.state, result.reason) == ("no route", "network is unreachable")


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (errno.EHOSTUNREACH, "no route"),
        (errno.ENETUNREACH, "no route"),
        (errno.EADDRNOTAVAIL, "no route"),
        (errno.EAFNOSUPPORT, "no route"),
        (errno.ECONNREFUSED, "refused"),
        (errno.ECONNRESET, "refused"),
        (errno.ETIMEDOUT, "timed out"),
    ],
)
def test_what_the_system_says_has_its_state(number, state):
    assert failed(OSError(number, "Connect call failed"))[0] == state


def test_a_name_that_nobody_knows():
    result = only(report(address(9000, host="w-0.invalid")))
    assert (result.state, result.reason) == ("unresolved", "the DNS name w-0.invalid is not known here")
    assert only(report(address(9000, host=f"{'a' * 70}.example"))).state == "unresolved"


def test_a_silent_name_server_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3) or [])
    began = time.monotonic()
    result = only(report(address(9000, host="w-0.example")), timeout=0.3)
    assert (result.state, result.reason) == ("unresolved", "no name server answers for w-0.example")
    assert time.monotonic() - began < 1.5


def test_a_name_is_looked_up_once_and_each_of_its_addresses_is_tried(monkeypatch, echo_workers):
    asked = []

    def lookup(host, *_, **__):
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.9", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with socket.socket() as taken:  # 127.0.0.9 refuses there, even while the echo worker listens everywhere.
        taken.bind((LOOPBACK, 0))
        taken.listen()
        ports = [taken.getsockname()[1]] * 3
        result = run(report(*[address(port, host="w.example") for port in ports], mode="command"))
    assert asked == ["w.example"] and result.answered == 3


def test_a_dead_address_of_a_name_leaves_time_for_the_next(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.9", LOOPBACK)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with deaf("127.0.0.9") as port, server(says(b""), number=port):
        began = time.monotonic()
        result = only(report(address(port, host="w.example"), mode="command"), timeout=1)
        assert result.state == "answered" and time.monotonic() - began < 0.9


def test_udp_of_the_echo_worker(echo_workers):
    beat = {"port": "beat", "protocol": "UDP"}
    own = [address(echo_workers[0]["beat"], **beat), address(echo_workers[0]["beat"], **beat)]
    own += [address(closed_port(socket.SOCK_DGRAM), **beat), address(echo_workers[0]["beat"], host="::1", **beat)]
    states = [(r.state, r.answered_by) for r in run(report(*own)).results]
    assert states == [("answered", 0), ("wrong worker", 0), ("refused", -1), ("wrong worker", 0)]


@pytest.mark.parametrize(("lost", "state"), [(1, "answered"), (2, "timed out")])
def test_a_lost_datagram_is_sent_once_more(lost, state):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind((LOOPBACK, 0))
        endpoint.settimeout(2)

        def serve():
            for number in range(2):
                _, client = endpoint.recvfrom(100)
                if number >= lost:
                    endpoint.sendto(b'{"job": "job", "worker": 0, "portName": "worker"}\n', client)

        thread = threading.Thread(target=serve)
        thread.start()
        result = only(report(address(endpoint.getsockname()[1], protocol="UDP")))
        thread.join()
    assert result.state == state


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(probe, "PATIENCE", 3.0)


def test_a_node_port_that_opens_a_second_late_is_asked_again(patient):
    port = closed_port()
    with server(echo(0), number=port, delay=1.0):
        began = time.monotonic()
        assert only(report(address(port)), timeout=3).state == "answered"
        assert 1.0 <= time.monotonic() - began < 3
    port = closed_port()
    with server(echo(0), number=port, delay=1.0):
        (answer,) = asyncio.run(ask_all([address(port)]))
        assert (answer.failure, answer.worker) == ("", 0)


def test_a_wrong_worker_that_is_right_a_second_later_is_asked_again(patient):
    began = time.monotonic()
    with server(lambda connection: echo(0 if time.monotonic() > began + 1 else 1)(connection)) as port:
        assert only(report(address(port)), timeout=3).state == "answered"


def test_the_patience_has_an_end(patient):
    began = time.monotonic()
    assert only(report(address(closed_port())), timeout=3).state == "refused"
    assert 3 <= time.monotonic() - began < 4


def test_an_interrupted_check_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(1) or [])

    async def interrupted():
        with deaf() as port:
            task = asyncio.ensure_future(check(report(*[address(port)] * 40, address(port, host="w.example"))))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(interrupted())
    assert len(os.listdir("/proc/self/fd")) == before


MANY_ECHO_WORKERS = """
import asyncio, json, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
async def handle(reader, writer):
    await reader.read(100)
    _, _, high, low = writer.get_extra_info("sockname")[0].split(".")
    worker = int(high) * 200 + int(low) - 1
    writer.write(json.dumps({"job": "job", "worker": worker, "portName": "worker"}).encode())
    writer.close()
async def main():
    server = await asyncio.start_server(handle, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
CHECK_MANY = """
import asyncio, resource, sys, time
from twister2_job.reach.check import check
from twister2_job.reach.probe import most_open
from tests.plugin.reach.servers import many
found = many(int(sys.argv[1]), "echo")
# In MiB. Not `ru_maxrss`: it begins with what the process had that was forked, here the one that runs the tests.
memory = lambda key: int(open("/proc/self/status").read().partition(f"{key}:")[2].split()[0]) // 1024
before, began = memory("VmRSS"), time.monotonic()
result = asyncio.run(check(found, timeout=3))
took, peak = time.monotonic() - began, memory("VmHWM")
print(result.answered, f"{took:.2f}", peak - before, most_open(), max(r.milliseconds for r in result.results))
"""


@pytest.mark.parametrize("files", [256, 1024])
def test_2000_addresses_are_checked_with_few_files_and_little_memory(files, capsys):
    with subprocess.Popen([sys.executable, "-c", MANY_ECHO_WORKERS], stdout=subprocess.PIPE, text=True) as process:
        try:
            done = subprocess.run(
                [sys.executable, "-c", CHECK_MANY, process.stdout.readline().strip()],
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
        finally:
            process.terminate()
    assert done.returncode == 0, done.stderr
    answered, took, memory, at_once, slowest = done.stdout.split()
    with capsys.disabled():
        print(f"\n2,000 addresses, {files} files: {took} s, {memory} MiB more, {at_once} open, slowest {slowest} ms")
    assert int(answered) == MANY and float(took) < 30 and int(memory) < 60 and int(at_once) < files


def test_2000_addresses_that_time_out_are_asked_side_by_side(capsys):
    with deaf("0.0.0.0") as port:
        began = time.monotonic()
        result = run(many(port, "command"), timeout=1)
        took = time.monotonic() - began
    assert {r.state for r in result.results} == {"timed out"}
    began = time.monotonic()
    with pytest.raises(UnansweredError, match="2000 addresses"):
        require(result)
    assert time.monotonic() - began < 0.5
    with capsys.disabled():
        print(f"\n2,000 addresses that time out after 1 s: {took:.1f} s")
    assert took < 30
