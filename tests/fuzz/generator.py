"""Makes values for the chart out of values.schema.json: valid ones, at the bounds, just beside, and odd ones."""

from __future__ import annotations

import copy
import random
import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.conftest import CI_VALUES
from tests.fuzz.schema import SCHEMA, matching, resolve, typed, useful
from tests.fuzz.strings import (
    JUNK,
    NAMESPACES,
    ODD,
    OWN_KEYS,
    PLACEHOLDERS,
    PROBES,
    QUANTITIES,
    RELEASES,
    SHAPES,
    WORDS,
    WRONG,
)

BASES: list[dict[str, Any]] = [yaml.safe_load(path.read_text()) or {} for path in CI_VALUES]
# A string that is nothing but a string: every odd one is compared with it. It passes for a name and for a port's name.
MARK = "zq{:02d}x"


@dataclass
class Case:
    """One rendering to try."""

    name: str
    namespace: str
    values: dict[str, Any]
    skip_schema: bool = False
    # Odd strings that another string could stand for everywhere they are.
    free: set[str] = field(default_factory=set)


class Maker:
    """Draws one case."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        self.free: set[str] = set()
        self.fixed: set[str] = set()

    def pick(self, options: Any) -> Any:
        """Return one of the options."""
        return self.random.choice(list(options))

    def chance(self, percent: int) -> bool:
        """Return True in so many of a hundred cases."""
        return self.random.random() * 100 < percent

    def odd(self, options: Any = ODD) -> str:
        """Return an odd string in a place that takes every string."""
        text = str(self.pick(options))
        (self.fixed if text in PLACEHOLDERS else self.free).add(text)
        return text

    def text(self, node: dict[str, Any]) -> str:
        """Return a string for a schema: seldom one that it refuses."""
        low, high = node.get("minLength", 0), node.get("maxLength", 10**6)
        pattern = node.get("pattern")
        fits = [one for one in ODD if low <= len(one) <= high and (not pattern or re.search(pattern, one))]
        if self.chance(3):
            return str(self.pick(ODD))
        if pattern and (not fits or self.chance(40)):
            return str(self.pick(matching(pattern)))[:high]
        text = str(self.pick(fits or ["a"]))
        marked = text not in PLACEHOLDERS and (not pattern or re.search(pattern, MARK.format(0)))
        (self.free if marked and len(MARK.format(0)) <= high else self.fixed).add(text)
        return text

    def number(self, node: dict[str, Any]) -> int | float:
        """Return a number for a schema: most are small, some at the bounds, few beyond."""
        low = node.get("minimum", node.get("exclusiveMinimum", 0))
        high = node.get("maximum", 2**63 - 1)
        if self.chance(80):
            near = self.random.randint(0, 5) + low
            return min(near if node.get("type") == "integer" else near + self.pick((0, 0.25)), high)
        if self.chance(70):
            return int(self.pick((low, low + 1, (low + min(high, 10**6)) // 2)))
        return int(self.pick((high, low - 1, high + 1, high - 1)))

    def shape(self, pattern: Any) -> Any:
        """Fill a piece of a pod; see SHAPES."""
        if isinstance(pattern, dict):
            return {self.shape(key): self.shape(value) for key, value in pattern.items()}
        if isinstance(pattern, list):
            return [self.shape(one) for one in pattern]
        if pattern == "odd":
            return self.odd()
        if pattern == "quantity":
            return self.pick(QUANTITIES)
        return self.odd(WORDS) if pattern == "word" else pattern

    def make(self, node: dict[str, Any], key: str = "") -> Any:
        """Return a value for a schema; `key` is its name."""
        node = resolve(node)
        shape = "probe" if key in PROBES else key
        if shape in SHAPES and "enum" not in node:
            wrong = shape in WRONG and typed(node, shape) and self.chance(5)
            return self.shape(self.pick(WRONG[shape] if wrong else SHAPES[shape]))
        if "anyOf" in node or "oneOf" in node:
            rest = {name: value for name, value in node.items() if name not in ("anyOf", "oneOf")}
            options = [resolve(one) for one in node.get("anyOf") or node["oneOf"]]
            if not self.chance(5):
                options = [one for one in options if useful(one)]
            return self.make({**rest, **self.pick(options)}, key)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self.pick(node["enum"] if self.chance(5) or not useful(node) else useful(node))
        kind = node.get("type")
        if isinstance(kind, list):
            kind = self.pick(kind)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("integer", "number"):
            return self.number({**node, "type": kind})
        if kind == "string":
            return self.text(node)
        if kind == "array":
            size = self.random.randint(0, min(3, node.get("maxItems", 3)))
            return [self.make(node.get("items", {}), key) for _ in range(size)] if node.get("items") else []
        return self.mapping(node) if kind == "object" else None

    def mapping(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return an object for a schema."""
        made: dict[str, Any] = {}
        for name, inner in node.get("properties", {}).items():
            if name in node.get("required", ()) or self.chance(40):
                made[name] = self.make(inner, name)
        # Keys that a pattern names, else any; those that are refused whatever they hold are seldom worth a try.
        patterns = {
            pattern: inner for pattern, inner in node.get("patternProperties", {}).items() if useful(resolve(inner))
        }
        others = node.get("additionalProperties")
        if isinstance(others, dict) and (not patterns or self.chance(3)):
            patterns = {resolve(node.get("propertyNames") or {}).get("pattern", ""): others}
        for pattern, inner in patterns.items():
            for _ in range(self.random.randint(0, 2)):
                made[self.key(pattern, resolve(inner))] = self.make(inner)
        return made

    def key(self, pattern: str, inner: dict[str, Any]) -> str:
        """Return a key of a map; `inner` is what it holds."""
        if inner.get("type") == "integer":
            # The maps of numbers are those by the name of a port.
            return str(self.pick(("worker", "worker", "ui", "ui", *WORDS)))
        known = ("0", "1", "2", "7", "100000") if pattern and not re.search(pattern, "a") else OWN_KEYS
        if self.chance(15) or known is not OWN_KEYS:
            return str(self.pick(known))
        # YAML has an end for keys that are written in one line.
        return self.text({"maxLength": 1000, **({"pattern": pattern} if pattern else {})})

    def put(self, values: dict[str, Any], node: dict[str, Any]) -> None:
        """Set one value somewhere below `values`."""
        name = self.pick(node["properties"])
        inner = resolve(node["properties"][name])
        if "properties" in inner and name not in (*SHAPES, *PROBES) and not self.chance(5):
            if not isinstance(values.get(name), dict):
                values[name] = {}
            self.put(values[name], inner)
        else:
            values[name] = self.make(inner, name)

    def spoil(self, values: dict[str, Any], node: dict[str, Any], every: bool) -> None:
        """Put something wrong into the place of one value; not `every` means nothing of another kind, but for null."""
        name = self.pick(node["properties"])
        inner = resolve(node["properties"][name])
        if "properties" in inner and name not in (*SHAPES, *PROBES) and not self.chance(20):
            if not isinstance(values.get(name), dict):
                values[name] = {}
            self.spoil(values[name], inner, every)
            return
        kinds = {"object": dict, "array": list}
        # Of what the schema has to know nothing, the API server knows whether it is good.
        free = name in SHAPES and not typed(inner, "probe" if name in PROBES else name)
        own = [
            one for one in ((None,) if free else JUNK)
            if every or one is None or (isinstance(one, kinds.get(str(inner.get("type")), (str, bool, int, float)))
            and not (isinstance(one, list) and one and type(one[0]) in (str, int)))
        ]  # fmt: skip
        values[name] = copy.deepcopy(self.pick(own))


def tidy(values: dict[str, Any]) -> None:
    """Make the values keep the rules between them that most of what is put together by chance would break."""
    blocks = ("nodePort", "perWorker", "loadBalancer", "networkPolicy")
    node_port, per_worker, balancer, policy = (values.get(key) or {} for key in blocks)
    for block in (node_port, per_worker, balancer):
        if not block.get("enabled"):
            for key in ("port", "ports", "nodePorts", "count", "nodePortBase", "servicePortBase", "overrides"):
                block.pop(key, None)
            for key in ("hostTemplate", "class", "sourceRanges", "allocateNodePorts", "healthCheckNodePort"):
                block.pop(key, None)
            block.pop("loadBalancer", None)
        elif policy.get("allowFrom"):
            block["externalTrafficPolicy"] = "Local"
    if per_worker.get("type") != "LoadBalancer":
        per_worker.pop("loadBalancer", None)
    if balancer.get("externalTrafficPolicy") != "Local":
        balancer.pop("healthCheckNodePort", None)
    dns = values.get("externalDns") or {}
    if not dns.get("enabled"):
        values.pop("externalDns", None)
    else:
        dns.setdefault("headlessHost", "workers.example.com")
    if node_port.get("enabled") or balancer.get("enabled"):
        for group in (values, *values.get("computeResources", [])):
            group.pop("workersPerPod", None)
    egress = policy.get("egress") or {}
    egress["enabled"] = bool(egress.get("enabled") and policy.get("enabled", True))
    if not egress["enabled"]:
        policy.pop("egress", None)
    budget = values.get("podDisruptionBudget") or {}
    if not budget.get("enabled"):
        values.pop("podDisruptionBudget", None)
    elif budget.get("minAvailable") not in ("", None):
        budget.pop("maxUnavailable", None)
    if not values.get("job", {}).get("class"):
        values.pop("job", None)


def make_case(number: int) -> Case:
    """Return the case of a number: one of the chart's ci values files, and up to eight values made for it."""
    maker = Maker(number)
    values = copy.deepcopy(maker.pick(BASES))
    for _ in range(maker.random.randint(1, 8)):
        maker.put(values, SCHEMA)
    if maker.chance(75):
        tidy(values)
    if maker.chance(1):
        # As many workers as the schema allows, and a group behind them.
        size = {"instances": maker.pick((10000, 9999)), "workersPerPod": maker.pick((100, 1))}
        values.update({**size, "computeResources": [{"workersPerPod": 1}]})
    skip_schema = maker.chance(15)
    if skip_schema or maker.chance(10):
        # Who skips the schema and puts a text in the place of a map gets Helm's own words.
        maker.spoil(values, SCHEMA, every=not skip_schema)
    name = maker.pick(RELEASES) if maker.chance(40) else "job"
    namespace = maker.pick(NAMESPACES) if maker.chance(30) else "default"
    return Case(name, namespace, values, skip_schema, maker.free - maker.fixed)


# One draw for each case: Hypothesis varies what it has drawn, and two cases that differ in one value show hardly more
# than one of them. It is what picks the numbers and makes strings out of the schema's patterns.
cases = st.integers(0, 2**64 - 1).map(make_case)
