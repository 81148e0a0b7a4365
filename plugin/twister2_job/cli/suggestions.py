"""Messages, whose suggested commands work as they are: in the namespace and cluster of this very command."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported before a program runs.
if TYPE_CHECKING:
    import argparse

    from ..clients.connection import Connection

_OPTIONS = {
    "twister2-job": ("--namespace", "--kube-context", "--kubeconfig"),
    "helm": ("--namespace", "--kube-context", "--kubeconfig"),
    "kubectl": ("--namespace", "--context", "--kubeconfig"),
}
"""The options for namespace, context and kubeconfig of each program that messages suggest."""

_given: argparse.Namespace | None = None


def remember(arguments: argparse.Namespace) -> None:
    """Remember the parsed command line for `completed`: messages come from everywhere, and a program has one."""
    global _given
    _given = arguments


def say(text: str) -> None:
    """Print a message, which is not part of the result, to standard error."""
    print(f"twister2-job: {completed(text)}", file=sys.stderr, flush=True)


def completed(text: str) -> str:
    """Return a message, whose commands in backquotes get the options that lead to the same cluster and namespace.

    `twister2-job` becomes `helm twister2-job` or `kubectl twister2-job` if this program was started like that, since it
    need not be on PATH then.
    """
    if "`" not in text or _given is None:
        return text
    import re

    from ..clients.connection import Connection

    chosen = Connection.chosen(_given.namespace, _given.kube_context, _given.kubeconfig)
    return re.sub(
        r"`((?:twister2-job|helm|kubectl) [^`\n]+)`", lambda found: f"`{_with_options(found[1], chosen)}`", text
    )


def _with_options(command: str, chosen: Connection) -> str:
    import shlex

    program, *words = command.split(" ")
    namespace, context, kubeconfig = _OPTIONS[program]
    options = [(namespace, chosen.namespace), (context, chosen.context), (kubeconfig, chosen.kubeconfig)]
    of_namespaces = program == "kubectl" and words[1:2] == ["namespace"]  # That kind is in no namespace itself.
    if of_namespaces or {"-n", "--namespace"} & set(words):
        del options[0]
    if program == "kubectl" and words[0] == "config":  # It speaks of the kubeconfig alone.
        options = options[-1:]
    added = [f"{option} {shlex.quote(value)}" for option, value in options if value]
    return " ".join([_program() if program == "twister2-job" else program, *words, *added])


def _program() -> str:
    """Return how this program was started. Source of the variable: https://helm.sh/docs/topics/plugins/."""
    if os.environ.get("HELM_PLUGIN_NAME") == "twister2-job":
        return "helm twister2-job"
    return "kubectl twister2-job" if os.path.basename(sys.argv[0]).startswith("kubectl-") else "twister2-job"
