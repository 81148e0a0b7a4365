"""Hints: texts in an enum of values.schema.json that are there for Helm's message, which lists what the enum holds.

No hint may be a value. Whatever the conditions of the schema say, something beside the enum refuses it.
"""

import copy
import json

import jsonschema
import pytest
import yaml

from tests.conftest import CHART

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# Steps of a schema that say nothing about where in the values a thing is.
SAME_PLACE = {"allOf", "anyOf", "then"}


def resolve(schema):
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def hints(schema, place=()):
    """Yield (place in the values, hint) for each hint, wherever the definition that holds it is used."""
    schema = resolve(schema)
    for text in schema.get("enum", ()):
        if isinstance(text, str) and " " in text:
            yield place, text
    for key in schema.keys() & SAME_PLACE:
        for one in schema[key] if isinstance(schema[key], list) else [schema[key]]:
            yield from hints(one, place)
    for key, one in schema.get("properties", {}).items():
        yield from hints(one, (*place, key))
    for pattern, one in schema.get("patternProperties", {}).items():
        # Any key will do that the pattern matches: a worker's ID, a label's key, one with too long a prefix.
        yield from hints(one, (*place, "x" * 254 + "/x" if "254" in pattern else "0"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from hints(schema["additionalProperties"], (*place, " "))
    if "items" in schema:
        yield from hints(schema["items"], (*place, 0))


HINTS = sorted(dict.fromkeys(hints(SCHEMA)), key=str)


def put(values, place, value):
    """Return a copy of `values` with `value` at a place, whatever is missing on the way made."""
    copied = copy.deepcopy(values)
    inside = copied
    for step, following in zip(place, [*place[1:], None], strict=True):
        new = value if following is None else [] if following == 0 else {}
        if step == 0 and not inside:
            inside.append(new)
        elif following is None or (step not in range(len(inside)) and step not in inside):
            inside[step] = new
        inside = inside[step]
    return copied


def without_conditions(schema):
    """Return the schema without what it says while another value is this or that."""
    if isinstance(schema, dict):
        dropped = () if schema.get("if") == {"minLength": 1} else ("if", "then")
        return {key: without_conditions(inner) for key, inner in schema.items() if key not in dropped}
    return [without_conditions(inner) for inner in schema] if isinstance(schema, list) else schema


def test_every_hint_is_found():
    """As many as there are in the text of the schema: the walk misses none."""
    texts = {text for _, text in HINTS}

    def all_enums(schema):
        if isinstance(schema, dict):
            yield from schema.get("enum", ()) if isinstance(schema.get("enum"), list) else ()
            schema = list(schema.values())
        for inner in schema if isinstance(schema, list) else ():
            yield from all_enums(inner)

    assert texts == {text for text in all_enums(SCHEMA) if isinstance(text, str) and " " in text}
    assert len(texts) > 25


# Where any text is a value, its hint is one too.
NO_VALUES = [(place, text) for place, text in HINTS if text != "a text: put quotes around it"]


@pytest.mark.parametrize(("place", "text"), NO_VALUES, ids=[f"{'.'.join(map(str, p))}: {t[:30]}" for p, t in NO_VALUES])
def test_no_hint_is_a_value(place, text):
    values = put(VALUES, place, text)
    errors = jsonschema.Draft7Validator(without_conditions(SCHEMA)).iter_errors(values)
    found = {(tuple(error.absolute_path), error.validator == "additionalProperties") for error in errors}
    assert found & {(place, False), (place[:-1], True)}
    assert list(jsonschema.Draft7Validator(SCHEMA).iter_errors(values))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image.digest", "a digest: sha256: and 64 hex digits"),
        ("nodePort.advertisedHost", "a DNS name or an IP address, without a port"),
        ("job.class", "the full name of a Java class, such as org.example.MyWorker"),
        ("job.cpu", "a number of cores above 0 and up to 1024"),
        ("job.jar.sha256", "64 hex digits"),
        ("nodePort.ports", ["(nothing: nodePort.ports needs nodePort.enabled=true)"]),
        ("podLabels", {"a b": next(text for _, text in HINTS if "a key is a name" in text)}),
    ],
)
def test_helm_refuses_hints(helm_template, key, value):
    assert key.rsplit(".", 1)[-1] in helm_template.refuses("--set-json", f"{key}={json.dumps(value)}")
