"""Starts the first programs of an install before asyncio is imported, which takes as long as they run."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence

from ..clients import prestarted
from ..clients.children import CAN_SPAWN
from ..clients.connection import Connection, find_helm, find_kubectl
from ..clients.manifests import template_words
from ..clients.resources import presence_words, short_lived
from ..errors import JobError

SMALL = 2**20
"""Bytes of the largest values file for which Helm is started ahead; a larger one may be refused later."""
_ASKS_NOTHING = re.compile(r"(nodePort\.enabled=(true|false)|instances=[1-9][0-9]{0,2})")
_PLAIN = ("--set", "--set-string", "--set-json", "--set-literal")


def begin(connection: Connection, name: str, options: Sequence[str], chart: str) -> None:
    """Start looking for the job in the cluster and rendering the chart; the code that reads the results reports errors.

    Args:
        connection: Cluster and namespace.
        name: Name of the job.
        options: Helm's value options, as the user gave them.
        chart: Path of another chart; empty means the packaged one.
    """
    if not CAN_SPAWN or os.environ.get("HELM_KUBETOKEN") or not name[:1].isalpha():
        return  # A token is passed by a descriptor, which is closed with the command that opened it.
    with contextlib.suppress(JobError, OSError):
        from ..clients.environment import of_helm, of_kubectl

        connection.check()
        look = [find_kubectl(), *presence_words(name), *connection.kubectl_arguments()]
        prestarted.start(look, short_lived(of_kubectl()))
        if not rendered_by_install(options, chart) and _readable_again(options):
            from .chart import find

            words = template_words(name, str(find(chart)), options)
            prestarted.start([find_helm(), *words, *connection.helm_arguments()], short_lived(of_helm()))


def rendered_by_install(options: Sequence[str], chart: str) -> bool:
    """Tell whether an install with these options needs no rendering before that of Helm's own install.

    Without a fixed node port, a second Service or a volume claim the cluster is asked for nothing that it may lack, and
    Helm refuses wrong values before it makes anything; so a rendering for us alone would only take time.

    Args:
        options: Helm's value options, as the user gave them.
        chart: Path of another chart; empty means the packaged one, whose values these are.
    """
    if not options:
        return True
    if chart or len(options) != 2 or options[0] != "--set":
        return False
    return all(_ASKS_NOTHING.fullmatch(part) for part in options[1].split(","))


def _readable_again(options: Iterable[str]) -> bool:
    """Tell whether value options name only small ordinary files, which can be read several times."""
    words = iter(options)
    for option in words:
        value = next(words, "")
        if option in ("-f", "--values"):
            if not os.path.isfile(value) or os.path.getsize(value) > SMALL or value.startswith(("/dev/", "/proc/")):
                return False
        elif option not in _PLAIN:
            return False
    return True
