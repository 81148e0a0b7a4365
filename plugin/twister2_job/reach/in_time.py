"""Many pieces of work that share one end in time, so that their number does not decide how long they take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


async def in_time(work: Callable[[K], Awaitable[T]], items: Iterable[K], at_once: int, seconds: float) -> dict[K, T]:
    """Return the results by item; those whose work did not end in time are missing.

    Args:
        work: What is done with an item.
        items: The items, each once.
        at_once: The most items at the same time.
        seconds: The time for all of them.
    """
    turn = asyncio.Semaphore(at_once)

    async def one(item: K) -> T:
        async with turn:
            return await work(item)

    tasks = {item: asyncio.ensure_future(one(item)) for item in items}
    if not tasks:
        return {}
    try:
        done, _ = await asyncio.wait(tasks.values(), timeout=seconds)
        return {item: task.result() for item, task in tasks.items() if task in done}
    finally:  # No task is left, also if this is interrupted.
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
