"""Starts the programs with which an install begins before asyncio is imported, which takes as long as they do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from .children import CAN_SPAWN, Child
from .errors import JobError
from .manifests import template_words
from .resources import presence_words, short_lived
from .settings import Connection, find_helm, find_kubectl

if TYPE_CHECKING:
    import argparse

SMALL = 2**20
"""Bytes of a values file that is read ahead; a larger one may be refused."""
_PLAIN = ("--set", "--set-string", "--set-json", "--set-literal")
_started: dict[tuple[str, ...], Child] = {}


def install(arguments: argparse.Namespace) -> None:
    """Start the look at the cluster and the rendering of the chart; what is wrong is told by who asks for them."""
    if not CAN_SPAWN or os.environ.get("HELM_KUBETOKEN") or not arguments.name[:1].isalpha():
        return  # A token is handed on by a descriptor, which goes with its command.
    connection = Connection.chosen(arguments.namespace, arguments.kube_context, arguments.kubeconfig)
    with contextlib.suppress(JobError, OSError):
        from .environment import of_helm, of_kubectl

        connection.check()
        look = [find_kubectl(), *presence_words(arguments.name), *connection.kubectl_arguments()]
        _start(look, short_lived(of_kubectl()))
        if arguments.arguments and _stored(arguments.arguments):
            from .chart import find

            words = template_words(arguments.name, str(find(arguments.chart)), arguments.arguments)
            _start([find_helm(), *words, *connection.helm_arguments()], short_lived(of_helm()))


def _start(argv: Sequence[str], env: Mapping[str, str]) -> None:
    _started[tuple(argv)] = Child(argv, env=env)


def _stored(options: Iterable[str]) -> bool:
    """Tell whether value options name nothing but small files, which can be read as often as one likes."""
    words = iter(options)
    for option in words:
        value = next(words, "")
        if option in ("-f", "--values"):
            if not os.path.isfile(value) or os.path.getsize(value) > SMALL or value.startswith(("/dev/", "/proc/")):
                return False
        elif option not in _PLAIN:
            return False
    return True


def taken(argv: Sequence[str]) -> Child | None:
    """Return the program if it was started with these words; it is the caller's from now on."""
    return _started.pop(tuple(argv), None)


def end() -> None:
    """End what was started and that nobody has taken."""
    while _started:
        _, child = _started.popitem()
        child.kill()
        child.close()
