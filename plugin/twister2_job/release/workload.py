"""The protocol by which the job in a release adds to Helm's work; `release/` knows nothing else of what runs in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ..exposure.workers import Object
from .operation import Tools
from .storage import Row

Ready = Callable[[list[str], float], Awaitable[None]]
"""Waits until StatefulSets are rolled out; takes their names and a deadline on the clock of `time.monotonic`."""


class Workload(Protocol):
    """Files to send to the cluster besides the release, checks of its objects, and a way to wait for it.

    Attributes:
        ready: Waits for the job instead of `release/rollout.py`; None means that one.
        sends: Whether there are files to send.
    """

    ready: Ready | None
    sends: bool

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Raise JobError if the objects that Helm would make don't fit the workload."""

    def check_upgrade(self, name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
        """Raise UsageError for an upgrade that running pods would ignore, or that would break them.

        Args:
            name: Name of the job.
            live: Its objects in the cluster.
            rendered: Those of the upgrade.
        """

    async def send(self) -> None:
        """Send the files, before Helm makes the release."""

    async def attach(self, deadline: float) -> None:
        """Attach the files to the new release, before a deadline on the clock of `time.monotonic`."""

    async def take_back(self) -> str:
        """Remove the files, even if only some were sent; return a name for them, empty if there were none."""

    async def sent(self, tools: Tools, name: str) -> Sequence[Row]:
        """Return the sent files that a job of this name has in the cluster.

        Raises:
            JobError: The API refuses or can't be reached.
        """

    async def remove_sent(self, tools: Tools, name: str, found: Sequence[Row], *, released: bool) -> None:
        """Remove files of a job.

        Args:
            tools: The programs, and `say`, which gets a message for each wait.
            name: Name of the job.
            found: What `sent` returned.
            released: Whether they belong to a release; otherwise they are leftovers, or another run is sending them.

        Raises:
            BusyError: Another run is working on them.
        """
