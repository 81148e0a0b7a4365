"""TLS to addresses: which want it, a stream for probing, and a handshake alone.

A probe talks to whoever answers, with the host's name in the handshake (SNI).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import time
from typing import Any

from ..exposure.model import Address
from ..exposure.nodes import family
from .sockets import resolve

SCHEMES = ("https://", "tls://", "grpcs://")
"""Beginnings of the URLs of addresses that speak TLS."""
CHUNK = 2**16


def speaks_tls(address: Address) -> bool:
    """Tell whether an address wants TLS."""
    return address.protocol == "TCP" and address.url.startswith(SCHEMES)


@functools.cache
def any_certificate() -> ssl.SSLContext:
    """Return a context that accepts every certificate: for questions, to which nothing secret belongs.

    It is one for all, and without authorities: to read those for each handshake would hold up all others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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


async def handshake(
    host: str, number: int, context: ssl.SSLContext, limit: float, within: float | None = None
) -> ssl.SSLObject:
    """Return the TLS object of a connection to a host that has been made and ended again.

    Args:
        host: DNS name or IP address.
        number: Port number.
        context: How the certificate is checked.
        limit: Seconds for each step: the lookup of the name, connecting (of which each IP address that is left gets an
            equal part), and the handshake.
        within: Seconds for all of it, of which each IP address that is left gets an equal part too; None: any.

    Raises:
        ssl.SSLError: The server speaks no TLS, or its certificate is refused.
        OSError: Nothing answers.
        asyncio.TimeoutError: Nothing answers in time; on Python 3.10 that is no OSError.
    """
    until = None if within is None else time.monotonic() + within

    async def at(kind: int, place: Any, shares: int) -> ssl.SSLObject:
        with socket.socket(kind, socket.SOCK_STREAM) as endpoint:
            endpoint.setblocking(False)
            connecting = asyncio.get_running_loop().sock_connect(endpoint, (place[0], number, *place[2:]))
            await asyncio.wait_for(connecting, limit / shares)
            stream = TlsStream(endpoint, context, host)
            await asyncio.wait_for(stream.handshake(), limit)
            return stream.tls

    error: Exception = ConnectionError(host)
    places = await resolve(host, limit)
    for index, (kind, place) in enumerate(places):
        shares = len(places) - index
        seconds = None if until is None else (until - time.monotonic()) / shares
        try:
            return await asyncio.wait_for(at(kind, place, shares), seconds)
        except ssl.SSLError:
            raise
        except (OSError, asyncio.TimeoutError) as failed:
            error = failed
    raise error
