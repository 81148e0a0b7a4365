"""What must hold for every rendering, and how a refusal must read."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.fuzz.expected import copied, numbers
from tests.fuzz.generator import MARK, Case
from tests.fuzz.renderer import Renderer
from tests.fuzz.schema import hints

RULE = re.compile(r"execution error at \(twister2-job/templates/[^:]+:\d+:\d+\): \n")
SCHEMA = "values don't meet the specifications of the schema(s)"
FILE = "values: cannot unmarshal yaml document"
"""Helm can't read the values, before any chart has them: of a key above 1,024 characters in JSON, for example."""
NAME = "release name check failed: invalid release name"
RAW = re.compile(
    r"nil pointer|can't evaluate|error converting YAML|panic|executing \"|YAML parse error|error calling|wrong type"
    r"|interface conversion|cannot unmarshal|%!|map\[|<nil>|index out of range|resources: |values: ",
)
# Keys by which Kubernetes tells the entries of a list in a pod apart.
KEYED = {
    "env": "name", "volumes": "name", "containers": "name", "initContainers": "name", "volumeMounts": "mountPath",
    "imagePullSecrets": "name", "ports": "name",
}  # fmt: skip
Fault = tuple[str, str]


def refusal(error: str) -> tuple[str, Fault | None]:
    """Return who refused the values (schema, rules, name, file, nobody) and what is wrong with how it was said."""
    if error.startswith(NAME):
        return "name", None
    if error.startswith(FILE):
        return "file", None
    if SCHEMA in error:
        # The schema library shows the value it found, whatever that is.
        return "schema", None
    found = RULE.search(error)
    if found:
        message = error[found.end() :]
        for line in message.splitlines():
            raw = RAW.search(line)
            if raw and raw[0] not in ("map[", "resources: ", "values: "):
                return "rules", ("raw text in a rule's message", line)
        return "rules", None
    return "raw error", ("raw error", error)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of each scalar."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


def twice(value: Any, path: str = "") -> Iterator[str]:
    """Yield what is twice in a keyed list of a pod."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in KEYED and isinstance(inner, list):
                seen: set[Any] = set()
                for one in inner:
                    name = json.dumps(one.get(KEYED[key])) if isinstance(one, dict) else ""
                    if name in seen and name != "null":
                        yield f"{path}.{key}: {name} is there twice"
                    seen.add(name)
            yield from twice(inner, f"{path}.{key}")
        containers = value.get("containers")
        if isinstance(containers, list):
            every = [*containers, *(value.get("initContainers") or [])]
            names = [one.get("name") for one in every if isinstance(one, dict)]
            if len(names) != len({str(name) for name in names}):
                yield f"{path}: two containers have one name"
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from twice(inner, f"{path}[{number}]")


def replaced(value: Any, words: dict[str, str]) -> Any:
    """Return a copy of values in which whole strings and keys are others."""
    if isinstance(value, dict):
        return {words.get(key, key): replaced(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, words) for inner in value]
    return words.get(value, value) if isinstance(value, str) else value


def restored(value: Any, words: dict[str, str]) -> Any:
    """Return a copy of a rendering with every mark in every text replaced; JSON in a text is taken apart first."""
    if isinstance(value, dict):
        return {restored(key, words): restored(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [restored(inner, words) for inner in value]
    if not isinstance(value, str):
        return value
    if value.startswith('{"'):
        try:
            return {"JSON": restored(json.loads(value), words)}
        except ValueError:
            pass
    for mark, word in words.items():
        value = value.replace(mark, word)
    return value


def difference(one: Any, other: Any, path: str = "") -> str:
    """Return where two documents differ first; nothing if they don't."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            if key not in one or key not in other:
                return f"{path}.{key}: {'missing' if key not in one else 'too much'}"
            found = difference(one[key], other[key], f"{path}.{key}")
            if found:
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            found = difference(mine, theirs, f"{path}[{number}]")
            if found:
                return found
        return ""
    return "" if type(one) is type(other) and one == other else f"{path}: {one!r:.80} in place of {other!r:.80}"


def twin(renderer: Renderer, case: Case, objects: list[dict[str, Any]]) -> tuple[bool, str]:
    """Render the case with a plain string for each odd one; tell whether that could be done, and what then differs."""
    marks = {word: MARK.format(number) for number, word in enumerate(sorted(case.free - {""}))}
    # The values may name the release as well, or have a key of its name.
    name, namespace = MARK.format(98), case.namespace if case.namespace == "default" else MARK.format(99)
    plain = Case(name, namespace, replaced(case.values, marks))
    answer = renderer.render(plain)
    if "error" in answer:
        return False, ""
    back = {mark: word for word, mark in marks.items()} | {name: case.name, namespace: case.namespace}
    expected = restored(answer.get("objects", []), back)
    return True, difference(restored(objects, {}), expected)


def check(renderer: Renderer, case: Case) -> tuple[str, list[dict[str, Any]], list[Fault]]:
    """Return what became of a case (rendered, or who refused it), its objects and its faults."""
    answer = renderer.render(case)
    if "error" in answer:
        who, fault = refusal(answer["error"])
        return who, [], [fault] if fault else []
    objects: list[dict[str, Any]] = answer.get("objects", [])
    faults: list[Fault] = [("no strict YAML", text) for text in answer.get("faults", [])]
    again = renderer.render(case, objects=False)
    if (again.get("manifest"), again.get("notes")) != (answer["manifest"], answer["notes"]):
        faults.append(("other bytes the second time", ""))
    for found in objects:
        where = f"{found.get('kind')} {found.get('metadata', {}).get('name')}"
        faults += [("twice", f"{where}{text}") for text in twice(found)]
    names = [json.dumps([found.get("kind"), found.get("metadata", {}).get("name")]) for found in objects]
    if len(names) != len(set(names)):
        faults.append(("twice", "two objects have one kind and name"))
    if case.skip_schema:
        found = [*loose(renderer, case, answer), *counted(objects)]
        return "rendered", [], faults + [("guard", text) for text in found]
    faults += [("a hint is taken for a value", text) for text in hinted(renderer, case)]
    done, text = twin(renderer, case, objects)
    if text:
        faults.append(("a string is changed", text))
    try:
        faults += [("a value is changed", text) for text in [*copied(case, objects), *numbers(case, objects)]]
    except (AttributeError, KeyError, TypeError) as error:
        # What stands without quotes may take the fields beside it along.
        faults.append(("a value is changed", f"an object lacks what every one has: {error!r}"))
    return "rendered" if done else "rendered, not compared", objects, faults


def hinted(renderer: Renderer, case: Case) -> Iterator[str]:
    """Yield each hint of the schema that stands for a value; it does if another sentence in its place is refused."""
    for path, value in leaves(case.values):
        if isinstance(value, str) and value in hints():
            other = Case(case.name, case.namespace, replaced(case.values, {value: "a sentence; of no meaning"}))
            if "error" in renderer.render(other, objects=False):
                yield f"{path}: {value}"


def counted(objects: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each count of workers that, without the schema, is no number of workers."""
    for found in objects:
        if found.get("kind") == "StatefulSet":
            replicas = found["spec"].get("replicas")
            if not isinstance(replicas, int) or not 0 <= replicas < 2**31:
                yield f"replicas: they are {replicas!r}"
            for key, text in (found["metadata"].get("annotations") or {}).items():
                if key.startswith("twister2-job/") and not re.fullmatch("[0-9]+", str(text)):
                    yield f"annotation {key}: it is {text!r}"


def loose(renderer: Renderer, case: Case, answer: dict[str, Any]) -> list[str]:
    """Return each text "true" or "false" that rendered, without the schema, as something else than the truth value."""
    found = []
    for path, value in leaves(case.values):
        if value in ("true", "false") and re.search(r"\.(enabled|create|suspend|publishNotReadyAddresses)$", path):
            typed = copy.deepcopy(case)
            inner: Any = typed.values
            *above, last = path.strip(".").split(".")
            for key in above:
                inner = inner[key]
            inner[last] = value == "true"
            if renderer.render(typed, objects=False).get("manifest") != answer["manifest"]:
                found.append(f"{path.strip('.')}: the text {value!r} is taken for something else than {value}")
    return found
