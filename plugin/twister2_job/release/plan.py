"""Reads what an upgrade needs before anything is changed: the present release, and what Helm would render."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..clients.helm import Revision
from ..errors import JobNotFoundError
from ..exposure.workers import Object
from .live import current
from .operation import Request, Tools

KEEP = "--reset-then-reuse-values"
RESET = ("--reset-values", "--reuse-values", KEEP)
"""Helm's options that decide which values of the release an upgrade keeps."""


@dataclass(frozen=True)
class Prepared:
    """The data that an upgrade works with.

    Attributes:
        history: The release's revisions; none if there is no release.
        live: The job's objects in the cluster.
        rendered: The objects that Helm would make of the request.
        values: The values of the release that the request keeps; None if it keeps none.
        arguments: Helm's options for the upgrade.
        given: The values for Helm's standard input in the upgrade.
        manifest: The rendered objects of the revision that the upgrade builds on.
        by_server: Whether the API server applied that revision, and so records the manager of each field.
    """

    history: list[Revision]
    live: Sequence[Object]
    rendered: list[dict[str, Any]]
    values: dict[str, Any] | None
    arguments: Sequence[str]
    given: dict[str, Any]
    manifest: Sequence[Object]
    by_server: bool


def keeps_values(request: Request) -> bool:
    """Tell whether an upgrade keeps the release's values: by an option or, as for Helm, because it gives none."""
    reuses = any(a.startswith(("--reuse-values", KEEP)) for a in request.arguments)
    return request.values is None and (reuses or not request.arguments)


def resets_values(request: Request) -> bool:
    """Tell whether an upgrade resets values to the chart's defaults although no option asks for it."""
    asked = any(a.startswith(RESET) for a in request.arguments)
    return request.values is None and bool(request.arguments) and not asked


def to_apply(request: Request, kept: dict[str, Any] | None) -> tuple[Sequence[str], dict[str, Any]]:
    """Return Helm's options and the values for its standard input.

    Kept values go to the standard input too: if Helm kept them itself, a `--set` of one element of a list, of a worker
    group for example, would replace the whole list.
    """
    if kept is None or KEEP not in request.arguments:
        return request.arguments, request.values or {}
    return ["--reset-values", *(a for a in request.arguments if a != KEEP)], kept


async def prepare(tools: Tools, request: Request, chart: Path) -> Prepared:
    """Read all of it, in parallel.

    Raises:
        ValuesError: The chart refuses the values.
        BusyError: Another run works on the release.
        JobError: Helm or the cluster refuses a read.
    """
    tasks: list[asyncio.Future[Any]] = []

    def begin(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        tasks.append(asyncio.ensure_future(work))
        return tasks[-1]

    first = begin(tools.helm.history(request.name))
    rendered = begin(_rendered(tools, request, chart, first))
    history = begin(_once_idle(tools, request.name, first))
    before = begin(_before(tools, request.name, history))
    live = begin(_live(tools, request.name, history))
    try:
        documents, values = await rendered  # Wrong values are reported first, even without a cluster.
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    arguments, given = to_apply(request, values)
    manifest, by_server = before.result()
    return Prepared(history.result(), live.result(), documents, values, arguments, given, manifest, by_server)


async def _once_idle(tools: Tools, name: str, first: asyncio.Future[list[Revision]]) -> list[Revision]:
    return await tools.wait_for_others(name, await asyncio.shield(first))


async def _live(tools: Tools, name: str, history: asyncio.Future[list[Revision]]) -> Sequence[Object]:
    """Return the job's objects in the cluster, read when no other run works on the release."""
    await asyncio.shield(history)
    return (await tools.kubectl.cluster(name, nodes=False)).objects


async def _before(tools: Tools, name: str, history: asyncio.Future[list[Revision]]) -> tuple[Sequence[Object], bool]:
    """Return the objects of the revision that the upgrade builds on, and whether the API server applied it."""
    known = await asyncio.shield(history)
    if not known:
        return [], False
    revision = current(known).number
    found = await asyncio.gather(tools.helm.manifest(name, revision), tools.helm.applied_by_server(name, revision))
    return found[0], found[1]


async def _rendered(
    tools: Tools, request: Request, chart: Path, history: asyncio.Future[list[Revision]]
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Render the chart with the values that the release will have; return the objects and the kept values."""
    options = [a for a in request.arguments if a.partition("=")[0] not in RESET]
    values = request.values
    if keeps_values(request):
        known = await asyncio.shield(history)
        if not known:
            return [], None  # There is nothing to upgrade; the caller says so.
        with contextlib.suppress(JobNotFoundError):
            values = await tools.helm.values(request.name, current(known).number)
    text = json.dumps(values) if values is not None else None
    return await tools.helm.template(request.name, chart, options, upgrade=True, values=text), values
