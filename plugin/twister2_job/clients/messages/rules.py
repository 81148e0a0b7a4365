"""Rules for messages of Helm and kubectl: a pattern, and the error that it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import JobError

Found = re.Match[str]
Make = Callable[[Found], JobError]


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: Its name; the tests check that each rule has a case.
        pattern: The pattern of its messages.
        make: Returns the error for a match; the text after the match is `match.string[match.end() :]`.
    """

    name: str
    pattern: re.Pattern[str]
    make: Make


@dataclass(frozen=True)
class Verdict:
    """The error for a message, and the name of the rule that matched."""

    rule: str
    error: JobError


def rule(name: str, pattern: str, make: Make, *, flags: int = 0) -> Rule:
    """Return a rule."""
    return Rule(name, re.compile(pattern, flags), make)


def first(rules: Sequence[Rule], text: str) -> Verdict | None:
    """Return the verdict of the first rule that matches; special rules have to come before general ones."""
    for one in rules:
        if found := one.pattern.search(text):
            return Verdict(one.name, one.make(found))
    return None


def outermost(rules: Sequence[Rule], text: str) -> Verdict | None:
    """Return the verdict of the rule that matches furthest left: text further right is quoted by that message."""
    best: tuple[int, Rule, Found] | None = None
    for one in rules:
        found = one.pattern.search(text)
        if found and (best is None or found.start() < best[0]):
            best = (found.start(), one, found)
    return Verdict(best[1].name, best[1].make(best[2])) if best else None


def text_after(found: Found) -> str:
    """Return the text after a match."""
    return found.string[found.end() :].strip()
