"""SIGTERM, SIGHUP and Ctrl-C while processes of ours run."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; SIGTERM, SIGHUP or Ctrl-C cancels it and takes effect once it has ended.

    A handler that raises does so anywhere, also after a process was started and before asyncio knows of it: nobody
    would end that process.

    Args:
        work: What to run; the caller's loop must be that of the main thread.

    Raises:
        SystemExit: SIGTERM or SIGHUP came.
        KeyboardInterrupt: Ctrl-C came.
    """
    if sys.platform == "win32":
        return await work  # asyncio has no signal handlers there.
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    came: list[int] = []

    def cancel(number: int) -> None:
        came.append(number)
        task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays ignored: that is what nohup and a shell's `&` ask for.
    before = {n: handler for n in numbers if (handler := signal.getsignal(n)) not in (signal.SIG_IGN, None)}
    for number in before:
        loop.add_signal_handler(number, cancel, number)
    try:
        # Not `await task`: what is cancelled just when it is done may end as if nothing had been.
        await asyncio.wait({task})
        if not came:
            return task.result()
        # A reader of our output who sends the signal often closes the pipe too: the signal is what it meant.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, BrokenPipeError):
            raise error
        if came[0] == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + came[0])
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
