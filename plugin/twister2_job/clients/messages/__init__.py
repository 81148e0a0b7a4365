"""Turns the error output of Helm and kubectl into this package's errors: one sentence with the remedy.

The rules, of which there are many, are imported only when a program has failed.
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
    """Return the error for a program that failed.

    Args:
        stderr: Its error output.
        tool: The program: `helm` or `kubectl`.
        step: What it was asked to do; None means a change.
        chart: Path of the chart in use: Helm's messages name its file in the same way as a values file.
        kubeconfig: Path of the kubeconfig that the user chose, if any.
    """
    return classify(stderr, tool, step, chart=chart, kubeconfig=kubeconfig).error


def classify(stderr: str, tool: str, step: Step | None = None, *, chart: str = "", kubeconfig: str = "") -> Verdict:
    """Return the error as `translate` does, with the name of the rule that matched; empty if none did."""
    from . import classifier

    return classifier.classify(stderr, tool, step, chart=chart, kubeconfig=kubeconfig)


def own_words(stderr: str) -> str:
    """Return a program's own message without log lines, headers and repeated texts; further lines are indented."""
    from .text import own_words

    return own_words(stderr)


def log_command(log: logging.Logger, argv: Sequence[str]) -> None:
    """Log a command that is about to be run, in a form to paste into a shell; its standard input is never logged.

    Args:
        log: The logger.
        argv: The command.
    """
    if log.isEnabledFor(logging.DEBUG):
        from .text import shown

        log.debug("run: %s", shown(argv))
