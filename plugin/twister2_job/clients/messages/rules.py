"""A rule for the words of Helm and kubectl: what it recognises, and the error that this means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import JobError

Found = re.Match[str]
Make = Callable[[Found], JobError]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: Its name, for the tests: none may be without a case.
        pattern: What it recognises.
        make: Returns the error for a match; what stands behind the match is `match.string[match.end() :]`.
    """

    name: str
    pattern: re.Pattern[str]
    make: Make


@dataclass(frozen=True)
class Verdict:
    """The error that a text means, and the name of the rule that says so."""

    rule: str
    error: JobError


def rule(name: str, pattern: str, make: Make, *, flags: int = 0) -> Rule:
    """Return a rule."""
    return Rule(name, re.compile(pattern, flags), make)


def first(rules: Sequence[Rule], text: str) -> Verdict | None:
    """Return what the first rule says that fits: for texts of one sort, the special ones first."""
    for one in rules:
        if found := one.pattern.search(text):
            return Verdict(one.name, one.make(found))
    return None


def outermost(rules: Sequence[Rule], text: str) -> Verdict | None:
    """Return what the rule says that fits furthest left: what stands behind is quoted by whoever speaks first."""
    best: tuple[int, Rule, Found] | None = None
    for one in rules:
        found = one.pattern.search(text)
        if found and (best is None or found.start() < best[0]):
            best = (found.start(), one, found)
    return Verdict(best[1].name, best[1].make(best[2])) if best else None


def behind(found: Found) -> str:
    """Return the rest of the text behind a match."""
    return found.string[found.end() :].strip()
