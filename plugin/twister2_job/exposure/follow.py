"""Follows a job's addresses: yields them each time they change."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from ..clients.kubectl import Kubectl
from ..clients.process import event_within
from ..errors import JobError, NoClusterError, RefusedError
from .model import JobAddresses

KINDS = ("Service", "Pod", "StatefulSet")
SETTLE = 0.3
"""Seconds to wait for further changes after a change: a rollout changes many objects at once."""
NODES_EVERY = 15.0
"""Seconds between two reads without a change: nodes are not watched, since many users may not watch them."""
KEEP = 60.0
"""Seconds for which a Gateway that can't be read takes no address away: most faults are over by then."""

_PASSING = (NoClusterError, RefusedError)
"""What a read raises for a fault of the API server: it asks for nothing that could be refused for good."""


async def _wake(kubectl: Kubectl, job: str, kind: str, changed: asyncio.Event) -> None:
    pause = 1.0
    while True:  # The API server ends watches now and then; without the right to watch, reads are just rarer.
        began = time.monotonic()
        # A watch that fails, or ends in the middle of a line, is started again.
        with contextlib.suppress(JobError, OSError, ValueError, KeyError):
            async for _ in kubectl.watch(kind, job):
                changed.set()
        pause = 1.0 if time.monotonic() - began > NODES_EVERY else min(2 * pause, NODES_EVERY)
        await asyncio.sleep(pause)


def _partial(report: JobAddresses) -> str:
    """Return the sentence about an object that could not be read for a fault that may pass; empty if there is none."""
    return next((one.sentence for one in report.unread if not one.plural), "")


async def follow(
    kubectl: Kubectl, job: str, read: Callable[[], Awaitable[JobAddresses]], say: Callable[[str], None]
) -> AsyncIterator[JobAddresses]:
    """Yield the current addresses of a job, then the new ones after each change, until the caller stops.

    Args:
        kubectl: The client that watches.
        job: Name of the job.
        read: Reads the addresses.
        say: Is called with a sentence when the cluster does not answer for a while.

    Raises:
        JobError: The addresses can't be read, for example because the job was removed.
    """
    changed = asyncio.Event()
    tasks = {kind: asyncio.ensure_future(_wake(kubectl, job, kind, changed)) for kind in KINDS}
    last: JobAddresses | None = None
    partly_since = 0.0
    try:
        while True:
            changed.clear()
            try:
                report = await read()
            except _PASSING as error:
                if last is None:
                    raise
                say(f"{error} Trying again in {NODES_EVERY:.0f} s.")
                await asyncio.sleep(NODES_EVERY)
                continue
            for kind in report.reads:  # A single object that is not the job's is not watched: it is read now and then.
                if kind not in tasks and "/namespaces/" not in kind:
                    tasks[kind] = asyncio.ensure_future(_wake(kubectl, job, kind, changed))
            if partial := _partial(report) if last and not _partial(last) else "":
                if not partly_since:
                    partly_since = time.monotonic()
                    say(f"{partial} What was known before stays meanwhile.")
                if time.monotonic() - partly_since < KEEP:
                    await asyncio.sleep(NODES_EVERY)
                    continue
            partly_since = 0.0
            if report != last:
                last = report
                yield report
            if await event_within(changed, NODES_EVERY):
                await asyncio.sleep(SETTLE)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
