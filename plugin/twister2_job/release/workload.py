"""What the job in a release adds to Helm's work on it: the one thing that a release knows of what runs in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ..exposure.workers import Object
from .operation import Tools
from .storage import Row

Ready = Callable[[list[str], float], Awaitable[None]]
"""Waits until StatefulSets are rolled out: their names, and a deadline on the clock of `time.monotonic`."""


class Workload(Protocol):
    """Files that are sent to the cluster beside the release, checks of its objects, and a way of waiting.

    Attributes:
        ready: Waits in the place of the rollout's own waiting; None means the rollout's own.
        sends: Whether there is something to send.
    """

    ready: Ready | None
    sends: bool

    def check_install(self, rendered: Sequence[Object]) -> None:
        """Raise JobError if the objects that Helm would make don't fit to the workload."""

    def check_upgrade(self, name: str, live: Sequence[Object], rendered: Sequence[Object]) -> None:
        """Raise UsageError for an upgrade that pods which run would not follow, or be broken by.

        Args:
            name: Name of the job.
            live: Its objects in the cluster.
            rendered: Those of the upgrade.
        """

    async def send(self) -> None:
        """Send the files, before Helm makes the release."""

    async def attach(self, deadline: float) -> None:
        """Make the files part of the release that was made, until a deadline on the clock of `time.monotonic`."""

    async def take_back(self) -> str:
        """Remove what was sent, all or a part of it; return what that was, empty if nothing."""

    async def sent(self, tools: Tools, name: str) -> Sequence[Row]:
        """Return the files that a job of this name has in the cluster.

        Raises:
            JobError: The API refuses or can't be reached.
        """

    async def remove_sent(self, tools: Tools, name: str, found: Sequence[Row], *, released: bool) -> None:
        """Remove files of a job.

        Args:
            tools: The programs, and whom to tell what is waited for.
            name: Name of the job.
            found: What `sent` returned.
            released: They are those of a release; else they were left behind, or another run is sending them.

        Raises:
            BusyError: Another run is at work on them.
        """
