"""`connect(tls=...)`: it hands out no address at which TLS was not tried, and tries every IP address of a host."""

import asyncio
import socket
import ssl
import time

import pytest
from twister2_job.errors import UnansweredError
from twister2_job.reach import connect
from twister2_job.reach.connect import choose

from tests.plugin.reach.servers import LOOPBACK, address, over_tls, report, says, server, web
from tests.plugin.reach.test_names import behind


def chosen(found, context):
    return asyncio.run(choose(found, 0, "worker", context))


def test_the_worker_port_of_a_twister2_job_is_neither_tried_nor_handed_out():
    heard = []
    with server(lambda connection: heard.append(connection)) as port:
        plain = address(port, url=f"tcp://{LOOPBACK}:{port}")
        with pytest.raises(UnansweredError, match=rf"speaks TLS.*{plain.address}.*stranger can kill a Twister2 worker"):
            chosen(report(plain, mode="twister2"), ssl.create_default_context())
        time.sleep(0.1)
    assert not heard


def test_its_address_that_wants_tls_is_tried(names, authority):
    context = ssl.create_default_context(cafile=authority.path)
    with server(over_tls(web(0), authority("w.example.com", days=90))) as port:
        place = behind(port, scheme="tls", via="gateway", service="TLSRoute/job-worker")
        plain = address(1, url=f"tcp://{LOOPBACK}:1")
        both = report((plain, place), mode="twister2")
        assert chosen(both, context) == place
        with pytest.raises(UnansweredError, match="its certificate is refused"):
            chosen(both, ssl.create_default_context())


@pytest.mark.parametrize("protocol", ["UDP", "SCTP"])
def test_a_port_of_another_protocol_speaks_no_tls(protocol):
    place = address(9000, protocol=protocol)
    with pytest.raises(UnansweredError, match=f"speaks TLS.*{place.address}.*{protocol}"):
        chosen(report(place, mode="command"), ssl.create_default_context())


@pytest.mark.parametrize("mode", ["twister2", "command"])
def test_without_an_address_there_is_no_forward_in_its_place(mode):
    with pytest.raises(UnansweredError, match="has no address that is available"):
        chosen(report(running=1, mode=mode), ssl.create_default_context())


class LateError(Exception):
    """What `asyncio.TimeoutError` is on Python 3.10: no OSError."""


@pytest.mark.parametrize("python", ["3.10", "later"])
def test_an_ip_address_that_keeps_silent_leaves_time_for_the_next(authority, monkeypatch, python):
    monkeypatch.setattr(connect, "TLS_LIMIT", 2.0)
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.2", LOOPBACK)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    if python == "3.10":
        real = asyncio.wait_for

        async def wait_for(*arguments):
            try:
                return await real(*arguments)
            except TimeoutError:
                raise LateError from None

        monkeypatch.setattr(asyncio, "TimeoutError", LateError)
        monkeypatch.setattr(asyncio, "wait_for", wait_for)
    context = ssl.create_default_context(cafile=authority.path)
    with server(over_tls(says(b""), authority("w.example.com", days=90))) as port, socket.socket() as mute:
        mute.bind(("127.0.0.2", port))
        mute.listen(16)
        place = behind(port, scheme="tls")
        assert chosen(report(place, mode="command"), context) == place
