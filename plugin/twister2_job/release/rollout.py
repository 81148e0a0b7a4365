"""Waits until the workers are ready, and finds out why they are not."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ..clients.kubectl import Kubectl
from ..clients.process import event_within
from ..clients.resources import Cluster
from ..errors import JobError, OutOfTimeError
from ..exposure.workers import Object, number, pod_ready, replicas
from .operation import Say, within

SAY_WHY_AFTER = 10.0
"""Seconds between two messages that say why the workers are not ready yet."""

REASONS = 8.0
"""Seconds to find out why the workers were not ready in time."""


def rolled_out(item: Mapping[str, Any]) -> bool:
    """Tell whether a StatefulSet runs its newest spec with every pod ready."""
    spec, status = item.get("spec", {}), item.get("status", {})
    wanted = number(spec.get("replicas", 1))
    if number(status.get("observedGeneration")) < number(item["metadata"].get("generation")):
        return False
    if spec.get("updateStrategy", {}).get("type") == "OnDelete":
        return number(status.get("readyReplicas")) == wanted
    partition = number(spec.get("updateStrategy", {}).get("rollingUpdate", {}).get("partition"))
    updated = wanted == 0 or number(status.get("updatedReplicas")) >= wanted - partition
    same = status.get("currentRevision") == status.get("updateRevision") or partition > 0 or wanted == 0
    return updated and same and number(status.get("readyReplicas")) == wanted == number(status.get("replicas"))


class Watcher:
    """Follows a job's StatefulSets and pods in the background, so that a wait ends the moment the workers are ready."""

    KINDS = ("StatefulSet", "Pod")
    SETTLE = 1.0
    """Seconds until the watch of the pods must show what that of the StatefulSets shows: the two are separate."""

    def __init__(self, kubectl: Kubectl, job: str) -> None:
        """Prepare; nothing runs before `start`."""
        self._kubectl, self._job = kubectl, job
        self._seen: dict[str, dict[str, Object]] = {kind: {} for kind in self.KINDS}
        self._lost: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Future[Any]] = []
        self._rest: asyncio.Future[Cluster] | None = None

    def start(self) -> None:
        """Start following."""
        if not self._tasks:
            self._tasks = [asyncio.ensure_future(self._follow(kind)) for kind in self.KINDS]

    async def close(self) -> None:
        """Stop following."""
        tasks = [*self._tasks, *([self._rest] if self._rest else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, kind: str) -> None:
        while True:  # The API server ends watches now and then.
            seen: dict[str, Object] = {}
            # A watch that fails, or ends in the middle of a line, is started again.
            with contextlib.suppress(JobError, OSError, ValueError, KeyError):
                async for what, item in self._kubectl.watch(kind, self._job):
                    name = item["metadata"]["name"]
                    if what == "DELETED":
                        seen.pop(name, None)
                        self._lost.add(name)
                    else:
                        seen[name] = item
                        self._lost.discard(name)
                    self._seen[kind] = seen
                    self._changed.set()
            await asyncio.sleep(1)

    async def ready(
        self, names: Iterable[str], *, deadline: float, say: Say, require_present: Callable[[], Awaitable[None]]
    ) -> None:
        """Wait until the StatefulSets `names` are rolled out.

        Args:
            names: Names of all StatefulSets of the release.
            deadline: When to give up, on the clock of `time.monotonic`.
            say: Is called with a sentence about what is waited for.
            require_present: Raises an error if the release is gone; called when a StatefulSet goes, and regularly.

        Raises:
            OutOfTimeError: The deadline has passed; the message has the reasons.
        """
        names = list(names)
        said, last = time.monotonic(), ""
        while not self._rolled_out(names):
            self._changed.clear()
            now = time.monotonic()
            if now >= deadline:
                await self._give_up(names)
            came = await event_within(self._changed, min(deadline, said + SAY_WHY_AFTER) - now)
            if not self._lost.isdisjoint(names):
                self._lost.difference_update(names)
                await require_present()
            if not came and time.monotonic() >= said + SAY_WHY_AFTER:
                await require_present()
                said = time.monotonic()
                why = await self._why(names, logs=False)
                if (text := f"Still waiting for the workers: {'; '.join(why) or 'pods are starting'}") != last:
                    say(text)
                    last = text

    def _rolled_out(self, names: Iterable[str]) -> bool:
        sets = self._seen["StatefulSet"]
        return all(name in sets and rolled_out(sets[name]) for name in names)

    def read_rest(self) -> None:
        """Begin to read Services, nodes and routes, which are not followed: they don't change while workers start."""

        async def read() -> Cluster:
            wanted = (self._kubectl.listed("Service", self._job), self._kubectl.listed("Node"))
            services, nodes = await asyncio.gather(*wanted)
            return await self._kubectl.extended(Cluster(services or [], nodes), self._job)

        self._rest = asyncio.ensure_future(read())

    async def cluster(self, names: Iterable[str]) -> Cluster | None:
        """Return the job's objects as the watches have seen them, once the StatefulSets `names` are rolled out.

        None if fewer pods were seen ready than the StatefulSets report: then the objects have to be read.
        """
        if self._rest is None:
            return None
        try:
            rest = await within(time.monotonic() + REASONS, _awaited(self._rest), "They take too long.")
        except JobError:
            return None
        until = time.monotonic() + self.SETTLE
        while True:
            self._changed.clear()
            sets = [self._seen["StatefulSet"][name] for name in names if name in self._seen["StatefulSet"]]
            ready = sum(pod_ready(pod) for pod in self._seen["Pod"].values())
            if ready >= sum(replicas(one) for one in sets):
                objects = [*rest.objects, *self._seen["StatefulSet"].values(), *self._seen["Pod"].values()]
                return rest._replace(objects=objects)
            if time.monotonic() >= until or not await event_within(self._changed, until - time.monotonic()):
                return None

    async def _why(self, names: list[str], *, logs: bool) -> list[str]:
        from .pod_reasons import reasons

        try:
            return await reasons(self._kubectl, self._job, names, logs=logs)
        except JobError as error:
            return [str(error)]

    async def _give_up(self, names: list[str]) -> None:
        try:
            until = time.monotonic() + REASONS
            why = await within(until, self._why(names, logs=True), "It takes too long to find out.")
        except OutOfTimeError as error:
            why = [error.message]
        raise OutOfTimeError("\n  ".join(["The workers were not ready in time:", *(why or ["no reason is known"])]))


async def _awaited(future: asyncio.Future[Cluster]) -> Cluster:
    return await future
