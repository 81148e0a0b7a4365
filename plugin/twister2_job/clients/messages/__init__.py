"""Turns what Helm and kubectl print on failing into this package's errors: one sentence with the remedy.

The rules are read when the first program has failed, and not before: there are many of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import JobError
from .step import Step

if TYPE_CHECKING:
    from .rules import Verdict

__all__ = ["Step", "classify", "log_command", "own_words", "translate"]


def translate(stderr: str, tool: str, step: Step | None = None, *, chart: str = "", kubeconfig: str = "") -> JobError:
    """Return the error for what a program printed on failing.

    Args:
        stderr: What it printed.
        tool: Who: `helm` or `kubectl`.
        step: What it was doing; None means whatever may be changed.
        chart: Path of the chart in use: Helm speaks of its file as it does of a values file.
        kubeconfig: Path of the kubeconfig that the user chose, if one.
    """
    return classify(stderr, tool, step, chart=chart, kubeconfig=kubeconfig).error


def classify(stderr: str, tool: str, step: Step | None = None, *, chart: str = "", kubeconfig: str = "") -> Verdict:
    """Return the error as `translate` does, and the name of the rule that found it: empty if none did."""
    from . import classifier

    return classifier.classify(stderr, tool, step, chart=chart, kubeconfig=kubeconfig)


def own_words(stderr: str) -> str:
    """Return a program's own message, without log lines, headers and doubled texts; more lines are indented."""
    from .text import own_words

    return own_words(stderr)


def log_command(log: logging.Logger, argv: Sequence[str]) -> None:
    """Log a command that is about to be run, as one can paste it into a shell; never its standard input.

    Args:
        log: The logger.
        argv: The command.
    """
    if log.isEnabledFor(logging.DEBUG):
        from .text import shown

        log.debug("run: %s", shown(argv))
