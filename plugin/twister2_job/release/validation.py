"""Checks made before anything is done: the job's name, and the chart of its release."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..clients.helm import Revision
from ..errors import JobError, JobNotFoundError, NameRefusedError, UsageError, ValuesError
from . import chart as charts
from .operation import Request


def check_name(name: str) -> None:
    """Raise NameRefusedError unless `name` can be the name of the job's Services.

    It needs DNS-1035 and at most 49 characters, since the names of the job's objects are made of it.
    """
    if len(name) > 49:
        raise NameRefusedError(f"The job name {name} has {len(name)} characters.", "Take one of at most 49.")
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise NameRefusedError(
            f"The job name {name!r} can't be the name of a Service.",
            "Start with a letter, use only a-z, 0-9 and -, and don't end with -.",
        )


def check_chart_of(name: str, history: Sequence[Revision]) -> None:
    """Raise JobNotFoundError if the release is of another chart: this package must not change it."""
    if history and not re.fullmatch(rf"{charts.NAME}-\d.*", history[-1].chart):
        raise JobNotFoundError(
            f"The release {name} is of the chart {history[-1].chart}, not a Twister2 job.", "Take another name."
        )


def check_same_chart(name: str, history: Sequence[Revision], chart: str) -> None:
    """Raise UsageError if an upgrade with the packaged chart would change the version of the release's chart.

    Args:
        name: Name of the job.
        history: The release's history.
        chart: The chart that the user chose; with one, nothing is checked.
    """
    check_chart_of(name, history)
    own = f"{charts.NAME}-{charts.version(charts.packaged())}"
    if history and not chart and history[-1].chart != own:
        raise UsageError(
            f"The job {name} was made with the chart {history[-1].chart}, and this command brings {own}.",
            f"`twister2-job upgrade {name}` first, or give --chart.",
        )


def reuse_hint(error: JobError, request: Request) -> JobError:
    """Return the error of an upgrade; if the schema may have refused it because of --reuse-values, with that remedy."""
    if isinstance(error, ValuesError) and "--reuse-values" in request.arguments:
        why = "The option --reuse-values keeps the defaults of the old chart too, which may lack new values"
        return ValuesError(error.message, f"{why}; use --reset-then-reuse-values.")
    return error
