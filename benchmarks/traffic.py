"""A steady load of new connections to echo workers, and what became of each. Standard library only."""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

REQUEST = b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n"
TIMEOUT = 5.0
"""Seconds a connection has from its first packet to the last byte of the answer."""
APART = 3.0
"""Seconds between two losses from which on they have nothing to do with each other."""
SLOW = 0.9
"""Seconds from which on a connection counts as slow: a lost first packet is sent again after one second."""


@dataclass(frozen=True)
class Target:
    """Where to connect, and who has to answer: a job, and a worker of it or any of them (None)."""

    host: str
    port: int
    job: str
    worker: int | None = None


@dataclass(frozen=True)
class Attempt:
    """One connection, and why it was lost; an empty reason means an answer of the right worker.

    `step` is what went on when it began, `began` when that was by `time.monotonic`, `took` its seconds; `late` is by
    how many it began after its time, because this machine had none for the load.
    """

    target: Target
    step: str
    late: float
    began: float
    took: float
    lost: str


def _reason(error: OSError) -> str:
    """Return the error's sentence without the address that asyncio puts into it."""
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__


async def _ask(target: Target) -> str:
    """Connect, ask, read the answer to its end, and return why the connection was lost, or nothing."""
    try:
        reader, writer = await asyncio.open_connection(target.host, target.port)
    except OSError as error:
        return _reason(error)
    try:
        writer.write(REQUEST)
        answer = await reader.read()
    except OSError as error:
        return _reason(error)
    finally:
        writer.close()
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        who = json.loads(body)
    except ValueError:
        return f"no answer but {answer[:40]!r}"
    right = who.get("job") == target.job and target.worker in (None, who.get("worker"))
    return "" if right else f"answer of worker {who.get('worker')} of {who.get('job')}"


class Load:
    """Opens `rate` connections a second, to the targets in turn, from entering the context to leaving it.

    The next one begins on time, whatever became of those before: a load that waits for its answers would try least
    while nobody answers. It runs in a thread of its own; the caller says with `step` what it does to the job meanwhile.
    """

    def __init__(self, targets: Sequence[Target], rate: float) -> None:
        """Take the targets; nothing is opened yet."""
        self.targets, self.rate = targets, rate
        self.step = "quiet"
        self.begun = 0
        self.attempts: list[Attempt] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Load:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Begin no more connections and wait for those that are open."""
        self._end.set()
        self._thread.join()

    async def _attempt(self, target: Target, due: float) -> None:
        step, began = self.step, time.monotonic()
        try:
            lost = await asyncio.wait_for(_ask(target), TIMEOUT)
        except asyncio.TimeoutError:
            lost = "timed out"
        self.attempts.append(Attempt(target, step, began - due, began, time.monotonic() - began, lost))

    async def _run(self) -> None:
        began = time.monotonic()
        running: set[asyncio.Task[None]] = set()
        while not self._end.is_set():
            target, due = self.targets[self.begun % len(self.targets)], began + self.begun / self.rate
            task = asyncio.create_task(self._attempt(target, due))
            running.add(task)
            task.add_done_callback(running.discard)
            self.begun += 1
            await asyncio.sleep(began + self.begun / self.rate - time.monotonic())
        if running:
            await asyncio.wait(running)


def lost(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the connections that were lost."""
    return [one for one in attempts if one.lost]


def bursts(attempts: Sequence[Attempt]) -> list[str]:
    """Return a line for each time in which connections were lost: when, at how many hosts, how late the load was.

    A load that was late by seconds tells that this machine stood still, and nothing about the workers.
    """
    lines: list[str] = []
    these: list[Attempt] = []
    ordered = sorted(attempts, key=lambda one: one.began)
    found = lost(ordered)
    for one, following in itertools.zip_longest(found, found[1:]):
        these.append(one)
        if following and following.began - one.began < APART:
            continue
        first, last = these[0].began, one.began
        meanwhile = [each for each in ordered if first - APART <= each.began <= last + APART]
        begin = first - ordered[0].began
        lines.append(
            f"      after {begin:.0f} s, {these[0].step}: {len(these)} lost within {last - first:.1f} s"
            f" at {len({each.target.host for each in these})} addresses;"
            f" the load was late by up to {max(each.late for each in meanwhile):.2f} s"
        )
        these = []
    return lines


def table(attempts: Sequence[Attempt]) -> str:
    """Return a line for each step and one for all: connections, how many were lost, and why; then when."""
    steps = list(dict.fromkeys(one.step for one in attempts))
    lines = []
    for name in (*steps, "all"):
        these = [one for one in attempts if name in (one.step, "all")]
        why = collections.Counter(one.lost for one in lost(these))
        slow = sum(not one.lost and one.took >= SLOW for one in these)
        reasons = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
        line = f"    {name:16} {len(these):6} connections, {len(lost(these)):4} lost"
        lines.append(line + (f" ({reasons})" if reasons else "") + (f", {slow} slower than {SLOW} s" if slow else ""))
    lines += bursts(attempts)
    return "\n".join(lines)
