"""The echo worker itself, run as a process on the loopback addresses."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.conftest import CHART

LINE = {"job": "job", "worker": 5, "group": 1, "pod": "job-1-1", "node": "node-a"}


def free_ports(count):
    sockets = [socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def running():
    """Worker 5: container 1 of pod 1 of a group that starts at ID 2 with 2 workers a pod."""
    first, second = free_ports(2)
    environment = {
        **os.environ,
        "JOB_ID": "job",
        "POD_NAME": "job-1-1",
        "CONTAINER_NAME": "twister2-container-1",
        "HOST_NAME": "node-a",
    }
    process = subprocess.Popen(
        [sys.executable, CHART / "files" / "echo_worker.py", "2", "2", "1", f"worker={first}", f"ui={second}"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(2):
        process.stdout.readline()
    yield process, first, second
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def worker():
    with running() as started:
        yield started


@pytest.fixture
def ending():
    """A worker of the test's own, to end it."""
    with running() as started:
        yield started


def plain(host, port, send=b""):
    with socket.create_connection((host, port), timeout=5) as connection:
        if send:
            connection.sendall(send)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_silence_is_answered_after_half_a_second(worker, host):
    start = time.monotonic()
    answer = plain(host, worker[1])
    assert 0.4 < time.monotonic() - start < 2
    assert json.loads(answer) == {**LINE, "portName": "worker", "port": worker[1]}


def test_a_word_is_answered_at_once(worker):
    start = time.monotonic()
    assert json.loads(plain("127.0.0.1", worker[2], b"hello\n"))["portName"] == "ui"
    assert time.monotonic() - start < 0.4


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_http_is_answered_in_http(worker, host):
    with urllib.request.urlopen(f"http://{host}:{worker[1]}/", timeout=5) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert json.load(response)["worker"] == 5


def test_head_gets_headers_alone(worker):
    answer = plain("127.0.0.1", worker[1], b"HEAD / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"\r\n\r\n")


def test_a_request_in_pieces(worker):
    with socket.create_connection(("127.0.0.1", worker[1]), timeout=5) as connection:
        for piece in (b"GET / HT", b"TP/1.1\r\nHost: x\r\n", b"\r\n"):
            connection.sendall(piece)
            time.sleep(0.05)
        assert b"200 OK" in b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_datagrams_are_answered(worker, family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"who?", (host, worker[2]))
        assert json.loads(client.recv(65536)) == {**LINE, "portName": "ui", "port": worker[2]}


def test_connections_that_say_nothing_and_go_do_no_harm(worker):
    for _ in range(200):
        socket.create_connection(("127.0.0.1", worker[1]), timeout=5).close()
    assert json.loads(plain("127.0.0.1", worker[1], b"x"))["worker"] == 5
    assert worker[0].poll() is None


def test_ends_on_sigterm(ending):
    began = time.monotonic()
    ending[0].send_signal(signal.SIGTERM)
    assert ending[0].wait(5) == 0
    assert time.monotonic() - began < 1


def answers(connections):
    """Read each connection to its end."""
    return [json.loads(b"".join(iter(lambda one=one: one.recv(65536), b"")))["worker"] for one in connections]


@pytest.fixture
def connect():
    """Open connections to a port; they are closed after the test."""
    with contextlib.ExitStack() as opened:
        yield lambda port, count: [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(count)
        ]


def test_connections_that_are_open_at_sigterm_are_answered(ending, connect):
    process, port, _ = ending
    connections = connect(port, 20)
    time.sleep(0.2)  # Within the half second that a silent client has.
    process.send_signal(signal.SIGTERM)
    assert answers(connections) == [5] * 20
    assert process.wait(5) == 0


def test_connections_that_wait_to_be_taken_in_at_sigterm_are_answered(ending, connect):
    """The kernel has answered for a process that did not get its turn: the client counts as connected."""
    process, *ports = ending
    process.send_signal(signal.SIGSTOP)
    connections = [one for port in ports for one in connect(port, 100)]
    for one in connections[::2]:
        one.sendall(b"who?\n")
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert answers(connections) == [5] * 200
    assert process.wait(5) == 0


def test_no_client_keeps_it_from_ending(ending, connect):
    process, port, _ = ending
    (slow,) = connect(port, 1)
    slow.sendall(b"GET / HTTP/1.1\r\n")  # The rest may take 5 seconds, and never comes.
    time.sleep(0.2)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    with pytest.raises(OSError):
        connect(port, 1)
    assert process.wait(5) == 0
    assert time.monotonic() - began < 3
