"""How long `check` looks at certificates and names of hosts, and what it says of those that it could not look at."""

import asyncio
import socket
import ssl
import threading
import time

import pytest
from twister2_job.errors import UnansweredError
from twister2_job.reach import check, dns, tls
from twister2_job.reach.check import require

from tests.plugin.reach.servers import LOOPBACK, only, over_tls, report, run, server, web
from tests.plugin.reach.test_names import behind


@pytest.fixture
def trusted(authority, monkeypatch):
    """This machine trusts the test's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


def later(speak, act, first=1):
    """Return what a server does that calls `act` with each connection before it speaks, but for the `first` ones."""
    count, turn = [0], threading.Lock()

    def talk(connection):
        with turn:
            count[0] += 1
            number = count[0]
        if number > first:
            act(connection)
        speak(connection)

    return talk


def slow(seconds):
    return lambda _: time.sleep(seconds)


def test_what_answers_but_shows_no_certificate_in_time_is_not_right(names, authority, trusted):
    right = over_tls(web(0), authority("w.example.com", days=90))
    with server(later(right, slow(1.0))) as port:
        place = behind(port, scheme="https")
        result = run(report(place), timeout=0.4)
        (found,) = result.results
        assert (found.state, found.reason) == (
            "timed out",
            "its certificate could not be looked at: no answer within 0.4 s",
        )
        assert not result.ok and found.milliseconds > 0
        with pytest.raises(UnansweredError, match=r"certificate could not be looked at.*a longer --timeout"):
            require(result)


def test_what_answers_and_then_closes_shows_no_certificate_either(names, authority, trusted):
    right = over_tls(web(0), authority("w.example.com", days=90))
    with server(later(right, lambda connection: connection.close())) as port:
        found = only(report(behind(port, scheme="https")), timeout=2)
        assert found.state == "refused" and found.reason.startswith("its certificate could not be looked at: connected")


def test_a_slow_certificate_is_waited_for_as_long_as_the_user_says(names, authority, trusted):
    wrong = over_tls(web(0), authority("other.example.com", days=90))
    with server(later(wrong, slow(0.4), first=0)) as port:
        found = only(report(behind(port, scheme="https")), timeout=1.9)
        assert found.state == "wrong certificate"


def test_all_hosts_share_the_authorities_of_this_machine(names, authority, monkeypatch):
    """Reading them takes 40 ms, in which nothing else goes on: the times of the others would be wrong."""
    loaded = []
    real = ssl.SSLContext.load_default_certs

    def counted(context, *more):
        loaded.append(context)
        return real(context, *more)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", counted)
    hosts = [f"w{number}.example.com" for number in range(8)]
    names.update(dict.fromkeys(hosts, LOOPBACK))
    with server(over_tls(web(0), authority("*.example.com", days=90))) as port:
        result = run(report(tuple(behind(port, scheme="https", host=host) for host in hosts)), timeout=3)
    assert result.ok and len(result.warnings) == 8, "its authority is not known here"
    assert len(loaded) == 1
    assert tls.any_certificate() is tls.any_certificate()


def test_certificates_are_looked_at_where_something_answered(names):
    heard = []
    with server(lambda connection: (heard.append(connection), time.sleep(0.6))) as port:
        result = run(report(behind(port, scheme="https")), timeout=0.3)
        time.sleep(0.1)
    assert result.results[0].state == "timed out" and not result.warnings
    assert len(heard) == 1


def test_all_certificates_have_one_end_in_time(names, authority, trusted, monkeypatch):
    monkeypatch.setattr(check, "END", 0.5)
    monkeypatch.setattr(check, "STEPS", 0)
    hosts = [f"w{number}.example.com" for number in range(80)]
    names.update(dict.fromkeys(hosts, LOOPBACK))
    right = over_tls(web(0), authority("*.example.com", days=90))
    with server(later(right, slow(1.9), first=80)) as port:
        places = tuple(behind(port, scheme="https", host=host) for host in hosts)
        result = run(report(places), timeout=1.5)
    assert {(r.state, r.reason) for r in result.results} == {
        ("timed out", "its certificate was not looked at: time ran out for all of them, after 0.5 s")
    }


@pytest.fixture
def silent(monkeypatch):
    """No name server answers for names of silent.example.com."""
    real = socket.getaddrinfo

    def look(host, *more, **options):
        if str(host).endswith("silent.example.com"):
            time.sleep(1.5)
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look)


def test_the_names_that_hosts_lead_to_have_one_end_in_time_too(names, silent, monkeypatch):
    monkeypatch.setattr(check, "END", 0.3)
    monkeypatch.setattr(check, "STEPS", 0)
    targets = [f"lb{number}.silent.example.com" for number in range(64)]
    with server(web(0)) as port:
        began = time.monotonic()
        result = run(report(tuple(behind(port, leads_to=(target,)) for target in targets), mode="command"), timeout=0.4)
        assert time.monotonic() - began < 1.2
    assert result.ok
    first = "No name server told in time where lb0.silent.example.com leads: whether DNS leads w.example.com there is"
    assert any(warning.startswith(first) for warning in result.warnings)


def test_a_name_server_that_is_silent_does_not_say_that_it_knows_no_such_name(names, silent):
    found = only(report(behind(1, host="w.silent.example.com")), timeout=0.2)
    assert found.state == "unresolved"
    assert found.reason == "no name server answers here for w.silent.example.com, and DNS must lead it to 127.0.0.1"


def test_a_target_that_is_late_accuses_nobody(names):
    async def late(host, limit):
        raise asyncio.TimeoutError

    place = behind(1, leads_to=("lb.example.com", "192.0.2.7"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dns, "resolve", late)
        clauses, warnings = asyncio.run(dns.misled([place], 0.2, {"w.example.com": {LOOPBACK}}, 0.2))
        assert not clauses and len(warnings) == 1
        right = place._replace(leads_to=("lb.example.com", LOOPBACK))
        assert asyncio.run(dns.misled([right], 0.2, {"w.example.com": {LOOPBACK}}, 0.2)) == ({}, [])


def test_a_host_is_looked_up_once_for_connecting_and_comparing(names, monkeypatch):
    seen = []
    real = socket.getaddrinfo

    def look(host, *more, **options):
        seen.append(host)
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    with server(web(0)) as port:
        assert only(report(behind(port))).state == "answered"
    assert seen.count("w.example.com") == 1
