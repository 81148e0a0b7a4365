"""TLS to addresses: streams for probing, and whether a certificate is of the host and of today.

A probe talks to whoever answers, with the host's name in the handshake (SNI). The certificate is looked at on its own,
so that one that is wrong is told as such, and not as a connection that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..exposure.model import Address
from ..exposure.nodes import family, host_port
from .sockets import resolve

SCHEMES = ("https://", "tls://", "grpcs://")
"""Beginnings of the URLs of addresses that speak TLS."""
SOON = 14.0
"""Days before its end from which a certificate is warned of."""
CHUNK = 2**16
LEAST = 10.0
"""The fewest seconds for a certificate: it takes up to three connections."""
CONNECT = 3.0
"""Seconds for each step at a host; the whole is limited by who asks."""
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's codes: X509_V_ERR_CERT_HAS_EXPIRED, ..._NOT_YET_VALID, ..._HOSTNAME_MISMATCH, ..._IP_ADDRESS_MISMATCH."""


def speaks_tls(address: Address) -> bool:
    """Tell whether an address wants TLS."""
    return address.protocol == "TCP" and address.url.startswith(SCHEMES)


def any_certificate() -> ssl.SSLContext:
    """Return a context that accepts every certificate: for questions, to which nothing secret belongs."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _name(host: str) -> str | None:
    """Return the host as the handshake names it: an IP address is no server name."""
    return None if family(host) else host


class TlsStream:
    """TLS over a connected socket that does not block."""

    def __init__(self, endpoint: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Store the socket.

        Args:
            endpoint: The socket; who made it closes it.
            context: How the certificate is checked.
            host: The server's name.
        """
        self._endpoint, self._in, self._out = endpoint, ssl.MemoryBIO(), ssl.MemoryBIO()
        name = host if context.check_hostname else _name(host)
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name)

    async def _flush(self) -> None:
        if data := self._out.read():
            await asyncio.get_running_loop().sock_sendall(self._endpoint, data)

    async def _run(self, step: Any, *arguments: Any) -> Any:
        """Run a step of the protocol, with as many reads and writes of the socket as it needs."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await asyncio.get_running_loop().sock_recv(self._endpoint, CHUNK):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # The alert that tells the server why.
                raise
            else:
                await self._flush()
                return result

    async def handshake(self) -> None:
        """Begin.

        Raises:
            ssl.SSLError: The server speaks no TLS, or refuses; with a checking context its certificate is wrong.
        """
        await self._run(self.tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """Send data."""
        await self._run(self.tls.write, data)

    async def receive(self, most: int) -> bytes:
        """Return what came, at most so many bytes; nothing at the end."""
        with contextlib.suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
            data: bytes = await self._run(self.tls.read, most)
            return data
        return b""


def failure(error: ssl.SSLError) -> str:
    """Return why a handshake failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if "WRONG_VERSION_NUMBER" in str(error) or isinstance(error, ssl.SSLEOFError):
        return "connected, but no TLS is spoken there"
    said = (error.reason or str(error)).lower().replace("_", " ")
    return f"connected, but the TLS handshake fails: {said}"


class Certificate(NamedTuple):
    """What is wrong with a certificate (`problem`), or only worth a warning (`note`); both may be empty.

    It is `trusted` if it is of its host, of today, and of an authority that is trusted here.
    """

    problem: str = ""
    note: str = ""
    trusted: bool = False


async def certificates(
    addresses: Sequence[Address], limit: float, context: ssl.SSLContext | None = None
) -> dict[tuple[str, int], Certificate]:
    """Return the certificate at each host and port number of the addresses that speak TLS; a note if none was shown.

    Args:
        addresses: Any addresses.
        limit: Seconds for each host; at least `LEAST`.
        context: What it trusts beside the certificate itself; None means the authorities of this machine.
    """
    places = sorted({(a.host, a.number) for a in addresses if speaks_tls(a)})
    turn = asyncio.Semaphore(16)

    async def one(host: str, number: int) -> Certificate:
        async with turn:
            with contextlib.suppress(OSError, asyncio.TimeoutError, TimeoutError):
                return await asyncio.wait_for(_certificate(host, number, context), max(limit, LEAST))
        return Certificate(note=f"The certificate at {host_port(host, number)} could not be looked at.")

    found = await asyncio.gather(*(one(*place) for place in places))
    return dict(zip(places, found, strict=True))


async def _certificate(host: str, number: int, context: ssl.SSLContext | None) -> Certificate:
    """Return what is to say of the certificate at a host and port number."""
    try:
        trusted = context or ssl.create_default_context()
        return Certificate(note=_late(host, number, await _shown(host, number, trusted)), trusted=True)
    except ssl.SSLCertVerificationError:
        pass  # Its name and time are looked at without its authority, which need not be one that this machine knows.
    shown = (await handshake(host, number, any_certificate(), CONNECT)).getpeercert(binary_form=True)
    alone = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(shown or b""))
    alone.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    at = host_port(host, number)
    try:
        late = _late(host, number, await _shown(host, number, alone))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
            return Certificate(f"the certificate is of another name than {host}")
        if error.verify_code in (_EXPIRED, _NOT_YET):
            when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
            return Certificate(f"the certificate {when}")
        return Certificate(f"the certificate is refused: {error.verify_message}")
    unknown = f"The certificate at {at} is of no authority that this machine trusts."
    return Certificate(note=" ".join(filter(None, (unknown, late))))


async def handshake(host: str, number: int, context: ssl.SSLContext, limit: float) -> ssl.SSLObject:
    """Return the TLS object of a connection to a host that has been made and ended again.

    Args:
        host: DNS name or IP address.
        number: Port number.
        context: How the certificate is checked.
        limit: Seconds for the lookup of the name, and for each of its IP addresses.

    Raises:
        ssl.SSLError: The server speaks no TLS, or its certificate is refused.
        OSError: Nothing answers.
        TimeoutError: Nothing answers in time.
    """

    async def at(kind: int, place: Any) -> ssl.SSLObject:
        with socket.socket(kind, socket.SOCK_STREAM) as endpoint:
            endpoint.setblocking(False)
            await asyncio.get_running_loop().sock_connect(endpoint, (place[0], number, *place[2:]))
            stream = TlsStream(endpoint, context, host)
            await stream.handshake()
            return stream.tls

    error: OSError = ConnectionError(host)
    for kind, place in await resolve(host, limit):
        try:
            return await asyncio.wait_for(at(kind, place), limit)
        except ssl.SSLError:
            raise
        except OSError as failed:
            error = failed
    raise error


async def _shown(host: str, number: int, context: ssl.SSLContext) -> dict[str, Any]:
    """Return the fields of the certificate at a host, checked by the context."""
    return dict((await handshake(host, number, context, CONNECT)).getpeercert() or {})


def _late(host: str, number: int, fields: dict[str, Any]) -> str:
    """Return a sentence if a certificate ends soon."""
    end = ssl.cert_time_to_seconds(fields["notAfter"])
    days = (end - time.time()) / 86400
    if days > SOON:
        return ""
    day = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).date()
    return f"The certificate at {host_port(host, number)} ends on {day}, in {max(0, int(days))} days."
