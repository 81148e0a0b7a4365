"""`check` against real sockets on this machine: each thing that can happen to an address, and who answers."""

import asyncio
import contextlib
import errno
import http.server
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time

import pytest
from twister2_job.cli.output import check_table
from twister2_job.errors import NotExposedError, PendingError, UnansweredError, UsageError
from twister2_job.exposure.model import Address, JobAddresses, Worker
from twister2_job.exposure.nodes import host_port
from twister2_job.reach import probe
from twister2_job.reach.check import check, require
from twister2_job.reach.probe import ask_all
from twister2_job.reach.sockets import failed

from tests.conftest import CHART

MANY = 2000
LOOPBACK = "127.0.0.1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Failed addresses are asked once; the tests of the patience ask for it."""
    monkeypatch.setattr(probe, "PATIENCE", 0.0)


def address(number, host=LOOPBACK, **fields):
    given = {"via": "perWorker", "port": "worker", "protocol": "TCP", "state": "available", "source": "InternalIP"}
    return Address(host=host, number=number, address=host_port(host, number), **{**given, **fields})


def report(*own, shared=(), mode="echo", running=None):
    """Return a report: one address, or a tuple of them, for each worker."""
    workers = [
        Worker(number, 0, f"job-0-{number}", 0, addresses=(each,) if isinstance(each, Address) else each)
        for number, each in enumerate(own)
    ]
    workers += [Worker(number, 0, f"job-0-{number}", 0) for number in range(len(own), running or 0)]
    return JobAddresses("job", "data", 0, tuple(shared), tuple(workers), mode=mode)


def run(found, **options):
    return asyncio.run(check(found, **{"timeout": 0.6, **options}))


def only(found, **options):
    """Check a report of one address and return its result."""
    (result,) = run(found, **options).results
    return result


@contextlib.contextmanager
def server(speak, host=LOOPBACK, number=0, delay=0.0):
    """Yield the port of a server that calls `speak` with each connection, in a thread of its own."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, number))
        if not delay:
            listening.listen(128)
        ended = threading.Event()

        def serve():
            if delay:
                ended.wait(delay)
                listening.listen(128)
            listening.settimeout(0.05)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = listening.accept()
                    threading.Thread(target=answer, args=(connection,)).start()

        def answer(connection):
            with connection, contextlib.suppress(OSError):
                connection.settimeout(2)
                speak(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def says(*pieces, then=0.0, pause=0.1):
    """Return what a server does that speaks first, in pieces, and closes `then` seconds later."""

    def speak(connection):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        time.sleep(then)

    return speak


def echo(worker, job="job", port="worker", **more):
    return says(json.dumps({"job": job, "worker": worker, "portName": port, **more}).encode() + b"\n", pause=0)


def closed_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as free:
        free.bind((LOOPBACK, 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def deaf(host=LOOPBACK):
    """Yield a port whose queue is full: the kernel drops whoever wants to connect, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((host, 0))
        listening.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK if host == "0.0.0.0" else host, listening.getsockname()[1]))
        time.sleep(0.05)
        yield listening.getsockname()[1]


@pytest.fixture(scope="module")
def echo_workers():
    """Two of the chart's own echo workers; their ports by worker ID and name."""
    ports = {}
    with contextlib.ExitStack() as stack:
        for worker in (0, 1):
            mine = {"worker": closed_port(), "beat": closed_port()}
            ports[worker] = mine
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, CHART / "files" / "echo_worker.py", "0", "1", "0"]
                    + [f"{name}={number}" for name, number in mine.items()],
                    env={"POD_NAME": f"job-0-{worker}", "CONTAINER_NAME": "twister2-container-0", "JOB_ID": "job"},
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            assert [process.stdout.readline() for _ in mine]
        yield ports


def test_the_right_workers_answer(echo_workers):
    own = [
        (address(ports["worker"]), address(ports["beat"], port="beat"), address(ports["worker"], host="::1"))
        for ports in echo_workers.values()
    ]
    result = run(report(*own, shared=[address(echo_workers[1]["worker"], via="nodePort")]))
    assert [r.state for r in result.results] == ["answered"] * 7, check_table(result)
    assert [(r.worker, r.answered_by) for r in result.results] == [(-1, 1), *[(0, 0)] * 3, *[(1, 1)] * 3]
    assert all(0 < r.milliseconds < 400 for r in result.results)
    assert result.ok and result.identity == "checked" and require(result) is None
    assert "7 of 7 addresses answer" in check_table(result) and "not checked" not in check_table(result)


def test_the_report_has_the_documented_fields_and_no_null(echo_workers):
    found = report(address(echo_workers[0]["worker"]), address(closed_port()))
    data = run(found).to_dict()
    assert "null" not in json.dumps(data)
    assert {key: data[key] for key in data if key not in ("results", "from")} == {
        "schemaVersion": "v1",
        "job": "job",
        "namespace": "data",
        "ok": False,
        "answered": 1,
        "total": 2,
        "identity": "checked",
        "warnings": [],
    }
    assert data["from"] == socket.gethostname()
    fields = ["worker", "port", "address", "via", "state", "milliseconds", "answeredBy", "reason"]
    assert all(list(one) == fields for one in data["results"])
    assert data["results"][1]["milliseconds"] == 0 and data["results"][1]["answeredBy"] == -1


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


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"worker": 1}, "worker 1 of job job answers, on its port worker"),
        ({"worker": 0, "job": "other"}, "worker 0 of job other answers, on its port worker"),
        ({"worker": 0, "port": "ui"}, "worker 0 of job job answers, on its port ui"),
    ],
)
def test_the_wrong_worker_is_named(who, reason):
    with server(echo(**who)) as port:
        found = report(address(port))
        result = run(found)
    (one,) = result.results
    assert (one.state, one.reason, one.answered_by) == ("wrong worker", reason, who["worker"])
    with pytest.raises(UnansweredError, match=reason):
        require(result)


def test_a_shared_address_may_lead_to_any_worker_of_the_job():
    with server(echo(7)) as port, server(echo(7, job="other")) as strange:
        found = report(shared=[address(port), address(strange), address(port, port="ui")])
        assert [r.state for r in run(found).results] == ["answered", "wrong worker", "wrong worker"]


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"[1, 2]\n", b'{"job": "job"}\n', b'{"job": nul'])
def test_what_is_no_echo_worker_is_shown(said):
    with server(says(said)) as port:
        result = only(report(address(port)))
    assert (
        result.state == "wrong worker" and result.reason.startswith("it says ") and said.decode()[:5] in result.reason
    )


def test_expect_compares_what_a_server_says_first():
    with server(says(b"hello, worker 0\n", then=2)) as first, server(says(b"hello, worker 12\n")) as other:
        found = report(address(first), address(other), mode="command")
        result = run(found, expect="worker {worker}")
    assert [r.state for r in result.results] == ["answered", "wrong worker"] and result.identity == "checked"
    assert result.results[1].reason == "it says 'hello, worker 12\\n'"


def test_a_match_at_the_end_of_a_piece_waits_for_the_rest():
    with server(says(b"worker 1", b"2\n", pause=0.2)) as port:
        found = report(*[address(closed_port())] * 1, address(port), mode="command")
        assert run(found, expect="worker 1").results[1].state == "answered"
        assert run(found, expect="worker {worker}").results[1].state == "wrong worker"
    with server(says(b"worker 1", then=2)) as port:  # Here no rest comes, and the connection stays open.
        found = report(*[address(closed_port())] * 1, address(port), mode="command")
        assert run(found, expect="worker {worker}", timeout=1.5).results[1].state == "answered"


def test_the_placeholder_is_a_whole_number_unless_digits_stand_beside_it():
    with server(says(b"port 90012\n")) as port:
        own = [address(closed_port())] * 12 + [address(port)]
        assert run(report(*own, mode="command"), expect="{worker}$").results[12].state == "wrong worker"
        assert run(report(*own, mode="command"), expect="900{worker}").results[12].state == "answered"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        time.sleep(0.1)
        self.wfile.write(b"<h1>Worker 1</h1>")

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    """The port of an HTTP server, which waits for its client to speak first."""
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Page) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


def test_expect_asks_a_silent_server_in_http(page):
    found = report(address(closed_port()), address(page), mode="command")
    result = run(found, expect="Worker {worker}<", timeout=1.5).results[1]
    assert result.state == "answered" and result.milliseconds < 400
    wrong = run(found, expect="Worker 2", timeout=1.5).results[1]
    assert (wrong.state, wrong.reason) == ("wrong worker", "it says '<h1>Worker 1</h1>'")


def test_expect_at_a_shared_address_takes_any_worker_of_the_job(page):
    shared = [address(page)]
    assert (
        only(report(shared=shared, mode="command", running=0), expect="Worker {worker}", timeout=1.5).state
        == "answered"
    )
    found = report(shared=shared, mode="command", running=2)
    assert only(found, expect="Worker {worker}", timeout=1.5).state == "answered"
    found = report(shared=shared, mode="command", running=1)
    assert only(found, expect="Worker {worker}", timeout=1.5).state == "wrong worker"


def test_expect_and_echo_are_both_checked(echo_workers):
    found = report(address(echo_workers[0]["worker"]))
    right = only(found, expect='"worker": {worker},')
    assert (right.state, right.answered_by) == ("answered", 0)
    assert only(found, expect="nonsense").state == "wrong worker"
    found = report(address(echo_workers[1]["worker"]))
    for expected in ('"worker"', "nonsense"):
        assert only(found, expect=expected).reason == "worker 1 of job job answers, on its port worker"


def test_expect_reads_64_kib_and_no_more():
    with server(says(b"x", b"x" * (2**16 - 1) + b"worker 0")) as port:
        assert only(report(address(port), mode="command"), expect="worker {worker}").state == "wrong worker"
    with server(says(b"x", b"x" * (2**16 - 10) + b"worker 0\n")) as port:
        assert only(report(address(port), mode="command"), expect="worker {worker}").state == "answered"


def test_expect_that_is_no_regular_expression():
    with pytest.raises(UsageError, match=r"--expect '\(' is no regular expression"):
        run(report(address(1), mode="command"), expect="(")


def test_expect_without_the_placeholder_is_warned_of(page):
    result = run(report(address(page), mode="command"), expect="Worker", timeout=1.5)
    assert result.ok and "{worker}" in result.warnings[0] and result.warnings[0] in check_table(result)
    assert not run(report(shared=[address(page)], mode="command", running=2), expect="Worker", timeout=1.5).warnings


def test_without_echo_and_expect_the_identity_is_not_checked_and_that_is_said_once(page):
    result = run(report(address(page), address(page), mode="command"))
    assert result.ok and result.identity == "not checked" and result.results[0].answered_by == -1
    assert check_table(result).lower().count("identity not checked") == 1


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


@pytest.mark.parametrize(
    ("fields", "mode", "reason"),
    [
        ({"state": "pending", "reason": "worker 0 (job-0-0): not ready yet"}, "echo", "pending: worker 0"),
        ({"state": "reserved", "reason": "no worker runs"}, "echo", "reserved: no worker runs"),
        ({"state": "failed", "reason": "the Service is being deleted"}, "echo", "failed: the Service is being"),
        ({"protocol": "UDP"}, "command", "UDP gives no sign unless the program answers"),
        ({"protocol": "SCTP"}, "echo", "SCTP is not checked"),
        ({}, "twister2", "a stray connection can kill a Twister2 worker; --worker-port connects all the same"),
    ],
)
def test_what_is_not_connected_to(monkeypatch, fields, mode, reason):
    monkeypatch.setattr(probe.Prober, "ask", None)  # Whoever asks an address fails.
    result = asyncio.run(check(report(address(9000, **fields), mode=mode)))
    (one,) = result.results
    assert one.state == "skipped" and one.reason.startswith(reason) and not result.ok
    assert "0 of 1 addresses answer" in check_table(result) and "1 skipped" in check_table(result)


def test_other_ports_of_a_twister2_job_are_checked_and_the_worker_port_when_told_to():
    heard = []
    with server(lambda connection: heard.append("worker")) as port, server(lambda _: None) as ui:
        found = report((address(port), address(ui, port="ui")), mode="twister2")
        assert [r.state for r in run(found).results] == ["skipped", "answered"] and not heard
        assert run(found).ok and require(run(found)) is None
        assert [r.state for r in run(found, worker_port=True).results] == ["answered", "answered"]
    assert heard == ["worker"]


def test_a_reserved_worker_beside_one_that_answers_is_no_failure(echo_workers):
    reserved = address(9000, state="reserved", reason="no worker runs behind it")
    assert run(report(address(echo_workers[0]["worker"]), reserved)).ok


def test_a_pending_worker_is_one(echo_workers):
    pending = address(9000, state="pending", reason="worker 1 (job-0-1): CrashLoopBackOff")
    with pytest.raises(PendingError, match="1 of 2 addresses of job job are not available: pending: worker 1"):
        require(run(report(address(echo_workers[0]["worker"]), pending)))


def test_a_failed_address_is_no_success(echo_workers):
    gone = address(9000, state="failed", reason="the Service is being deleted", service="job-w-1")
    result = run(report(address(echo_workers[0]["worker"]), gone))
    assert not result.ok and [r.state for r in result.results] == ["answered", "skipped"]
    with pytest.raises(UnansweredError, match=r"not asked: .*the Service is being deleted.*describe service"):
        require(result)


def test_the_warnings_of_the_report_are_handed_on(echo_workers):
    result = run(report(address(echo_workers[0]["worker"]))._replace(warnings=("You may not read nodes.",)))
    assert result.to_dict()["warnings"] == ["You may not read nodes."] and "You may not" in check_table(result)


def test_a_suspended_job_is_pending():
    with pytest.raises(PendingError, match="the job is suspended"):
        require(run(report(address(9000, state="reserved", reason="the job is suspended"))))


def test_nothing_to_check_is_no_success():
    with pytest.raises(UnansweredError, match="No address of job job can be checked: SCTP"):
        require(run(report(address(9000, protocol="SCTP"))))


def test_a_job_that_is_not_exposed():
    with pytest.raises(NotExposedError, match=r"Job job has no address.*nodePort.enabled=true"):
        run(report(running=2))


def test_a_cause_has_one_line_however_many_addresses_it_has(echo_workers):
    own = [address(echo_workers[0]["worker"])] + [address(closed_port()) for _ in range(50)]
    own += [address(9000, host=f"w-{number}.invalid", source="advertised") for number in range(50)]
    with pytest.raises(UnansweredError) as raised:
        require(run(report(*own)))
    lines = raised.value.message.splitlines()
    assert raised.value.exit_code == 23 and len(lines) == 3 and "100 of 101 addresses of job job fail" in lines[0]
    assert lines[1].startswith("  refused: 50 addresses, the first 127.0.0.1:") and "status job" in lines[1]
    assert lines[2].startswith("  unresolved: 50 addresses, the first w-0.invalid:9000") and "DNS record" in lines[2]


def test_when_all_nodes_time_out_the_way_around_is_named(echo_workers):
    with deaf() as port:
        unreachable = [address(port), address(port, source="ExternalIP"), address(9000, host="255.255.255.255")]
        with pytest.raises(UnansweredError) as raised:
            require(run(report(*unreachable)))
        lines = raised.value.message.splitlines()
        assert len(lines) == 2 and "no node is reachable" in lines[1] and "forward job" in lines[1], lines
        with pytest.raises(UnansweredError) as raised:
            require(run(report(address(echo_workers[0]["worker"]), *unreachable)))
        assert "no node is reachable" not in raised.value.message
        assert "timed out: 2 addresses" in raised.value.message and "NetworkPolicy drops" in raised.value.message


@pytest.mark.parametrize("source", ["serviceDNS", "clusterIP"])
def test_an_address_for_the_inside_says_so_when_it_fails_outside(source):
    inside = address(closed_port(), host=LOOPBACK if source == "clusterIP" else "w.data.svc.invalid", source=source)
    with pytest.raises(UnansweredError, match="meant for clients inside the cluster"):
        require(run(report(inside)))


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
from tests.plugin.test_check import many
found = many(int(sys.argv[1]), "echo")
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20
before, began = resident(), time.monotonic()
result = asyncio.run(check(found, timeout=3))
took, peak = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(result.answered, f"{took:.2f}", peak - before, most_open(), max(r.milliseconds for r in result.results))
"""


def many(port, mode):
    """Return 2,000 workers, each with an IP address of its own on this machine."""
    return report(*[address(port, host=f"127.0.{n // 200}.{n % 200 + 1}") for n in range(MANY)], mode=mode)


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
