"""Reads of a job's further kinds of objects, such as Ingresses, which an annotation of its headless Service names.

A cluster need not serve such a kind, and kubectl fails for all kinds if it lacks one. So each kind is read on its own,
and only for a job that has it: all others start no more processes than they need for Services, pods and nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import JobError, LoginError, NoClusterError, NoRightsError
from .children import Result
from .resources import Cluster, Read, path_of

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


def extended(cluster: Cluster, wanted: Sequence[Further], results: Sequence[Result], kubeconfig: str = "") -> Cluster:
    """Return a job's objects together with those of further kinds.

    What can't be read is left out, and a sentence tells it: one kind that fails, such as the user's own Gateway, takes
    no other address away. None tells of a single object that isn't there or that the user may not read: its way does.

    Args:
        cluster: The objects so far.
        wanted: The reads.
        results: The result of kubectl for each.
        kubeconfig: Path of the kubeconfig that the user chose, if any.

    Raises:
        JobError: The API server can't be reached, or refuses the login.
    """
    objects, others, unread = [*cluster.objects], [*cluster.others], [*cluster.unread]
    for one, result in zip(wanted, results, strict=True):
        try:
            found = one.read.objects(result, kubeconfig) or []
        except JobError as error:
            # An API server that answers can be reached, even if it can't reach another server.
            lost = isinstance(error, NoClusterError) and _ANSWERED not in result.err
            if lost or isinstance(error, LoginError):
                raise
            if sentence := _unread(one, error, result.err):
                unread.append(sentence)
            continue
        if one.own:
            objects += found
        else:
            others += found
    return Cluster(objects, cluster.nodes, others, unread)


def _unread(one: Further, error: JobError, said: str) -> str:
    """Return the sentence for what can't be read; empty for a single object that is absent or forbidden."""
    from .messages.text import own_words, short

    if not one.own and (isinstance(error, NoRightsError) or _NOT_SERVED in said or _ABSENT in said):
        return ""
    why = short(own_words(said).rstrip("."), 300)
    if isinstance(error, NoRightsError):
        why = "you may not list them"
    elif _NOT_SERVED in said:
        why = f"this cluster does not serve {one.entry.rpartition('/')[0]}"
    if one.own:
        plural = one.entry.rpartition("/")[2]
        return f"The job's {plural} can't be read, so their addresses are missing: {why}."
    *_, namespace, _, name = one.entry.split("/")
    return f"{one.read.kind} {namespace}/{name} can't be read, so what it tells of addresses is missing: {why}."
