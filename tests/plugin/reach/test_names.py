"""Names of hosts: whether DNS leads them to the right proxy, and what a proxy for HTTP is asked for."""

import json

import pytest
from twister2_job.cli.output import check_table
from twister2_job.errors import UnansweredError
from twister2_job.reach.check import require

from tests.plugin.reach.servers import LOOPBACK, address, closed_port, only, report, run, server, web


def behind(number, path="/", scheme="http", host="w.example.com", leads_to=(LOOPBACK,), **more):
    """Return the address of an Ingress at a port of this machine."""
    more = {"via": "ingress", "service": "Ingress/job-worker", "source": "hostname", "leads_to": leads_to, **more}
    return address(number, host=host, url=f"{scheme}://{host}:{number}{path}", **more)


def test_a_proxy_is_asked_for_the_host_and_path_of_the_url(names):
    with server(web(0, host="w.example.com", path="/a/b")) as port:
        # The header names the port too, as browsers do for one that is not the scheme's own.
        found = only(report(behind(port, "/a/b")._replace(url="http://w.example.com/a/b")))
        assert (found.state, found.answered_by) == ("answered", 0)
        found = only(report(behind(port, "/")._replace(url="http://w.example.com/")))
        assert found.state == "wrong worker" and "none" in found.reason


def test_an_answer_in_chunks_is_read(names):
    with server(web(0, chunked=True)) as port:
        assert only(report(behind(port))).state == "answered"


@pytest.mark.parametrize(
    "status", ["404 Not Found", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]
)
def test_a_proxy_that_finds_no_worker_is_no_answer_of_a_worker(names, status):
    with server(web(0, status=status)) as port:
        found = only(report(behind(port), mode="command"))
        assert found.state == "wrong worker"
        assert found.reason == f"the proxy, or the worker, answers HTTP {status[:3]}"


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
def test_any_other_page_is_one(names, status):
    with server(web(0, status=status)) as port:
        assert only(report(behind(port), mode="command")).state == "answered"


def test_a_name_that_is_not_known_is_told_with_the_record_to_set(names):
    found = only(report(behind(closed_port(), host="no.example.com")))
    assert found.state == "unresolved"
    assert found.reason == "DNS does not know no.example.com here, and must lead it to 127.0.0.1"


def test_a_name_that_leads_elsewhere_fails_unless_the_right_worker_answers_there(names):
    with server(web(0)) as port:
        other = behind(port, leads_to=("192.0.2.7", "192.0.2.8"))
        clause = "DNS leads w.example.com to 127.0.0.1, and must lead it to 192.0.2.7 or 192.0.2.8"
        found = only(report(other, mode="command"))
        assert (found.state, found.reason) == ("wrong DNS record", clause)
        known = run(report(other))
        assert known.ok and known.results[0].reason == clause and clause in check_table(known)


def test_a_wrong_name_explains_why_nobody_answers(names):
    found = run(report(behind(closed_port(), leads_to=("192.0.2.7",))))
    assert found.results[0].state == "wrong DNS record"
    with pytest.raises(UnansweredError, match="set the DNS record"):
        require(found)


def test_a_name_that_leads_to_one_of_several_is_right(names):
    names["lb.example.com"] = LOOPBACK
    with server(web(0)) as port:
        for targets in (("192.0.2.7", LOOPBACK), ("lb.example.com",), ("unknown.example.com",)):
            found = only(report(behind(port, leads_to=targets), mode="command"))
            assert (found.state, found.reason) == ("answered", ""), targets


def test_what_is_compared_is_not_printed(names):
    with server(web(0)) as port:
        data = run(report(behind(port))).to_dict()
        assert "leads" not in json.dumps(data)
        assert "leads" not in json.dumps(behind(port).to_dict())
