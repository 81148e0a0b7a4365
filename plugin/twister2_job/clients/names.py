"""Reads names in a cluster or a kubeconfig for completion, without asyncio; if they can't be read, there are none."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import JobError
from . import resources
from .connection import Connection, find_kubectl
from .process_sync import running

LIMIT = 3.0
"""The most seconds that a completion may take."""


def contexts(connection: Connection) -> list[str]:
    """Return the contexts of the kubeconfig."""
    return _words(connection, ("config", "get-contexts", "-o", "name"), namespaced=False)


def namespaces(connection: Connection) -> list[str]:
    """Return the namespaces of the cluster; none without the right to list them."""
    found = _words(connection, ("get", "namespaces", "-o", "name"), namespaced=False)
    return [name.rpartition("/")[2] for name in found]


def jobs(connection: Connection) -> list[str]:
    """Return the names of the jobs in a namespace, read from StatefulSets, since there may be thousands of Services."""
    chosen = ("-l", resources.ANY_JOB, "-o", f"jsonpath={{.items[*].metadata.labels.{resources.JOB_LABEL}}}")
    return sorted(set(_words(connection, ("get", "statefulsets", *chosen))))


def _words(connection: Connection, arguments: Sequence[str], *, namespaced: bool = True) -> list[str]:
    """Return the words that kubectl prints; none if it fails."""
    try:
        connection.check()
        argv = [find_kubectl(), *arguments, *connection.kubectl_arguments(namespaced=namespaced)]
        with connection.kubectl_environment() as inherited:
            env = resources.short_lived(inherited.env)
            with running([argv], env=env, timeout=LIMIT, pass_fds=inherited.descriptors) as finish:
                (result,) = finish()
    except (JobError, OSError):  # A TimeoutError is an OSError.
        return []
    return [] if result.code else result.out.split()
