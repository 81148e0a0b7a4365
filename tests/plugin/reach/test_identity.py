"""Who answers: what an echo worker says of itself, and what --expect describes."""


import pytest
from twister2_job.cli.output import check_table
from twister2_job.errors import UnansweredError, UsageError
from twister2_job.reach.check import require

from tests.plugin.reach.servers import address, closed_port, echo, only, report, run, says, server


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
