"""TLS: `check` looks at certificates, and `connect(tls=...)` takes only an address whose certificate is right."""

import asyncio
import contextlib
import ssl

import pytest
from twister2_job import Job
from twister2_job.errors import UnansweredError, UsageError
from twister2_job.reach import certificates
from twister2_job.reach.check import require
from twister2_job.reach.connect import Endpoint, choose

from tests.plugin.reach.servers import LOOPBACK, address, only, over_tls, report, run, says, server, web
from tests.plugin.reach.test_names import behind


@pytest.fixture
def trusted(authority, monkeypatch):
    """This machine trusts the test's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


@contextlib.contextmanager
def secured(certificate, speak=None):
    with server(over_tls(speak or web(0), certificate)) as port:
        yield behind(port, scheme="https")


def test_a_right_certificate_is_nothing_to_speak_of(names, authority, trusted):
    with secured(authority("w.example.com", days=90)) as place:
        result = run(report(place), timeout=3)
        assert (result.results[0].state, result.results[0].answered_by) == ("answered", 0)
        assert result.ok and not result.warnings


def test_the_servers_name_is_in_the_handshake_and_the_host_in_the_request(names, authority, trusted):
    heard = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority("w.example.com", days=90))
    context.sni_callback = lambda _, name, __: heard.append(name)

    def speak(connection):
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            web(0, host="w.example.com")(secured)

    with server(speak) as port:
        place = behind(port, scheme="https")._replace(url="https://w.example.com/")
        assert only(report(place), timeout=3).state == "answered"
    assert set(heard) == {"w.example.com"}


def test_a_certificate_of_another_name_fails(names, authority, trusted):
    with secured(authority("other.example.com", days=90)) as place:
        result = run(report(place), timeout=3)
        assert result.results[0].state == "wrong certificate"
        assert result.results[0].reason == "the certificate is of another name than w.example.com"
        with pytest.raises(UnansweredError, match="give the proxy a certificate for this host"):
            require(result)


def test_a_certificate_that_has_expired_fails(names, authority, trusted):
    with secured(authority("w.example.com", days=-1)) as place:
        found = only(report(place), timeout=3)
        assert (found.state, found.reason) == ("wrong certificate", "the certificate has expired")


def test_one_that_ends_soon_is_a_warning(names, authority, trusted):
    with secured(authority("w.example.com", days=9)) as place:
        result = run(report(place), timeout=3)
        (warning,) = result.warnings
        assert result.ok and warning.startswith(f"The certificate at {place.address} ends on ")
        assert warning.endswith(("in 8 days.", "in 9 days."))


@pytest.mark.parametrize(
    ("mode", "own", "state"),
    [("command", False, "wrong DNS record"), ("command", True, "answered"), ("echo", False, "answered")],
)
def test_a_host_with_a_right_certificate_is_right_wherever_dns_leads(names, authority, monkeypatch, mode, own, state):
    """A CDN or NAT in front, or a controller that reports addresses of inside, is no failure."""
    if own:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with secured(authority("w.example.com", days=90)) as place:
        result = run(report(place._replace(leads_to=("192.0.2.7",)), mode=mode), timeout=3)
        clause = "DNS leads w.example.com to 127.0.0.1, and must lead it to 192.0.2.7"
        assert (result.results[0].state, result.results[0].reason) == (state, clause)
        assert result.ok is (state == "answered")


@pytest.mark.parametrize(
    ("host", "days", "problem"),
    [
        ("w.example.com", 90, ""),
        ("other.example.com", 90, "the certificate is of another name than w.example.com"),
        ("w.example.com", -1, "the certificate has expired"),
    ],
)
def test_name_and_end_are_looked_at_whoever_has_signed_it(names, authority, host, days, problem):
    with secured(authority(host, days=days)) as place:
        result = run(report(place), timeout=3)
        assert result.results[0].state == ("wrong certificate" if problem else "answered")
        assert result.results[0].reason == problem
        unknown = f"The certificate at {place.address} is of no authority that this machine trusts."
        assert result.warnings == (() if problem else (unknown,))


def test_a_certificate_for_an_ip_address(authority, trusted):
    with server(over_tls(web(0), authority(LOOPBACK, 90, name="subjectAltName=IP:{}"))) as port:
        place = address(port, url=f"https://{LOOPBACK}:{port}/", via="ingress", source="status")
        assert only(report(place), timeout=3).state == "answered"
    with server(over_tls(web(0), authority("w.example.com", days=90))) as port:
        place = address(port, url=f"https://{LOOPBACK}:{port}/", via="ingress", source="status")
        assert only(report(place), timeout=3).reason == f"the certificate is of another name than {LOOPBACK}"


def test_one_certificate_of_many_workers_is_looked_at_once(names, authority, trusted, monkeypatch):
    seen = []
    real = certificates._certificate

    async def counted(*arguments):
        seen.append(arguments[:2])
        return await real(*arguments)

    monkeypatch.setattr(certificates, "_certificate", counted)
    with secured(authority("w.example.com", days=90)) as place:
        run(report(*[place] * 20), timeout=2)
        assert seen == [(place.host, place.number)]


def test_where_no_tls_is_spoken_the_connection_is_told_to_be_the_problem(names):
    with server(says(b"hello\n")) as port:
        found = only(report(behind(port, scheme="https")))
        assert (found.state, found.reason) == ("refused", "connected, but no TLS is spoken there")


def test_a_worker_that_ends_tls_itself_is_asked_over_it(names, authority, trusted):
    with server(over_tls(web(0), authority("w.example.com", days=90))) as port:
        place = behind(port, scheme="tls", via="gateway")._replace(url=f"tls://w.example.com:{port}")
        assert only(report(place), timeout=3).state == "answered"


def chosen(place, context):
    return asyncio.run(choose(report(place, mode="command"), 0, "worker", context))


def test_connect_takes_an_address_whose_certificate_is_right(names, authority):
    context = ssl.create_default_context(cafile=authority.path)
    with secured(authority("w.example.com", days=90)) as place:
        assert chosen(place, context) == place
        with pytest.raises(UnansweredError, match=r"its certificate is refused: (self|unable)"):
            chosen(place, ssl.create_default_context())
    with secured(authority("other.example.com", days=90)) as place:
        with pytest.raises(UnansweredError, match="certificate is refused: Hostname mismatch"):
            chosen(place, context)


def test_connect_with_tls_finds_no_other_way_than_tls(names):
    with server(says(b"hello\n")) as port:
        with pytest.raises(UnansweredError, match="connected, but no TLS is spoken there"):
            chosen(behind(port), ssl.create_default_context())
    with pytest.raises(UnansweredError, match="has no address that is available"):
        chosen(behind(1, state="pending"), ssl.create_default_context())


def test_connect_without_tls_takes_no_address_that_wants_it_and_a_proxy_for_http_last(names, authority):
    with secured(authority("w.example.com", days=90)) as place:
        assert chosen(place, None) is None
    with server(says(b"")) as port:
        plain, proxied = address(port), behind(port)
        both = report((proxied, plain), mode="command")
        assert asyncio.run(choose(both, 0, "worker")) == plain
        assert chosen(proxied, None) == proxied


def test_an_endpoint_is_a_pair_that_knows_how_to_connect():
    context = ssl.create_default_context()
    endpoint = Endpoint("w.example.com", 443, "ingress", "https://w.example.com/a", context)
    host, port = endpoint
    assert (host, port, endpoint.tls, endpoint.url) == ("w.example.com", 443, context, "https://w.example.com/a")
    assert Endpoint("127.0.0.1", 1).tls is None


@pytest.mark.parametrize("given", ["yes", 1, None])
def test_what_is_no_context_is_refused(given):
    with pytest.raises(UsageError, match=r"tls.*an ssl.SSLContext, True or False"):
        Job("job").connect(tls=given)
