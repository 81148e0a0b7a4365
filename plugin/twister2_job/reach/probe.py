"""Connects to addresses from this machine, many at the same time, and reads who answers.

`install` and `check` share this module: a question's `matcher` decides about an answer; getting one is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..exposure.model import Address
from .sockets import REFUSED, TIMED_OUT, PlainStream, failed, most_open, resolve
from .tls import TlsStream, any_certificate, failure, speaks_tls

LIMIT = 1.5
"""Seconds for each step at an address during `install`; many addresses are tried at the same time."""
PATIENCE = 8.0
"""Seconds in which failed addresses are asked again: a new node port opens late, on a busy cluster by some seconds."""
PAUSE = 0.2
"""Seconds before a failed address is asked again; each further pause is twice as long."""
MOST = 64
"""The most addresses that `install` tries: a large cluster has hundreds, and the best come first."""
SILENCE = 0.5
"""Seconds without data from a server after which it is assumed that the client has to send first."""
DATA = 2**16
"""The most bytes that are read of a reply."""
FRESH = 8
"""The most connections begun at once: with hundreds we would measure our own queue (10 ms), not the network."""
FRESH_SECONDS = 0.02
"""Seconds after which the next connection may begin although this one is still being made."""
ANSWERED, WRONG, UNRESOLVED = "answered", "wrong worker", "unresolved"
GET = b"GET / HTTP/1.0\r\nHost: twister2-job\r\n\r\n"
_ABSENT = (404, 502, 503, 504)
"""What a proxy answers that has no rule for a host and path, or no worker behind it."""


@dataclass(frozen=True)
class Reply:
    """A matcher's verdict on an answer: the worker's ID, -1 if it names none, and why it is wrong; empty if right."""

    worker: int = -1
    wrong: str = ""


Stream = PlainStream | TlsStream

Matcher = Callable[[bytes, bool], "Reply | None"]
"""Takes all data so far, and whether the server has paused or ended; returns None if it needs more data."""


@dataclass(frozen=True)
class Question:
    """A question to an address; `matcher` None: a connection is enough; `first`: send before the server does."""

    address: Address
    matcher: Matcher | None = None
    first: bool = False

    @property
    def request(self) -> bytes:
        """Return what is sent: to a proxy a request for the host and path by which it knows the worker."""
        if not self.address.by_url:
            return GET
        host, _, path = self.address.url.partition("://")[2].partition("/")
        return f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


@dataclass(frozen=True)
class Answer:
    """The result of a question: a state, the worker that answered (-1: unknown), seconds to connect, and the reason."""

    address: Address
    state: str = ANSWERED
    worker: int = -1
    seconds: float = 0.0
    reason: str = ""

    @property
    def failure(self) -> str:
        """Return the failure in a few words; empty if there was none."""
        return "" if self.state == ANSWERED else self.reason or self.state


def identity(data: bytes) -> dict[str, Any] | None:
    """Return the JSON of an echo worker's answer, which may be in HTTP; None while it isn't complete."""
    with contextlib.suppress(ValueError):
        # What comes behind it may be of HTTP: a proxy sends an answer in chunks.
        said, _ = json.JSONDecoder().raw_decode(data[max(0, data.find(b"{")) :].decode(errors="replace"))
        return said if isinstance(said, dict) else None
    return None


def any_echo_worker(data: bytes, _quiet: bool) -> Reply | None:
    """Match any echo worker."""
    said = identity(data)
    return Reply(said["worker"]) if said and isinstance(said.get("worker"), int) else None


def any_page(data: bytes, quiet: bool) -> Reply | None:
    """Match any answer in HTTP that tells of a server behind the proxy."""
    if b"\r\n" not in data and not quiet:
        return None
    status = re.match(rb"HTTP/\d(?:\.\d)? (\d{3})", data)
    if not status:
        return Reply(wrong=f"it says {excerpt(data)}")
    code = int(status[1])
    return Reply(wrong=f"the proxy, or the worker, answers HTTP {code}" if code in _ABSENT else "")


class Prober:
    """Asks addresses at the same time; one object for each run."""

    def __init__(self, limit: float, patience: float | None = None) -> None:
        """Start the time of `patience`.

        Args:
            limit: Seconds that each step of a try may take: resolving the name, connecting, answering.
            patience: Seconds from now in which failed addresses are asked again; None means `PATIENCE`.
        """
        self._limit = limit
        self._until = time.monotonic() + (PATIENCE if patience is None else patience)
        self._open, self._fresh = asyncio.Semaphore(most_open()), asyncio.Semaphore(FRESH)
        self._names: dict[str, asyncio.Task[list[tuple[int, Any]]]] = {}

    async def ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers in the order of the questions."""
        tasks = [asyncio.ensure_future(self.ask(question)) for question in questions]
        try:
            return await asyncio.gather(*tasks)
        finally:  # If interrupted, no task, name lookup or socket is left.
            await _ended(*tasks, *self._names.values())

    def names(self) -> dict[str, set[str] | None]:
        """Return the IP addresses of the hosts looked up: none if DNS knows none, None if it did not say in time."""
        found: dict[str, set[str] | None] = {}
        for host, task in self._names.items():
            if task.done() and not task.cancelled():
                error = task.exception()
                late = isinstance(error, (asyncio.TimeoutError, TimeoutError))
                found[host] = None if late else set() if error else {str(place[0]) for _, place in task.result()}
        return found

    async def ask(self, question: Question) -> Answer:
        """Ask one address, again and again until it answers or the time of `patience` is over."""
        pause = PAUSE
        while True:
            async with self._open:
                answer = await self._try(question)
            left = self._until - time.monotonic()
            if answer.state in (ANSWERED, UNRESOLVED) or left <= 0:
                return answer
            await asyncio.sleep(min(pause, left))
            pause *= 2

    async def _try(self, question: Question) -> Answer:
        """Ask once, at each IP address of the host in turn until one connects."""
        address = question.address
        host = address.host
        if host not in self._names:  # Many workers may share a host: its name is resolved once.
            self._names[host] = asyncio.ensure_future(resolve(host, self._limit))
        try:
            places = await asyncio.shield(self._names[host])
        except (asyncio.TimeoutError, TimeoutError):
            return Answer(address, UNRESOLVED, reason=f"no name server answers for {host}")
        except OSError:
            return Answer(address, UNRESOLVED, reason=f"the DNS name {host} is not known here")
        answer = Answer(address, UNRESOLVED, reason=f"the DNS name {host} has no IP address")
        ask = self._datagrams if address.protocol == "UDP" else self._stream
        for index, (kind, place) in enumerate(places):
            try:
                return await ask(question, kind, (place[0], address.number, *place[2:]), len(places) - index)
            except (asyncio.TimeoutError, TimeoutError):
                answer = Answer(address, TIMED_OUT)
            except ssl.SSLError as error:
                answer = Answer(address, REFUSED, reason=failure(error))
            except OSError as error:
                state, why = failed(error)
                answer = Answer(address, state, reason=why)
        return answer

    async def _stream(self, question: Question, kind: int, place: Any, shares: int) -> Answer:
        """Ask over TCP; connecting takes at most one of `shares` equal parts of the limit."""
        with socket.socket(kind, socket.SOCK_STREAM) as endpoint:
            endpoint.setblocking(False)
            seconds = await self._connect(endpoint, place, self._limit / shares)
            stream: Stream = PlainStream(endpoint)
            if speaks_tls(question.address):
                stream = tls = TlsStream(endpoint, any_certificate(), question.address.host)
                await asyncio.wait_for(tls.handshake(), self._limit)
            if question.matcher is None:
                return Answer(question.address, seconds=seconds)
            return await self._reply(question, question.matcher, stream, seconds)

    async def _connect(self, endpoint: socket.socket, place: Any, limit: float) -> float:
        """Connect and return the seconds that took; few connect at once, see `FRESH`."""

        async def timed() -> float:
            began = time.perf_counter()
            await asyncio.get_running_loop().sock_connect(endpoint, place)
            return time.perf_counter() - began

        async with self._fresh:
            task = asyncio.ensure_future(timed())
            try:
                await asyncio.wait({task}, timeout=min(FRESH_SECONDS, limit))
            except asyncio.CancelledError:
                await _ended(task)
                raise
        try:
            return await asyncio.wait_for(asyncio.shield(task), max(0.0, limit - FRESH_SECONDS))
        finally:
            await _ended(task)

    async def _reply(self, question: Question, matcher: Matcher, stream: Stream, seconds: float) -> Answer:
        """Read until the matcher decides, the server ends, `DATA` bytes are read or the time is over."""
        address = question.address
        until, data, spoken, ended = time.monotonic() + self._limit, b"", question.first, False
        if spoken:
            await stream.send(question.request)
        while not ended:
            try:
                wait = max(0.0, min(SILENCE, until - time.monotonic()))
                chunk = await asyncio.wait_for(stream.receive(DATA - len(data)), wait)
                data += chunk
                quiet = ended = not chunk or len(data) >= DATA
            except (asyncio.TimeoutError, TimeoutError):
                quiet, ended = True, time.monotonic() >= until
                if not data and not spoken:
                    spoken = True
                    await stream.send(question.request)
            except OSError:
                if not data:
                    raise
                quiet = ended = True
            if data and (reply := matcher(data, quiet)):
                state = WRONG if reply.wrong else ANSWERED
                return Answer(address, state, reply.worker, seconds, reply.wrong)
        if data:
            return Answer(address, WRONG, -1, seconds, f"it says {excerpt(data)}")
        if time.monotonic() >= until:
            return Answer(address, TIMED_OUT, -1, seconds, f"connected, then silent for {self._limit:g} s")
        raise ConnectionResetError

    async def _datagrams(self, question: Question, kind: int, place: Any, _shares: int) -> Answer:
        """Ask over UDP: a datagram, and a second one in case the first or its answer was lost."""
        loop, matcher = asyncio.get_running_loop(), question.matcher or any_echo_worker
        with socket.socket(kind, socket.SOCK_DGRAM) as endpoint:
            endpoint.setblocking(False)
            await loop.sock_connect(endpoint, place)
            for _ in range(2):
                began = time.perf_counter()
                await loop.sock_sendall(endpoint, GET)
                with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                    data = await asyncio.wait_for(loop.sock_recv(endpoint, DATA), self._limit / 2)
                    reply = matcher(data, True) or Reply(wrong=f"it says {excerpt(data)}")
                    state, seconds = WRONG if reply.wrong else ANSWERED, time.perf_counter() - began
                    return Answer(question.address, state, reply.worker, seconds, reply.wrong)
        raise TimeoutError


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for their end: a socket may be closed only when the event loop no longer uses it."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def excerpt(data: bytes) -> str:
    """Return the beginning of data for a message; of an HTTP answer that of its body, which says more than headers."""
    head, _, body = data.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/") and body:
        data = body
    return repr(data[:60].decode(errors="replace")) + ("..." if len(data) > 60 else "")


async def ask_all(addresses: Sequence[Address], limit: float = LIMIT) -> list[Answer]:
    """Ask the first `MOST` available TCP addresses, at the same time, which echo worker answers."""
    wanted = [a for a in addresses if a.state == "available" and a.protocol == "TCP" and a.host and a.number][:MOST]
    return await Prober(limit).ask_all([Question(address, any_echo_worker, first=True) for address in wanted])
