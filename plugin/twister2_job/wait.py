"""Waits until the workers are ready, and knows why they are not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from .errors import JobError, OutOfTimeError
from .kube import Kubectl, selector
from .process import heard, stream
from .workers import number

SAY_WHY_AFTER = 10.0
"""Seconds between two looks at why the workers are not ready yet."""

Say = Callable[[str], None]


def rolled_out(item: Mapping[str, Any]) -> bool:
    """Tell whether a StatefulSet runs what its newest spec says, with every pod ready."""
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


async def watch(kubectl: Kubectl, job: str, kind: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the job's objects of one kind: first as they are, then at each change, until kubectl ends."""
    argv = kubectl.argv("get", kind, "-l", selector(job), "--watch", "-o", "json")
    with kubectl.connection.kubectl_environment() as env:
        async with stream(argv, env=env) as reader:
            decoder, text = json.JSONDecoder(), ""
            while chunk := await reader.read(2**16):
                text += chunk.decode(errors="replace")
                while text := text.lstrip():
                    try:
                        item, end = decoder.raw_decode(text)
                    except ValueError:
                        break
                    text = text[end:]
                    yield item


class Watcher:
    """Follows the job's StatefulSets in the background, so that the wait ends the moment the workers are ready."""

    def __init__(self, kubectl: Kubectl, job: str) -> None:
        """Prepare; nothing runs before `start`."""
        self._kubectl, self._job = kubectl, job
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start following."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._follow())

    async def close(self) -> None:
        """Stop following."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:  # The API server ends watches now and then.
            async for item in watch(self._kubectl, self._job, "statefulsets"):
                self._seen[item["metadata"]["name"]] = item
                self._changed.set()
            await asyncio.sleep(1)

    async def ready(self, names: Iterable[str], *, deadline: float, say: Say) -> None:
        """Wait until the StatefulSets `names` are rolled out.

        Args:
            names: Names of all StatefulSets of the release.
            deadline: When to give up, on the clock of `time.monotonic`.
            say: Is told, in a sentence, what is waited for.

        Raises:
            OutOfTimeError: The deadline has passed; the message has the reasons.
        """
        names = list(names)
        said, last = time.monotonic(), ""
        while not all(name in self._seen and rolled_out(self._seen[name]) for name in names):
            self._changed.clear()
            now = time.monotonic()
            if now >= deadline:
                await self._give_up(names)
            came = await heard(self._changed, min(deadline, said + SAY_WHY_AFTER) - now)
            if not came and time.monotonic() >= said + SAY_WHY_AFTER:
                said = time.monotonic()
                why = await self._why(names, logs=False)
                if (text := f"Still waiting for the workers: {'; '.join(why) or 'pods are starting'}") != last:
                    say(text)
                    last = text

    async def _why(self, names: list[str], *, logs: bool) -> list[str]:
        from .reasons import reasons

        try:
            return await reasons(self._kubectl, self._job, names, logs=logs)
        except JobError as error:
            return [str(error)]

    async def _give_up(self, names: list[str]) -> None:
        why = await self._why(names, logs=True)
        raise OutOfTimeError("\n  ".join(["The workers were not ready in time:", *(why or ["no reason is known"])]))
