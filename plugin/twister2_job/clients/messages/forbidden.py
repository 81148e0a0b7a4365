"""Finds out why the API server forbids something: a missing right is only one of the reasons."""

from __future__ import annotations

from ...errors import BusyError, JobError, LoginError, NoRightsError, RefusedError
from .logins import AGAIN
from .rules import Found, Verdict, first, rule, text_after
from .text import short

RIGHTS = "Ask for the Role that docs/wrapper.md shows."
RULES_OF_THE_CLUSTER = "Choose values that it allows, or ask whoever made that rule of the cluster."


def first_line(text: str) -> str:
    """Return the first line of a text, which may be of any length."""
    return short(text.strip().splitlines()[0] if text.strip() else "no reason is given", 400)


def policy(found: Found) -> JobError:
    """Return the error for a ValidatingAdmissionPolicy that refuses."""
    return RefusedError(
        f"The policy {found[1]} of the cluster refuses it: {first_line(text_after(found))}", RULES_OF_THE_CLUSTER
    )


def _no_right(found: Found) -> JobError:
    what = f"{found['what']} of {found['group']}" if found["group"] else found["what"]
    said = f"{found['who']} may not {found['verb']} {what}"
    if found["namespace"]:
        return NoRightsError(f"{said} in namespace {found['namespace']}.", RIGHTS)
    return NoRightsError(
        f"{said} in this cluster as a whole.", "No Role of a namespace gives that: ask whoever runs the cluster."
    )


def _no_path(found: Found) -> JobError:
    return NoRightsError(f"{found[1]} may not {found[2]} {found[3]} in this cluster.", RIGHTS)


def _anonymous(found: Found) -> JobError:
    return LoginError(
        "The cluster got no login: it takes this user for anonymous.",
        f"Is the kubeconfig's user the right one? {AGAIN}",
    )


def _escalates(found: Found) -> JobError:
    return NoRightsError(
        "The job's pods need rights (a Role) that you don't have, and Kubernetes lets nobody give away more.", RIGHTS
    )


def _owner_reference(found: Found) -> JobError:
    return NoRightsError(f"A right is missing: {first_line(found.string[found.start() :])}", RIGHTS)


def _terminating(found: Found) -> JobError:
    return BusyError(
        f"Namespace {found[1]} is being deleted, and takes nothing new.",
        "Wait until it is gone and make it anew (--create-namespace does), or take another namespace.",
    )


def _quota(found: Found) -> JobError:
    numbers = f"requested {found[2]}" + (f", used {found[3]}, allowed {found[4]}" if found[4] else "")
    return RefusedError(
        f"Quota {found[1]} is exceeded: {numbers}.",
        "Ask for a larger quota, or for less: fewer workers, ports or resources.",
    )


def _quota_needs(found: Found) -> JobError:
    return RefusedError(
        f"Quota {found[1]} wants every container to say what it needs: {first_line(text_after(found))}",
        "Set it in the values (resources).",
    )


def _pod_security(found: Found) -> JobError:
    return RefusedError(
        f"The namespace's Pod Security level {found[1]} refuses it: {short(text_after(found), 400)}",
        "Use values that this level allows, or another namespace.",
    )


RULES = (
    rule("nobody logged in", r'\AUser "system:anonymous" cannot ', _anonymous),
    rule(
        "right",
        r'\AUser "(?P<who>[^"]*)" cannot (?P<verb>\S+) resource "(?P<what>[^"]+)"(?: in API group "(?P<group>[^"]*)")?'
        r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?',
        _no_right,
    ),
    rule("right to a path", r'\AUser "([^"]*)" cannot (\S+) path "([^"]+)"', _no_path),
    rule(
        "right to give rights",
        r"\Auser \"[^\"]*\".* is attempting to grant RBAC permissions not currently held",
        _escalates,
    ),
    rule("right to own", r"\Acannot set (?:blockOwnerDeletion|an ownerRef)", _owner_reference),
    rule(
        "namespace is going",
        r"\Aunable to create new content in namespace (\S+) because it is being terminated",
        _terminating,
    ),
    rule(
        "quota",
        r"\Aexceeded quota: ([^\s,]+), requested: ([^\n]+?)(?:, used: ([^\n]+?), limited: ([^\n]+))?(?:\n|\Z)",
        _quota,
    ),
    rule("quota without a request", r"\Afailed quota: (\S+): must specify ", _quota_needs),
    rule("pod security", r'\Aviolates PodSecurity "([^"]*)": ', _pod_security),
    rule("policy forbids", r"\AValidatingAdmissionPolicy '([^']+)' (?:with binding '[^']*' )?denied request: ", policy),
)
"""The rules; each matches at the beginning of the text after `is forbidden: `."""


def classify(reason: str, named: str) -> Verdict:
    """Return the verdict on something that the API server forbids.

    Args:
        reason: The text after `is forbidden: `.
        named: What is refused; may be empty.
    """
    if not reason:
        return Verdict("forbidden", NoRightsError(f"A right is missing: {named or 'this'} is forbidden.", RIGHTS))
    error = RefusedError(f"The cluster refuses {named or 'it'}: {first_line(reason)}", RULES_OF_THE_CLUSTER)
    return first(RULES, reason) or Verdict("forbidden", error)
