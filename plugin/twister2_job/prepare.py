"""What is done before a job is changed: everything that can be found out without changing it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import jar
from .errors import BusyError, JobNotFoundError
from .helm import Helm, Revision, current, load_pyhelm3
from .kube import Kubectl
from .wait import Say, Watcher
from .workers import Object, of_kind

PENDING = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
REMNANT_AGE = 10.0
"""Seconds a pending release is given to be finished by whoever works on it, before it counts as a remnant."""
LEFTOVER_AGE = 30.0
"""Seconds that Services of an earlier run of the same name get to disappear."""


@dataclass(frozen=True)
class Request:
    """What to install or upgrade to.

    Attributes:
        name: Name of the job (the Helm release).
        arguments: Helm's own options (`-f FILE`, `--set KEY=VALUE`, ...), in order.
        values: All values of an upgrade, in the place of those that the release has; `arguments` override them.
        chart: Folder or .tgz of another chart; empty means the packaged one.
        timeout: Seconds until the workers must be ready.
        create_namespace: Make the namespace if it is missing.
        rollback_on_failure: Undo also when the time is out.
        force_conflicts: Take over the fields that others have set (Helm 4).
    """

    name: str
    arguments: Sequence[str] = ()
    values: dict[str, Any] | None = None
    chart: str = ""
    timeout: float = 300
    create_namespace: bool = False
    rollback_on_failure: bool = False
    force_conflicts: bool = False


@dataclass(frozen=True)
class Prepared:
    """What was found out: the release's history, its live objects, and what Helm would make of the request.

    `values` are those of the release that the request keeps; None if it keeps none. `arguments` and `given` are Helm's
    options, and the values for its standard input, that make what was rendered. `pieces` are the ConfigMaps with a jar
    that there are before an install.
    """

    client: Any
    history: list[Revision]
    live: Sequence[Object]
    rendered: list[dict[str, Any]]
    values: dict[str, Any] | None
    arguments: Sequence[str]
    given: dict[str, Any]
    watcher: Watcher
    pieces: Sequence[str] = ()

    @property
    def stateful_sets(self) -> list[str]:
        """Return the names of the StatefulSets that the request makes."""
        return [s["metadata"]["name"] for s in of_kind(self.rendered, "StatefulSet")]


KEEP = "--reset-then-reuse-values"


def keeps_values(request: Request) -> bool:
    """Tell whether an upgrade keeps the release's values: by option, or, as Helm does it, when it gives none."""
    reuses = any(a.startswith(("--reuse-values", KEEP)) for a in request.arguments)
    return request.values is None and (reuses or not request.arguments)


def to_apply(request: Request, kept: dict[str, Any] | None) -> tuple[Sequence[str], dict[str, Any]]:
    """Return Helm's options and the values for its standard input.

    Values that are kept go there too: Helm itself would take a list of them for a new one as soon as `--set` names one
    of its elements, and lose all the rest, of a worker group for example.
    """
    if kept is None or KEEP not in request.arguments:
        return request.arguments, request.values or {}
    return ["--reset-values", *(a for a in request.arguments if a != KEEP)], kept


class Preparation:
    """Finds out, side by side, what a request needs to know."""

    def __init__(self, helm: Helm, kubectl: Kubectl, say: Say) -> None:
        """Keep the programs; `say` is told what is waited for."""
        self.helm, self.kubectl, self.say = helm, kubectl, say
        self._waited = False

    @contextlib.asynccontextmanager
    async def of(self, request: Request, path: Path, *, upgrade: bool) -> AsyncIterator[Prepared]:
        """Render, import pyhelm3, read history and live objects; the watcher ends with the block.

        Raises:
            ValuesError: The chart refuses the values.
            JobError: Helm or the cluster refuses to tell.
        """
        tasks: list[asyncio.Future[Any]] = []

        def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
            tasks.append(asyncio.ensure_future(work))
            return tasks[-1]

        begin(asyncio.to_thread(load_pyhelm3, self.helm.path))
        history = begin(self._settled(request.name))
        objects = begin(self.live(request.name) if upgrade else self._without_leftovers(request.name))
        pieces = None if upgrade else begin(jar.present(self.kubectl, request.name))
        rendered = begin(self._rendered(request, path, history, upgrade=upgrade))
        try:
            await rendered  # Wrong values are told first, even without a cluster.
            client, *_ = await asyncio.gather(*tasks)
            live = await self.live(request.name) if self._waited else objects.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        watcher = Watcher(self.kubectl, request.name)
        try:
            documents, values = rendered.result()
            jars = pieces.result() if pieces else []
            arguments, given = to_apply(request, values)
            yield Prepared(client, history.result(), live, documents, values, arguments, given, watcher, jars)
        finally:
            await watcher.close()

    async def _settled(self, name: str) -> list[Revision]:
        """Return the history once nobody works on the release any more, or `REMNANT_AGE` seconds have passed."""
        history = await self.helm.history(name)
        until = time.monotonic() + REMNANT_AGE
        if history and history[-1].status in PENDING:
            self._waited = True
            self.say(f"Release {name} is {history[-1].status}; waiting {REMNANT_AGE:.0f} s for whoever works on it.")
        while history and history[-1].status in PENDING and time.monotonic() < until:
            await asyncio.sleep(1)
            history = await self.helm.history(name)
        return history

    async def live(self, name: str) -> Sequence[Object]:
        """Return the job's objects in the cluster."""
        return (await self.kubectl.cluster(name, nodes=False)).objects

    async def _without_leftovers(self, name: str) -> Sequence[Object]:
        """Wait until no Service of an earlier run is being deleted: an install would adopt it, and then lose it."""
        until = time.monotonic() + LEFTOVER_AGE
        while True:
            services = await self.kubectl.services(name)
            going = [s["metadata"]["name"] for s in services if s["metadata"].get("deletionTimestamp")]
            if not going:
                return services
            if time.monotonic() > until:
                raise BusyError(
                    f"Service {going[0]} of an earlier run is still being deleted.", "Wait, or take another job name."
                )
            await asyncio.sleep(1)

    async def _rendered(
        self, request: Request, path: Path, history: asyncio.Future[list[Revision]], *, upgrade: bool
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Render the chart with the values that the release will have; return the objects and the values kept."""
        reset = ("--reset-values", "--reuse-values", KEEP)
        options = [a for a in request.arguments if a.partition("=")[0] not in reset]
        values = request.values
        if upgrade and keeps_values(request):
            known = await asyncio.shield(history)
            if not known:
                return [], None  # There is nothing to upgrade; the caller says so.
            with contextlib.suppress(JobNotFoundError):
                values = await self.helm.values(request.name, current(known).number)
        text = json.dumps(values) if values is not None else None
        return await self.helm.template(request.name, path, options, upgrade=upgrade, values=text), values
