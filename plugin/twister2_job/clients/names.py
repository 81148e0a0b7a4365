"""Names that a cluster or a kubeconfig has, for completion: read without asyncio, and none where they can't be read."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import JobError
from . import resources
from .connection import Connection, find_kubectl
from .process_sync import running

LIMIT = 3.0
"""Seconds that a user waits for a completion at most."""


def contexts(connection: Connection) -> list[str]:
    """Return the contexts of the kubeconfig."""
    return _words(connection, ("config", "get-contexts", "-o", "name"), namespaced=False)


def namespaces(connection: Connection) -> list[str]:
    """Return the namespaces of the cluster; none without the right to list them."""
    found = _words(connection, ("get", "namespaces", "-o", "name"), namespaced=False)
    return [name.rpartition("/")[2] for name in found]


def jobs(connection: Connection) -> list[str]:
    """Return the names of the jobs of a namespace: of all StatefulSets, since Services may be thousands."""
    chosen = ("-l", resources.ANY_JOB, "-o", f"jsonpath={{.items[*].metadata.labels.{resources.JOB_LABEL}}}")
    return sorted(set(_words(connection, ("get", "statefulsets", *chosen))))


def _words(connection: Connection, arguments: Sequence[str], *, namespaced: bool = True) -> list[str]:
    """Return the words that kubectl prints; none if it fails."""
    try:
        connection.check()
        argv = [find_kubectl(), *arguments, *connection.kubectl_arguments(namespaced=namespaced)]
        with connection.kubectl_environment() as own:
            env = resources.short_lived(own.env)
            with running([argv], env=env, timeout=LIMIT, pass_fds=own.descriptors) as finish:
                (result,) = finish()
    except (JobError, OSError):  # A TimeoutError is an OSError.
        return []
    return [] if result.code else result.out.split()
