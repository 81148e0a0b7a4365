"""Generates cases, checks them, and makes each fault that they show as small as it gets."""

from __future__ import annotations

import collections
import copy
import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.apiserver import ApiServer
from tests.fuzz.checker import Fault, check
from tests.fuzz.generator import Case, cases
from tests.fuzz.renderer import Renderer, as_text
from tests.fuzz.schema import drawn

REFUSERS = {
    "schema": "the schema", "rules": "the chart's rules", "name": "Helm, for the name", "file": "Helm, for the file",
    "raw error": "a raw error",
}  # fmt: skip


@dataclass
class Found:
    """One kind of fault, with the smallest case that shows it."""

    fault: Fault
    case: Case
    times: int = 1

    def command(self) -> str:
        """Return a command of a shell that renders the case."""
        dry_run = " | kubectl create --dry-run=server --validate=strict -f -" if "API server" in self.fault[0] else ""
        skip = " --skip-schema-validation" if self.case.skip_schema else ""
        return (
            f"printf %s {shlex.quote(as_text(self.case.values))} | helm template {self.case.name} charts/twister2-job "
            f"--namespace {self.case.namespace}{skip} -f -{dry_run}"
        )

    def text(self) -> str:
        """Return what a person reads."""
        kind, words = self.fault
        return f"{kind} ({self.times} cases): {words.strip()[:600]}\n    {self.command()[:3000]}"


@dataclass
class Outcome:
    """What became of all cases."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: dict[str, Found] = field(default_factory=dict)


# What stands before these is about the object, and one fault shows in many objects.
BEFORE = re.compile(r"^.*?(json: |strict decoding error: |is invalid: \[?)", re.DOTALL)


def signature(fault: Fault) -> str:
    """Return what two faults of one kind have in common: their words without what values bring in."""
    kind, words = fault
    words = BEFORE.sub("", words.split(" in place of ")[0].split(": error converting YAML")[0])
    words = re.sub(r"\"(\\.|[^\"\\])*\"|'[^']*'|`[^`]*`", "S", words)
    words = re.sub(r"^(StatefulSet|Service|Pod|Role) [^ .]+|^\[\d+\]\.|zq\w*|\d+", "", words.partition("\n")[0])
    return f"{kind.split(': ')[0]}: {words[:100]}"


def of_server(found: dict[str, Any], text: str) -> Fault:
    """Return the fault of an object that the API server refuses."""
    return f"refused by the API server: {found['kind']}", text


class Fuzz:
    """The renderer and, if there is a cluster, its API server."""

    def __init__(self, renderer: Renderer, server: ApiServer | None = None) -> None:
        self.renderer, self.server = renderer, server

    def faults(self, case: Case) -> tuple[str, list[Fault]]:
        """Return what became of one case, and its faults."""
        outcome, objects, faults = check(self.renderer, case)
        if self.server:
            asked = [(found, self.server.refused(found)) for found in objects]
            faults += [of_server(found, promise.result()) for found, promise in asked if promise.result()]
        return outcome, faults

    def smallest(self, case: Case, kind: str, tries: int = 100) -> Case:
        """Return the case with all taken away that the fault does without."""
        best, number = case, 0
        for _ in range(tries):
            smaller = without(best, number)
            if smaller is None:
                break
            if smaller != best and any(signature(fault) == kind for fault in self.faults(smaller)[1]):
                # Of what is taken away, the next has this number now.
                best, number = smaller, number + (number < 2)
            else:
                number += 1
        return best

    def run(self, count: int, number: int) -> Outcome:
        """Generate so many cases out of the seed and check them."""
        outcome = Outcome()
        waiting: collections.deque[tuple[Case, list[Any]]] = collections.deque()

        def note(case: Case, fault: Fault) -> None:
            kind = signature(fault)
            if kind in outcome.faults:
                outcome.faults[kind].times += 1
            else:
                outcome.faults[kind] = Found(fault, case)

        def answers(left: int) -> None:
            while len(waiting) > left:
                case, asked = waiting.popleft()
                refused = [(found, promise.result()) for found, promise in asked]
                outcome.counts["accepted by the API server"] += not any(text for _, text in refused)
                for found, text in refused:
                    if text:
                        note(case, of_server(found, text))

        for case in drawn(cases, count, number):
            became, objects, faults = check(self.renderer, case)
            outcome.counts[became if became.startswith("rendered") else f"refused by {REFUSERS[became]}"] += 1
            for fault in faults:
                note(case, fault)
            if self.server and objects:
                waiting.append((case, [(found, self.server.refused(found)) for found in objects]))
                # The API server works on them while others are rendered, but not on thousands at once.
                answers(20)
        answers(0)
        return outcome

    def shrink(self, outcome: Outcome, limit: int = 40) -> Iterator[Found]:
        """Yield each fault with its smallest case, the most frequent first; after so many as they were generated."""
        told: set[str] = set()
        for number, kind in enumerate(sorted(outcome.faults, key=lambda kind: -outcome.faults[kind].times)):
            found = outcome.faults[kind]
            if number < limit:
                found.case = self.smallest(found.case, kind)
                again = [fault for fault in self.faults(found.case)[1] if signature(fault) == kind]
                found.fault = again[0] if again else found.fault
            # One cause often shows as several faults.
            cause = repr((found.case.name, found.case.namespace, found.case.values, found.case.skip_schema))
            if cause not in told:
                told.add(cause)
                yield found


def without(case: Case, number: int) -> Case | None:
    """Return a copy of the case without its odd name (0), namespace (1), or the key or entry of a number from 2 on."""
    smaller = copy.deepcopy(case)
    if number < 2:
        smaller.name, smaller.namespace = ("job", case.namespace) if number == 0 else (case.name, "default")
        return smaller
    path = next(itertools.islice(paths(case.values), number - 2, None), None)
    if path is None:
        return None
    inner: Any = smaller.values
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return smaller


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each key and entry, from the outside in."""
    inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in inner:
        yield (*above, key)
    for key in inner:
        yield from paths(value[key], (*above, key))
