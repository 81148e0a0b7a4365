"""Conflicts over fields that others own: the API server's message when Helm 4 applies an object (server-side apply)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import RefusedError

HEAD = (
    r"(?:conflict occurred while applying object (\S*?)/(\S+) (\S+), Kind=(\w+): )?Apply failed with \d+ conflicts?: "
)
_HEAD = re.compile(HEAD)
_MANAGER = r'"(?P<name>(?:[^"\\]|\\.)*)"(?: with subresource "(?P<part>[^"]*)")?(?: using \S+?(?: at \S+?)?)?'
_ONE = re.compile(rf"conflict with {_MANAGER}: (?P<field>\S.*)")
_SEVERAL = re.compile(rf"conflicts with {_MANAGER}:\s*$")
_FIELD = re.compile(r"^\s*- (\..*)$")
MOST = 10
"""The most fields that are named."""


@dataclass(frozen=True)
class Conflict:
    """A field, its owner, and its object (`Kind name`, empty if the message has none)."""

    object: str
    field: str
    owner: str


def conflicts(text: str) -> list[Conflict]:
    """Return the conflicts in a message, in its order, each once.

    Args:
        text: The output of Helm or kubectl.
    """
    found: list[Conflict] = []
    heads = list(_HEAD.finditer(text))
    for index, head in enumerate(heads):
        end = heads[index + 1].start() if index + 1 < len(heads) else len(text)
        named = f"{head[4]} {head[2]}" if head[4] else ""
        owner = ""
        for whole in text[head.end() : end].splitlines():
            line = whole.partition(" && ")[0]  # Helm's separator between the errors of two objects.
            if one := _ONE.search(line):
                found.append(Conflict(named, one["field"].strip(), _owner(one)))
            elif several := _SEVERAL.search(line):
                owner = _owner(several)
            elif owner and (field := _FIELD.match(line)):
                found.append(Conflict(named, field[1].strip(), owner))
    return list(dict.fromkeys(found))


def _owner(found: re.Match[str]) -> str:
    return found["name"] + (f" (by its subresource {found['part']})" if found["part"] else "")


def error(text: str) -> RefusedError:
    """Return the error for a message about fields that others own, with both remedies."""
    found = conflicts(text)
    one = len(found) == 1
    them = "it" if one else "them"
    hint = (
        f"Add --force-conflicts to take {them} over for Helm; or give {them} the same value in your values "
        f"(`kubectl get -o yaml --show-managed-fields` shows it), so that nothing is in conflict."
    )
    if one:
        of = f" of {found[0].object}" if found[0].object else ""
        return RefusedError(
            f"The field {found[0].field}{of} belongs to {found[0].owner}, and Helm would change it.", hint
        )
    lines = [f"{c.object}{': ' if c.object else ''}{c.field} belongs to {c.owner}" for c in found[:MOST]]
    lines += [f"and {len(found) - MOST} fields more"] if len(found) > MOST else []
    return RefusedError("\n  ".join(["Helm would change fields that belong to others:", *lines]), hint)
