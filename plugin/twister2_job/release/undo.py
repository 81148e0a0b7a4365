"""What a command has made so far, and how to take it back: the newest first, and nothing that is not its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ..clients.process import UNDOING, await_uncancelled
from ..errors import JobError
from .operation import within

LIMIT = 120.0
"""Seconds that undoing may take: Helm removes some twenty objects in one."""
LATE = 9.0
"""The same when the time of the command is out: with what ending Helm takes, 15 in all."""


def undoing(deadline: float, late: bool) -> float:
    """Return the seconds for undoing a command, of which `--timeout` and `LATE` seconds more are the end.

    Args:
        deadline: When its time is over, on the clock of `time.monotonic`.
        late: Its time is over, or it was told to end.
    """
    return LATE if late else max(LATE, min(LIMIT, deadline + LATE - time.monotonic()))


Step = Callable[[float], Coroutine[Any, Any, str]]
"""Takes something back, within so many seconds, and returns what it was; an empty text if there was nothing."""


class Undo:
    """Steps to take back, of one run."""

    def __init__(self) -> None:
        """Begin with nothing made."""
        self._steps: list[Step] = []

    def add(self, step: Step) -> None:
        """Note how to take back what is about to be made; `step` asks itself whether it was, and by whom."""
        self._steps.append(step)

    async def run(self, limit: float) -> tuple[list[str], list[str]]:
        """Take everything back, also when the caller is cancelled meanwhile.

        Args:
            limit: Seconds for all of it.

        Returns:
            What was removed, and a sentence for each thing that could not be.
        """
        work = asyncio.ensure_future(self._run(limit))
        with contextlib.suppress(asyncio.CancelledError):  # It takes effect afterwards: the caller is ending already.
            await await_uncancelled(work)
        return work.result()

    async def _run(self, limit: float) -> tuple[list[str], list[str]]:
        UNDOING.set(True)  # In this task alone.
        until, done, failed = time.monotonic() + limit, list[str](), list[str]()
        while self._steps:
            step, left = self._steps.pop(), max(1.0, until - time.monotonic())
            try:
                if what := await within(time.monotonic() + left, step(left), f"It took longer than {left:.0f} s."):
                    done.append(what)
            except Exception as error:  # The others are taken back all the same.
                failed.append(str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}.")
        return done, failed
