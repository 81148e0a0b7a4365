"""A small asynchronous process runner for Helm and kubectl."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from . import prestarted
from .children import CAN_SPAWN, LINGER, MOST, Child, Result, result, too_much_output

__all__ = ["GRACE", "Process", "Result", "await_uncancelled", "event_within", "run", "stop", "stream"]

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for a process: Helm uses them to mark its release as failed."""
UNDOING: ContextVar[bool] = ContextVar("UNDOING", default=False)
"""Whether a change is being undone: a second Ctrl-C in the terminal, which all children get, must not end that."""
_CHECK_EVERY = 0.25
"""Seconds between two checks whether a process with open outputs has ended."""
_LONGEST_LINE = 2**24


class Process:
    """A child process with asyncio's streams; call `connect` first and `close` last.

    Attributes:
        pid: Its process ID.
        stdout: Its standard output.
        stderr: Its standard error; empty unless that is `apart`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        errors: str = "apart",
        pass_fds: Sequence[int] = (),
        session: bool = False,
        lasting: bool = False,
        child: Child | None = None,
    ) -> None:
        """Start it, unless `child` was started already; the other arguments are as for `Child`.

        Raises:
            OSError: It can't be started.
        """
        self._child = child or Child(
            argv, env=env, stdin=stdin, errors=errors, pass_fds=pass_fds, session=session, lasting=lasting
        )
        self.pid = self._child.pid
        self.stdout, self.stderr = (asyncio.StreamReader(limit=_LONGEST_LINE) for _ in range(2))
        self._stdin: asyncio.WriteTransport | None = None
        self._transports: list[asyncio.BaseTransport] = []

    async def connect(self) -> None:
        """Begin to read its outputs."""
        loop, child = asyncio.get_running_loop(), self._child
        for file, reader in ((child.stdout, self.stdout), (child.stderr, self.stderr)):
            if file is None:
                reader.feed_eof()
                continue
            transport, _ = await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), file)
            self._transports.append(transport)
        if child.stdin:
            self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, child.stdin)

    def feed(self, data: bytes) -> None:
        """Send it `data` as its whole input."""
        assert self._stdin
        self._stdin.write(data)
        self._stdin.write_eof()

    @property
    def returncode(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        return self._child.poll()

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        pause, watched = 0.001, True
        while (code := self._child.poll()) is None:
            watched = watched and await _has_ended(self.pid)
            if not watched:
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.05)
        return code

    def signal(self, number: int) -> None:
        """Send it a signal if it runs."""
        self._child.signal(number)

    def close_input(self) -> None:
        """Close its input: otherwise a child of its own that still reads would keep its outputs open."""
        if self._stdin and (self._stdin.get_write_buffer_size() or not self._stdin.is_closing()):
            self._stdin.abort()  # It drops the transport's buffer, so that the descriptor may be closed.

    def close(self) -> None:
        """Close all pipes; a process that still runs is killed."""
        self.close_input()
        for transport in self._transports:
            transport.close()
        self._child.close()


async def _has_ended(pid: int) -> bool:
    """Wait for the end of a child and return True; return False at once if the system can't report it."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # Not Linux, an old one, or a sandbox that forbids it.
        return False
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return True


async def await_uncancelled(work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Await `work` to its end; a cancellation meanwhile takes effect afterwards."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()


async def event_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for at most `seconds`, and tell whether it came.

    Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes together with the event.
    """
    task = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    return event.is_set()


async def stop(process: Process, grace: float = GRACE) -> None:
    """End `process` with SIGTERM, and with SIGKILL after `grace` seconds; its outputs are not read here."""
    process.close_input()
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, LINGER)):
        if process.returncode is None:
            process.signal(number)
            exited = asyncio.ensure_future(process.wait())
            await asyncio.wait({exited}, timeout=patience)
            exited.cancel()


async def _collect(reader: asyncio.StreamReader, text: bytearray, program: str) -> None:
    """Read an output to its end."""
    while chunk := await reader.read(2**18):
        text += chunk
        if len(text) > MOST:
            raise too_much_output(program)


async def _talk(process: Process, program: str, stdin: bytes | None, texts: Sequence[bytearray]) -> None:
    """Send a process its input and read its outputs until it has ended, and a little longer if they stay open."""
    await process.connect()
    if stdin is not None:
        process.feed(stdin)
    readers = (process.stdout, process.stderr)
    reading = {asyncio.ensure_future(_collect(r, text, program)) for r, text in zip(readers, texts, strict=True)}
    try:
        lasts = True
        while reading and lasts:
            lasts = process.returncode is None
            done, reading = await asyncio.wait(
                reading, timeout=_CHECK_EVERY if lasts else LINGER,
                return_when=asyncio.FIRST_COMPLETED if lasts else asyncio.ALL_COMPLETED,
            )  # fmt: skip
            for task in done:
                task.result()
        await process.wait()
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
    grace: float = GRACE,
    lasting: bool = False,
) -> Result:
    """Run `argv` to its end, without a shell.

    Args:
        argv: The program's path and its arguments.
        env: Its whole environment; None means ours.
        stdin: Its standard input; None means an empty one, so that it never waits for a keyboard.
        timeout: Seconds it may take; None means no limit.
        pass_fds: Descriptors, above 2, that it inherits under the same numbers.
        grace: Seconds between SIGTERM and SIGKILL if it must be ended.
        lasting: Whether it runs for long or changes something; see `Child`.

    Returns:
        Exit code and outputs; a code other than 0 is not an error here.

    Raises:
        OSError: The program can't be started, or prints more than `MOST` bytes; in that case it has been ended.
        TimeoutError: It took longer than `timeout`; it has been ended.
    """
    data = stdin.encode() if isinstance(stdin, str) else stdin
    if not CAN_SPAWN:
        from .process_windows import run as run_elsewhere

        return await run_elsewhere(argv, env=env, stdin=data, timeout=timeout)
    given, apart = data is not None, UNDOING.get()
    child = None if given or pass_fds or apart or lasting else prestarted.take(argv)
    process = Process(argv, env=env, stdin=given, pass_fds=pass_fds, session=apart, lasting=lasting, child=child)
    texts = (bytearray(), bytearray())
    talk = asyncio.ensure_future(_talk(process, argv[0], data, texts))
    try:
        await asyncio.wait({talk}, timeout=timeout)
        if not talk.done():
            raise TimeoutError(f"{argv[0]} took longer than {timeout} s")
        talk.result()
    finally:
        if not talk.done() or process.returncode is None:
            await await_uncancelled(_end(process, talk, grace))
        else:
            process.close()
    return result(process.returncode or 0, *texts)


async def _end(process: Process, talk: asyncio.Future[None], grace: float) -> None:
    """End a process early; its outputs are read meanwhile, since it could be waiting for a reader."""
    try:
        await stop(process, grace)
        talk.cancel()
        await asyncio.gather(talk, return_exceptions=True)
    finally:
        process.close()


@contextlib.asynccontextmanager
async def stream(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
) -> AsyncIterator[asyncio.StreamReader]:
    """Run `argv` in the background and yield its standard output; it is ended when the block is left.

    Args:
        argv: The program's path and its arguments.
        env: Its whole environment; None means ours.
        pass_fds: Descriptors, above 2, that it inherits under the same numbers.

    Raises:
        OSError: The program can't be started.
    """
    if not CAN_SPAWN:
        from .process_windows import stream as stream_elsewhere

        async with stream_elsewhere(argv, env=env) as reader:
            yield reader
        return
    process = Process(argv, env=env, errors="dropped", pass_fds=pass_fds, lasting=True)
    try:
        await process.connect()
        yield process.stdout
    finally:
        try:
            await await_uncancelled(stop(process, 0))  # It changes nothing, so it has nothing to finish.
        finally:
            process.close()
