"""Prints addresses in the chosen form."""

from __future__ import annotations

import argparse

from ..errors import NotExposedError, PendingError
from .suggestions import completed, say

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported before kubectl runs.
if TYPE_CHECKING:
    from ..exposure.model import JobAddresses


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
    if not found:
        raise _no_address(report, worker, port)
    if not usable:
        raise PendingError(f"Job {report.job}: {found[0].state}, {found[0].reason}.", "Try again in a moment.")
    print("\n".join(usable[:1] if first or worker is not None else usable))


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
