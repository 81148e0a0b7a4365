"""values.schema.json as the fuzzing reads it: references, patterns, hints."""

from __future__ import annotations

import functools
import json
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import CHART
from tests.fuzz.strings import TYPED

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
Anything = TypeVar("Anything")


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference leads to, with what stands beside it."""
    while "$ref" in node:
        found = functools.reduce(lambda inner, key: inner[key], node["$ref"].removeprefix("#/").split("/"), SCHEMA)
        node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def drawn(strategy: st.SearchStrategy[Anything], count: int, number: int) -> list[Anything]:
    """Return what Hypothesis makes of a strategy, so many and no two alike, always the same for the same number."""
    found: list[Anything] = []
    silent = settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

    @seed(number)
    @settings(silent, max_examples=count)
    @given(strategy)
    def collect(one: Anything) -> None:
        found.append(one)

    collect()
    return found


@functools.cache
def matching(pattern: str) -> tuple[str, ...]:
    """Return strings that a pattern takes."""
    found = drawn(st.from_regex(pattern, alphabet=st.characters(codec="ascii")), 60, 0)
    # To Python, and not to the schema, the end of a line is an end of the text.
    return tuple(dict.fromkeys(text for text in found if not text.endswith("\n")))


@functools.cache
def hints() -> set[str]:
    """Return the sentences that the schema shows a user in the place of a pattern; none of them is a value."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                found.update(one for one in node["enum"] if isinstance(one, str) and " " in one)
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(SCHEMA)
    return found


def useful(node: dict[str, Any]) -> list[Any]:
    """Return what a schema takes but for the hints, if it names it all; else something true."""
    return [one for one in node["enum"] if one not in hints()] if "enum" in node else [node]


def typed(node: dict[str, Any], shape: str) -> bool:
    """Tell whether the schema has to refuse a wrong type inside a piece of a pod."""
    return shape in TYPED or "properties" in node or "properties" in resolve(node.get("items") or {})
