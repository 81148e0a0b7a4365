"""Prints addresses in the chosen form."""

from __future__ import annotations

import argparse

from ..errors import JobError, NotExposedError, PendingError
from .suggestions import completed, say

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported before kubectl runs.
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..exposure.model import Address, JobAddresses


def print_addresses(report: JobAddresses, arguments: argparse.Namespace) -> None:
    """Print addresses in the chosen form; raise an error if it lists only available ones and there are none."""
    from . import output

    worker, port = getattr(arguments, "worker", None), getattr(arguments, "port", "")
    first, form = getattr(arguments, "first", False), arguments.output
    for warning in report.warnings:
        say(warning)
    if form in ("json", "yaml"):
        print(output.structured(output.narrowed(report, worker=worker, port=port).to_dict(), form))
        return
    if form == "table" and worker is None and not port and not first:
        print(completed(output.addresses_table(report)))
        return
    if form == "env":
        print(output.addresses_env(report))
        return
    found = output.narrowed(report, worker=worker, port=port).all()
    usable = [output.shown(a) for a in found if a.state == "available" and a.address]
    if not usable:
        raise _none_available(report, worker, port, found)
    print("\n".join(usable[:1] if first or worker is not None else usable))


def _none_available(report: JobAddresses, worker: int | None, port: str, found: Sequence[Address]) -> JobError:
    """Return the error for addresses of which none is available: about one that may still come, if there is any.

    Args:
        report: The report.
        worker: The worker that is asked for, if any.
        port: The port that is asked for; may be empty.
        found: The addresses.
    """
    from ..exposure.gateway import UNKNOWN
    from ..exposure.model import CLOSED
    from ..exposure.unread import unknown

    job = report.job
    exists = worker is None or worker in [one.id for one in report.workers]
    hidden = unknown(job, report.unread) if exists else None
    ranks = [0 if a.state == "pending" else 2 if a.state == "failed" else 3 if a.reason == CLOSED else 1 for a in found]
    order = sorted(zip(ranks, found, strict=True), key=lambda one: (one[0], UNKNOWN in one[1].reason))
    if hidden and (not order or order[0][0]):
        return hidden
    if not order:
        return _no_address(report, worker, port)
    rank, first = order[0]
    said = f"Job {job}: {first.state}, {first.reason}."
    if rank == 0:
        return PendingError(said, remedy(job, first) or "Try again in a moment.")
    if rank == 1:
        return PendingError(said, f"It comes with its worker: `twister2-job status {job}` shows those that run.")
    if rank == 2:
        return NotExposedError(said, remedy(job, first))
    closed = next((w.id for w in report.workers if first in w.addresses), worker)
    key = f"perWorker.overrides.{closed}.closed"
    opening = f"`twister2-job upgrade {job} --reset-then-reuse-values --set {key}=false` opens it."
    return NotExposedError(f"Job {job}: the values close worker {closed} ({key}).", opening)


def remedy(job: str, address: Address) -> str:
    """Return what to do about an address that doesn't come by itself; empty if it may."""
    from ..exposure.gateway import UNKNOWN

    if UNKNOWN in address.reason:
        value = address.reason.rpartition("; set ")[2]
        return f"An upgrade that sets {value}, or the right to read the Gateway (docs/gateway.md), makes it known."
    if address.state == "failed":
        return f"When the cause is mended, `twister2-job address {job}` says so."
    return ""


def _no_address(report: JobAddresses, worker: int | None, port: str) -> NotExposedError:
    """Return the error for a job, worker or port without an address; its hint says how to expose it."""
    from ..exposure.model import exposing

    job, ids = report.job, [one.id for one in report.workers]
    if worker is not None and worker not in ids:
        has = f"It has the workers {ids[0]} to {ids[-1]}." if ids else "It has no workers."
        return NotExposedError(f"The job {job} has no worker {worker}.", has)
    whose = job if worker is None else f"worker {worker} of {job}"
    hints = []
    if report.all():
        hints.append(f"`twister2-job address {job}` shows what is exposed.")
    if worker is None:
        hints += [] if report.all() else [f"{exposing(job)} exposes the job."]
    elif any(one.addresses for one in report.workers):
        hints.append("`perWorker.ports` and `perWorker.count` say which ports of which workers are.")
    else:
        hints.append(f"{exposing(job, 'perWorker')} gives each worker an address of its own.")
    what = f"port {port} of {whose}" if port else whose
    return NotExposedError(f"There is no address of {what} outside the cluster.", " ".join(hints))


def is_exposed(report: JobAddresses) -> bool:
    """Tell whether an address of the job is available."""
    return any(a.state == "available" and a.address for a in report.all())
