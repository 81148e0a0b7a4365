"""Pins the node ports of a job: stores the numbers that Kubernetes gave its Services as values of its release."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..clients.input_file import descriptor
from ..errors import NotExposedError, OutOfTimeError, UsageError
from ..exposure.model import JobAddresses, exposing
from ..exposure.ways import EXPOSURE, WORKER
from ..exposure.workers import Object, number, of_kind, table
from .live import live_release

if TYPE_CHECKING:
    from ..clients.connection import Connection
    from .operation import Request, Say

HEADER = "# Written by `twister2-job pin`: the node ports of job"
Values = dict[str, Any]
Upgrade = Callable[["Request"], Awaitable[JobAddresses]]
"""Upgrades the job, and returns its addresses."""


def live_numbers(objects: Sequence[Object]) -> Values:
    """Return, as values, the node ports of the job's live Services; empty if it has none.

    Args:
        objects: The job's Services; other kinds are ignored.
    """
    shared: dict[str, int] = {}
    own: dict[str, Values] = {}
    kind = "NodePort"
    for service in of_kind(objects, "Service"):
        labels = service["metadata"].get("labels") or {}
        listed = service["spec"].get("ports") or []
        ports = {port.get("name") or "worker": port["nodePort"] for port in listed if port.get("nodePort")}
        if EXPOSURE not in labels or not ports:
            continue
        if labels.get(WORKER) is not None:
            own[labels[WORKER]] = {"nodePorts": ports}
            kind = service["spec"].get("type", kind)
        elif labels[EXPOSURE] == "nodePort":  # A shared load balancer's node ports can't be chosen.
            shared = ports
    values: Values = {}
    if shared:
        values["nodePort"] = {"enabled": True, "port": 0, "nodePorts": shared}
    if own:
        ordered = {worker: own[worker] for worker in sorted(own, key=number)}
        values["perWorker"] = {"enabled": True, "type": kind, "count": len(own), "overrides": ordered}
    return values


def merged(base: Values, more: Values) -> Values:
    """Return `base` with `more` merged into it, mapping by mapping, as Helm merges values."""
    result = copy.deepcopy(base)
    for key, value in more.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def unpinned(values: Values, workers: int) -> Values:
    """Return `values` without any node port number.

    Args:
        values: The user's values of the release.
        workers: Number of workers; a `perWorker.count` of this number is removed too, since 0 means the same.
    """
    result = copy.deepcopy(values)
    for block, keys in (("nodePort", ("port", "nodePorts")), ("perWorker", ("nodePortBase",))):
        for key in keys:
            (result.get(block) or {}).pop(key, None)
    own = result.get("perWorker") or {}
    for override in (own.get("overrides") or {}).values():
        override.pop("nodePorts", None)
    if "overrides" in own:
        own["overrides"] = {worker: override for worker, override in own["overrides"].items() if override}
    if own.get("count") == workers:
        del own["count"]
    return result


def require_numbers(job: str, values: Values) -> None:
    """Raise NotExposedError when there is nothing to pin."""
    if not values:
        raise NotExposedError(
            f"The job {job} has no node port to pin.",
            f"{exposing(job)} (or perWorker.enabled=true) opens some.",
        )


def check_file(path: Path, job: str) -> None:
    """Raise UsageError unless `path` can be written and nothing in it would be lost, such as another job's ports."""
    other, first = "Choose another --file.", f"{HEADER} {job}\n".encode()
    try:
        there = None if str(path) == "-" else os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        there = None
    except OSError as error:
        raise UsageError(f"The ports file {path} can't be made: {error.strerror}.", other) from None
    if str(path) == "-" or descriptor(str(path)) is not None or (there and not stat.S_ISREG(there.st_mode)):
        kind = "a folder" if there and stat.S_ISDIR(there.st_mode) else "a device or a pipe, and keeps nothing"
        raise UsageError(f"The ports file {path} is {kind}.", other)
    if there:
        try:
            with path.open("rb") as file:
                ours = file.read(len(first)) == first  # Not the whole file: it may be large.
        except OSError as error:
            raise UsageError(f"The ports file {path} can't be read: {error.strerror}.", other) from None
        if not ours:
            raise UsageError(
                f"{path} exists and is not of `twister2-job pin {job}`.", "Move it away, or choose another --file."
            )
        if not os.access(path, os.W_OK):
            raise UsageError(f"The ports file {path} can't be written to.", other)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}.", other)
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The folder {folder} can't be written to.", other)


def write_file(path: Path, job: str, values: Values) -> None:
    """Write the numbers as a values file for a later install of the job."""
    import yaml

    use = f"# A later install gets them again with: twister2-job install {job} -f ... -f {path.name}\n"
    path.write_text(f"{HEADER} {job}\n{use}{yaml.safe_dump(values, sort_keys=False)}")


def changed(request: Request, values: Values) -> Request:
    """Return the request for an upgrade that replaces all values of the release by these."""
    return replace(request, arguments=["--reset-values"], values=values)


async def pin(connection: Connection, request: Request, upgrade: Upgrade, say: Say, *, file: str) -> JobAddresses:
    """Store the live node ports in the values of the release; see `AsyncJob.pin`."""
    name = request.name
    live = await live_release(connection, name, request.chart)
    numbers = live_numbers(live.objects)
    require_numbers(name, numbers)
    if file:
        check_file(Path(file), name)
    late: OutOfTimeError | None = None
    try:
        report = await upgrade(changed(request, merged(live.values, numbers)))
    except OutOfTimeError as error:  # The workers are late, but the release has the numbers already.
        if request.rollback_on_failure:
            raise
        late = error
    if file:
        write_file(Path(file), name, numbers)
        say(f"the node ports are in {file}")
    if late:
        raise late
    return report


async def unpin(connection: Connection, request: Request, upgrade: Upgrade) -> JobAddresses:
    """Remove all fixed node ports from the release's values; see `AsyncJob.unpin`."""
    live = await live_release(connection, request.name, request.chart)
    values = unpinned(live.values, len(table(live.objects)))
    return await upgrade(changed(request, values))
