"""Reads of a job's further kinds of objects, such as Ingresses, which an annotation of its headless Service names.

A cluster need not serve such a kind, and kubectl fails for all kinds if it lacks one. So each kind is read on its own,
and only for a job that has it: all others start no more processes than they need for Services, pods and nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import JobError, KubectlMissingError, LoginError, NoClusterError, NoRightsError
from .children import Result
from .resources import Cluster, Read, Unread, path_of

ANNOTATION = "twister2-job/reads"
"""What to read, separated by commas: GROUP/VERSION/PLURAL of the job's own, GROUP/VERSION/namespaces/NAMESPACE/
PLURAL/NAME of a single object that is not the job's."""
KINDS = {
    "ingresses": "Ingress",
    "httproutes": "HTTPRoute",
    "grpcroutes": "GRPCRoute",
    "tlsroutes": "TLSRoute",
    "tcproutes": "TCPRoute",
    "udproutes": "UDPRoute",
    "listenersets": "ListenerSet",
    "gateways": "Gateway",
}
"""Kinds by the plural that is in a path."""
PAUSE = 1.0
"""Seconds after which a read that failed for a fault of the API server is tried once more."""
_ENTRY = re.compile(r"[a-z0-9.-]+/[a-z0-9]+/(?:namespaces/[a-z0-9-]+/([a-z]+)/[a-z0-9.-]+|([a-z]+))")
_NOT_SERVED = "could not find the requested resource"
_ABSENT = "(NotFound)"
_ANSWERED = "Error from server"


class Further(NamedTuple):
    """One read.

    Attributes:
        entry: Its part of the annotation.
        read: The read itself.
        own: Whether the objects are the job's; otherwise it is a single object.
    """

    entry: str
    read: Read
    own: bool


def entries(objects: Iterable[Mapping[str, Any]], job: str) -> tuple[str, ...]:
    """Return the parts of the annotation that this version knows how to read.

    Args:
        objects: The job's Services, at least.
        job: Name of the job.
    """
    headless = [o for o in objects if o.get("kind") == "Service" and o["metadata"]["name"] == job]
    notes = (headless[0]["metadata"].get("annotations") or {}) if headless else {}
    found = []
    for entry in str(notes.get(ANNOTATION, "")).split(","):
        known = _ENTRY.fullmatch(entry)
        if known and (known[1] or known[2]) in KINDS:
            found.append(entry)
    return tuple(dict.fromkeys(found))


def further(objects: Sequence[Mapping[str, Any]], job: str) -> list[Further]:
    """Return the reads that are still to do when a job's Services are read; none for most jobs."""
    namespace = str(objects[0]["metadata"].get("namespace", "")) if objects else ""
    found = []
    for entry in entries(objects, job):
        single = "/namespaces/" in entry
        path = f"/apis/{entry}" if single else path_of(entry, namespace, job)
        kind = KINDS[entry.split("/")[-2 if single else -1]]
        found.append(Further(entry, Read(("get", "--raw", path), kind, single), not single))
    return found


def passing(wanted: Sequence[Further], results: Sequence[Result], kubeconfig: str = "") -> list[int]:
    """Return which reads failed for a fault that may be over after a `PAUSE`, by their index.

    The arguments are as for `extended`.
    """
    return [
        index
        for index, (one, result) in enumerate(zip(wanted, results, strict=True))
        if result.code and _may_pass(one, _error(one, result, kubeconfig), result.err)
    ]


def extended(cluster: Cluster, wanted: Sequence[Further], results: Sequence[Result], kubeconfig: str = "") -> Cluster:
    """Return a job's objects together with those of further kinds.

    What the user may not read, or the cluster doesn't serve, is left out and noted as unread: no other address is
    missing for it. So is a single object, such as the user's own Gateway, at which the API server fails; of one that
    isn't there or that the user may not read its way tells. A fault at a kind of the job's own is an error, as for
    Services: with the kind left out, good addresses would count as gone.

    Args:
        cluster: The objects so far.
        wanted: The reads.
        results: The result of kubectl for each.
        kubeconfig: Path of the kubeconfig that the user chose, if any.

    Raises:
        JobError: The API server can't be reached, refuses the login, or fails at a kind of the job's own.
    """
    objects, others, unread = [*cluster.objects], [*cluster.others], [*cluster.unread]
    for one, result in zip(wanted, results, strict=True):
        if result.code:
            error = _error(one, result, kubeconfig)
            if _unreachable(error, result.err):
                raise error
            unread += _unread(one, error, result.err)
            continue
        found = one.read.objects(result, kubeconfig) or []
        if one.own:
            objects += found
        else:
            others += found
    return Cluster(objects, cluster.nodes, others, unread)


def _error(one: Further, result: Result, kubeconfig: str) -> JobError:
    """Return the error of a read that failed."""
    try:
        one.read.objects(result, kubeconfig)
    except JobError as error:
        return error
    raise AssertionError(f"kubectl failed to read {one.entry}, and there is no error.")


def _unreachable(error: JobError, said: str) -> bool:
    """Tell whether no read can work: an API server that answers can be reached, even if it can't reach another one."""
    return isinstance(error, LoginError) or (isinstance(error, NoClusterError) and _ANSWERED not in said)


def _may_pass(one: Further, error: JobError, said: str) -> bool:
    """Tell whether a read failed for a fault of the API server, and not for what it was asked."""
    lasting = isinstance(error, NoRightsError) or _NOT_SERVED in said or (not one.own and _ABSENT in said)
    return not lasting and not _unreachable(error, said)


def _unread(one: Further, error: JobError, said: str) -> list[Unread]:
    """Return what can't be read; nothing for a single object that is absent or forbidden.

    Raises:
        JobError: The API server fails at a kind of the job's own.
    """
    from .messages.text import own_words, short

    fault = _may_pass(one, error, said)
    if not one.own and not fault:
        return []
    why = short(own_words(said).rstrip("."), 300)
    if not one.own:
        *_, namespace, _, name = one.entry.split("/")
        return [Unread(f"{one.read.kind} {namespace}/{name}", "what it tells of addresses is missing", why)]
    version, _, plural = one.entry.rpartition("/")
    if fault and isinstance(error, KubectlMissingError):
        raise error
    if fault:
        again = "Try again in a moment; if it stays, ask whoever runs the cluster."
        raise NoClusterError(f"The job's {plural} can't be read: {why}.", again)
    if isinstance(error, NoRightsError):
        why = "you may not list them"
        hint = "Ask for the right to list them: the Role in docs/wrapper.md has it."
    else:
        why = f"this cluster does not serve {version}"
        hint = f"`kubectl api-versions` shows what it serves; the CRDs of {version} are missing, or older."
    return [Unread(f"The job's {plural}", "their addresses are missing", why, hint, plural)]
