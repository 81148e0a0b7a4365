"""Follows a job: its addresses, each time they change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from .kube import Kubectl
from .model import JobAddresses
from .wait import watch

KINDS = ("services", "pods", "statefulsets")
SETTLE = 0.3
"""Seconds after a change in which further ones are waited for: a rollout changes many objects at once."""
NODES_EVERY = 15.0
"""Seconds between two looks at the nodes, which many users may not watch."""


async def _wake(kubectl: Kubectl, job: str, kind: str, changed: asyncio.Event) -> None:
    while True:  # The API server ends watches now and then.
        async for _ in watch(kubectl, job, kind):
            changed.set()
        await asyncio.sleep(1)


async def follow(
    kubectl: Kubectl, job: str, read: Callable[[], Awaitable[JobAddresses]]
) -> AsyncIterator[JobAddresses]:
    """Yield the addresses of a job: as they are, then whenever they have changed, until the caller stops.

    Args:
        kubectl: The client that watches.
        job: Name of the job.
        read: Reads the addresses.

    Raises:
        JobError: The addresses can't be read, for example since the job is gone.
    """
    changed = asyncio.Event()
    tasks = [asyncio.ensure_future(_wake(kubectl, job, kind, changed)) for kind in KINDS]
    last: JobAddresses | None = None
    try:
        while True:
            changed.clear()
            report = await read()
            if report != last:
                last = report
                yield report
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(changed.wait(), NODES_EVERY)
                await asyncio.sleep(SETTLE)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def changes(old: JobAddresses | None, new: JobAddresses) -> list[str]:
    """Return the available addresses that came (`+`) and went (`-`), a line each: sign, worker, port, address."""

    def lines(report: JobAddresses | None) -> dict[str, None]:
        if report is None:
            return {}
        rows = [("any", address) for address in report.shared]
        rows += [(str(worker.id), address) for worker in report.workers for address in worker.addresses]
        return {f"{who} {a.port} {a.address}": None for who, a in rows if a.state == "available" and a.address}

    before, after = lines(old), lines(new)
    return [f"- {line}" for line in before if line not in after] + [f"+ {line}" for line in after if line not in before]
