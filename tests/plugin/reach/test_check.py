"""`check` against real sockets on this machine: each thing that can happen to an address, and who answers."""

import asyncio
import json
import socket

import pytest
from twister2_job.cli.output import check_table
from twister2_job.errors import NotExposedError, PendingError, UnansweredError
from twister2_job.reach import probe
from twister2_job.reach.check import check, require

from tests.plugin.reach.servers import (
    LOOPBACK,
    address,
    closed_port,
    deaf,
    report,
    run,
    server,
)


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


def test_what_the_cluster_refuses_is_looked_up_at_its_own_kind():
    names = {"service": "job-w-0", "tcproute": "TCPRoute/job-w-1-worker", "ingress": "Ingress/job-w-2-ui"}
    failed = [address(9000, state="failed", reason="refused", service=name) for name in names.values()]
    with pytest.raises(UnansweredError) as error:
        require(run(report(*(one._replace(address="") for one in failed))))
    lines = error.value.message.splitlines()[1:]
    for kind, name in names.items():
        (line,) = [one for one in lines if f"describe {kind}`" in one]
        assert name in line



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
