"""Answers of the API server in messages of Helm and kubectl: rights, quotas, rules of the cluster, ports, objects."""

from __future__ import annotations

import re

from ...errors import (
    BusyError,
    JobError,
    NamespaceMissingError,
    PortRangeError,
    PortTakenError,
    RefusedError,
)
from . import conflicts, forbidden
from .access import TROUBLE
from .forbidden import RULES_OF_THE_CLUSTER, first_line, policy
from .rules import Found, Verdict, first, outermost, rule, text_after
from .text import short

_TAKEN = re.compile(r"(?:nodePort: Invalid value: |HealthCheck NodePort )(\d+): provided port is already allocated")
_RANGE = re.compile(r"nodePort: Invalid value: (\d+): provided port is not in the valid range[^\d]*([\d-]*)")


_FORBIDDEN = re.compile(
    r'(?:([^\s"]{1,80})(?: "([^"]*)")? is forbidden|\bforbidden)(?:: |\s*\Z)'
    r'|(?=User "[^"]*" cannot \S+ (?:resource|path) ")'
)
_INVALID = re.compile(r"([^\s\"]{1,80}) \"([^\"]*)\" is invalid: ([^\n]*)")


def _denied(found: Found) -> JobError:
    said = text_after(found).removeprefix("without explanation")
    return RefusedError(
        f"The admission webhook {found[1]} of the cluster refuses it: {first_line(said)}", RULES_OF_THE_CLUSTER
    )


def _webhook_silent(found: Found) -> JobError:
    why = text_after(found).removeprefix("failed to call webhook: ")
    return RefusedError(
        f"The cluster lets nothing pass that its admission webhook {found[1]} has not seen, and that does not work: "
        f"{first_line(why)}",
        "Try again when it runs; ask whoever runs the cluster.",
    )


def _being_deleted(found: Found) -> JobError:
    kind, name = found[1], found[2]
    if kind == "namespaces":
        return BusyError(f"Namespace {name} is still being deleted.", "Try again when it is gone, or take another one.")
    return BusyError(
        f"The object {kind}/{name} of an earlier run is still being deleted.", "Wait, or take another job name."
    )


def _forbidden(found: Found) -> JobError:
    return _why_forbidden(found).error


def _why_forbidden(found: Found) -> Verdict:
    return forbidden.classify(text_after(found), " ".join(filter(None, found.groups())))


def _invalid(found: Found) -> JobError:
    """Return the error for an invalid object; for node ports of several Services it has all of them."""
    text = found.string
    if verdict := first(PORTS, text):
        return verdict.error
    if found[2].startswith("sh.helm.release."):
        return _too_large(found)
    problems = [f"{kind.partition('.')[0]} {name}: {short(why, 300)}" for kind, name, why in _INVALID.findall(text)]
    if len(problems) == 1:
        return RefusedError(f"Kubernetes refuses {problems[0]}", "Correct the values that this comes from.")
    more = [f"and {len(problems) - 5} objects more"] if len(problems) > 5 else []
    listed = "\n  ".join(["Kubernetes refuses several objects:", *problems[:5], *more])
    return RefusedError(listed, "Correct the values that this comes from.")


def _taken(found: Found) -> JobError:
    taken = sorted(set(_TAKEN.findall(found.string)), key=int)
    one = len(taken) == 1
    return PortTakenError(
        f"Node port{'' if one else 's'} {', '.join(taken)} {'is' if one else 'are'} used by another Service.",
        "Leave the port out to get a free one, or choose another.",
    )


def _port_outside_range(found: Found) -> JobError:
    outside = sorted(set(_RANGE.findall(found.string)), key=lambda one: int(one[0]))
    span, ports = outside[0][1], ", ".join(port for port, _ in outside)
    several = len(outside) > 1
    return PortRangeError(
        f"Node port{'s' if several else ''} {ports} {'are' if several else 'is'} outside the range of "
        f"this cluster{f' ({span})' if span else ''}.",
        "Leave the port out to get a free one, or choose one inside.",
    )


def _no_free_port(found: Found) -> JobError:
    return RefusedError(
        "The cluster has no free node port left.", "Expose fewer workers or ports, or ask for a wider range."
    )


def _no_namespace(found: Found) -> JobError:
    return NamespaceMissingError(f"Namespace {found[1]} doesn't exist.", "Create it, or add --create-namespace.")


def _no_kind(found: Found) -> JobError:
    named = found[1] or found[3]
    return RefusedError(
        f"The cluster doesn't know objects of kind {named} ({found[2] or 'in no version'}).",
        "Install what brings them (its CRDs), or leave them out of the values.",
    )


def _changed_meanwhile(found: Found) -> JobError:
    return BusyError(f"The object {found[1]}/{found[2]} was changed by somebody else meanwhile.", "Try again.")


def _of_other_release(found: Found) -> JobError:
    return RefusedError(
        f"{found[1]} {found[2]}{f' in namespace {found[3]}' if found[3] else ''} exists, and is not of this release.",
        "Take another job name, or delete that object.",
    )


def _exists(found: Found) -> JobError:
    return RefusedError(
        f"The object {found[1]}/{found[2]} exists already.", "Take another job name, or delete that object."
    )


def _object_missing(found: Found) -> JobError:
    return RefusedError(
        f"The object {found[1]}/{found[2]} doesn't exist (any more).", "See what is there: `twister2-job list`."
    )


def _too_large(found: Found) -> JobError:
    return RefusedError(
        "The release is too large for Kubernetes, which keeps 1 MiB of it at most.",
        "Expose fewer workers or ports (perWorker.count, perWorker.ports), or submit a smaller job.",
    )


def _unreadable_object(found: Found) -> JobError:
    named = found[1] or found[2]
    return RefusedError(
        f"Kubernetes can't read {named}: {short(text_after(found), 300)}",
        "Correct the values that this comes from, or the chart.",
    )


def _fixed_field(found: Found) -> JobError:
    return RefusedError(
        f"The load balancer of Service {found[1]} can't change its {found[2]}.",
        "Leave it as it is, or switch this way in off and on again, which gives up the load balancer's address.",
    )


PORTS = (
    rule(
        "load balancer is fixed",
        r'Service "([^"]+)" is invalid: [^\n]*spec\.(loadBalancerClass|healthCheckNodePort): Invalid value: [^\n]*?'
        r"(?:may not change once set|[Ff]ield is immutable)",
        _fixed_field,
    ),
    rule("port taken", _TAKEN.pattern, _taken),
    rule("port outside", _RANGE.pattern, _port_outside_range),
)
RULES = (
    rule("webhook", r'admission webhook "([^"]+)" denied the request(?:: )?', _denied),
    rule("webhook is silent", r'(?:Internal error occurred: )?failed calling webhook "([^"]+)": ', _webhook_silent),
    rule("policy", r"ValidatingAdmissionPolicy '([^']+)' (?:with binding '[^']*' )?denied request: ", policy),
    rule("owner of fields", conflicts.HEAD, lambda found: conflicts.error(found.string[found.start() :])),
    rule("object is going", r'object is being deleted: (\S+) "([^"]+)" already exists', _being_deleted),
    rule("forbidden", _FORBIDDEN.pattern, _forbidden),
    rule("invalid", r'([^\s"]{1,80}) "([^"]*)" is invalid: ', _invalid),
    rule("health check port", r"(?:Internal error occurred: )?failed to allocate requested " + _TAKEN.pattern, _taken),
    rule(
        "no port left",
        r"(?:Internal error occurred: )?failed to allocate a (?:nodePort|HealthCheck NodePort)[^\n]*range is full",
        _no_free_port,
    ),
    rule("namespace is missing", r'namespaces "([^"]+)" not found', _no_namespace),
    rule(
        "unknown kind",
        r'no matches for kind "([^"]+)" in version "([^"]+)"|the server doesn\'t have a resource type "([^"]+)"',
        _no_kind,
    ),
    rule(
        "malformed object",
        r"failed to create typed patch object \(([^;)]+)[^)]*\): (?:errors:)?"
        r'|([^\s"]{1,80}) in version "[^"]*" cannot be handled as an? \w+: ',
        _unreadable_object,
    ),
    rule("changed meanwhile", r'Operation cannot be fulfilled on (\S+) "([^"]+)"', _changed_meanwhile),
    rule(
        "object of others",
        r'([^\s"]{1,80}) "([^"]+)"(?: in namespace "([^"]*)")? exists and cannot be imported into the current release',
        _of_other_release,
    ),
    rule(
        "object exists",
        r'(?!secrets "sh\.helm\.|configmaps "sh\.helm\.)\b([a-z][^\s"]{1,80}) "([^"]+)" already exists',
        _exists,
    ),
    rule("object is missing", r'([^\s"]{1,80}) "([^"]+)" not found', _object_missing),
    rule(
        "too large",
        r"etcdserver: request is too large|Request entity too large|trying to send message larger than max",
        _too_large,
    ),
    *TROUBLE,
)
"""The rules for answers; the one that matches furthest left counts, since answers quote others further right."""


def classify(text: str) -> Verdict | None:
    """Return the verdict on an answer of the API server; None if the text is none.

    Args:
        text: The message, without the program's own beginning.
    """
    verdict = outermost(RULES, text)
    if verdict and verdict.rule == "forbidden":
        return next(_why_forbidden(found) for found in [_FORBIDDEN.search(text)] if found)
    return first(PORTS, text) if verdict and verdict.rule == "invalid" and first(PORTS, text) else verdict
