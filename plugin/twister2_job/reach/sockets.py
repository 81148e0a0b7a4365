"""The probe's use of the operating system: IP addresses of names, limit of open files, causes of failed connections."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from typing import Any

from ..exposure.nodes import family

OPEN = 512
"""The most connections open at once; fewer if the process may open fewer files."""
SPARE_FILES = 64
"""Open files that are left to the rest of the process."""

REFUSED, TIMED_OUT, NO_ROUTE = "refused", "timed out", "no route"


class PlainStream:
    """A connected socket that does not block; who made it closes it."""

    def __init__(self, endpoint: socket.socket) -> None:
        """Store the socket."""
        self._endpoint = endpoint

    async def send(self, data: bytes) -> None:
        """Send data."""
        await asyncio.get_running_loop().sock_sendall(self._endpoint, data)

    async def receive(self, most: int) -> bytes:
        """Return what came, at most so many bytes; nothing at the end."""
        return await asyncio.get_running_loop().sock_recv(self._endpoint, most)


def most_open() -> int:
    """Return how many connections may be open at once."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return OPEN
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN if soft == resource.RLIM_INFINITY else max(1, min(OPEN, soft - SPARE_FILES))


def failed(error: OSError) -> tuple[str, str]:
    """Return the state and the reason for a failed connection."""
    number = error.errno or 0
    # asyncio's messages repeat the address; those of the system don't.
    why = os.strerror(number).lower() if number else str(error).lower()
    if isinstance(error, ConnectionRefusedError):
        return REFUSED, ""
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return REFUSED, "connected, then closed without a word"
    if number == errno.ETIMEDOUT:
        return TIMED_OUT, ""
    return NO_ROUTE, why


async def resolve(host: str, limit: float) -> list[tuple[int, Any]]:
    """Return family and socket address (its port 0) of each IP address of a host.

    The lookup runs in a daemon thread: asyncio's own threads would keep the program from ending while a name server
    does not answer.

    Args:
        host: IP address or DNS name.
        limit: Seconds that the lookup may take.

    Raises:
        OSError: There is no such name.
        TimeoutError: No name server answers in time.
    """
    if family(host) == "IPv4":
        return [(socket.AF_INET, (host, 0))]
    if family(host) == "IPv6" and "%" not in host:
        return [(socket.AF_INET6, (host, 0, 0, 0))]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[tuple[int, Any]]] = loop.create_future()

    def tell(result: list[tuple[int, Any]], error: OSError | None) -> None:
        if not found.done():
            found.set_exception(error) if error else found.set_result(result)

    def look() -> None:
        result: list[tuple[int, Any]] = []
        problem = None
        try:
            result = [(info[0], info[4]) for info in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)]
        except OSError as error:
            problem = error
        except UnicodeError as error:  # A label is empty or too long.
            problem = OSError(str(error))
        with contextlib.suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(tell, result, problem)

    threading.Thread(target=look, daemon=True).start()
    return await asyncio.wait_for(found, limit)
