"""Follows a job's addresses: yields them each time they change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from ..clients.kubectl import Kubectl
from ..clients.process import event_within
from ..errors import NoClusterError
from .model import JobAddresses

KINDS = ("Service", "Pod", "StatefulSet")
SETTLE = 0.3
"""Seconds to wait for further changes after a change: a rollout changes many objects at once."""
NODES_EVERY = 15.0
"""Seconds between two reads without a change: nodes are not watched, since many users may not watch them."""


async def _wake(kubectl: Kubectl, job: str, kind: str, changed: asyncio.Event) -> None:
    pause = 1.0
    while True:  # The API server ends watches now and then; without the right to watch, reads are just rarer.
        began = time.monotonic()
        async for _ in kubectl.watch(kind, job):
            changed.set()
        pause = 1.0 if time.monotonic() - began > NODES_EVERY else min(2 * pause, NODES_EVERY)
        await asyncio.sleep(pause)


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
    try:
        while True:
            changed.clear()
            try:
                report = await read()
            except NoClusterError as error:
                if last is None:
                    raise
                say(f"{error} Trying again in {NODES_EVERY:.0f} s.")
                await asyncio.sleep(NODES_EVERY)
                continue
            for kind in report.reads:  # A single object that is not the job's is not watched: it is read now and then.
                if kind not in tasks and "/namespaces/" not in kind:
                    tasks[kind] = asyncio.ensure_future(_wake(kubectl, job, kind, changed))
            if report != last:
                last = report
                yield report
            if await event_within(changed, NODES_EVERY):
                await asyncio.sleep(SETTLE)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
