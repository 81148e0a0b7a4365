"""Runs Helm and kubectl: one small asynchronous process runner for both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GRACE = 10.0
"""Seconds a process gets between SIGTERM and SIGKILL: Helm uses them to mark its release as failed."""


@dataclass(frozen=True)
class Result:
    """What a process left: its exit code and its two outputs as text."""

    code: int
    out: str
    err: str


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal; `process.send_signal` would collect a process that has just ended, and asyncio then complains."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


async def to_its_end(work: Coroutine[Any, Any, Any]) -> None:
    """Await `work` to its end, also when cancelled meanwhile; that takes effect afterwards."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    task.result()


async def heard(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so many seconds and tell whether it came.

    Before Python 3.12 `asyncio.wait_for` loses a cancellation that comes together with the event.
    """
    task = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    return event.is_set()


async def stop(process: asyncio.subprocess.Process) -> None:
    """End `process` with SIGTERM, and with SIGKILL after `GRACE` seconds."""
    if process.stdin:
        process.stdin.close()  # A child of it that still reads would keep its outputs open.
    _signal(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.communicate(), GRACE)
    except (asyncio.TimeoutError, TimeoutError):
        _signal(process, signal.SIGKILL)
        await process.communicate()


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    pass_fds: Sequence[int] = (),
) -> Result:
    """Run `argv` to its end, without a shell.

    Args:
        argv: The program's path and its arguments.
        env: Variables on top of this process's environment.
        stdin: Text for its standard input; without it the input is empty, so nothing can wait for a keyboard.
        timeout: Seconds it may take; None means no limit.

    Returns:
        Exit code and outputs; a code other than 0 is not an error here.

    Raises:
        OSError: The program can't be started.
        TimeoutError: It took longer than `timeout`; it has been ended.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **env} if env else None,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=pass_fds,
    )
    talk = asyncio.ensure_future(process.communicate(None if stdin is None else stdin.encode()))
    try:
        done, _ = await asyncio.wait({talk}, timeout=timeout)
        if not done:
            raise TimeoutError(f"{argv[0]} took longer than {timeout} s")
    finally:
        if not talk.done():
            talk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await talk
            await to_its_end(stop(process))
    out, err = talk.result()
    return Result(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))


@contextlib.asynccontextmanager
async def stream(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> AsyncIterator[asyncio.StreamReader]:
    """Run `argv` in the background and yield its standard output; it is ended when the block is left."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={**os.environ, **env} if env else None,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=2**24,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        _signal(process, signal.SIGKILL)  # It only reads: there is nothing to finish.
        await to_its_end(process.wait())
