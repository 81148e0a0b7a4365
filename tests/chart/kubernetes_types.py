"""Kubernetes' own types in values.schema.json: fields that are "as in a pod" take what a pod takes.

They are made from an excerpt of Kubernetes' OpenAPI that is kept beside this file and names its version:

    python tests/chart/kubernetes_types.py excerpt   # reads the OpenAPI of the cluster of your kubeconfig
    python tests/chart/kubernetes_types.py write     # writes the definitions into values.schema.json

Every release stores the schema. So there are no descriptions in it, and what few set (OPEN, PARTLY) may be anything:
the API server says what is wrong with it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

EXCERPT = Path(__file__).with_name("kubernetes_openapi.json")
SCHEMA = Path(__file__).resolve().parents[2] / "charts" / "twister2-job" / "values.schema.json"
DOCUMENTS = ("api/v1", "apis/apps/v1")
# The types of the values' "as in a pod" fields, and of `updateStrategy.rollingUpdate`.
ROOTS = (
    "EnvVar", "EnvFromSource", "Probe", "Lifecycle", "Volume", "VolumeMount", "Container", "ResourceRequirements",
    "Toleration", "Affinity", "PodSecurityContext", "SecurityContext", "TopologySpreadConstraint", "LabelSelector",
    "RollingUpdateStatefulSetStrategy",
)  # fmt: skip
# Types whose fields are not in the schema: it may not get much larger, and few set these. All sources of volumes too.
OPEN = {
    "AppArmorProfile", "Capabilities", "SELinuxOptions", "SeccompProfile", "WindowsSecurityContextOptions",
    "FileKeySelector", "GRPCAction", "HTTPHeader", "LabelSelectorRequirement", "LifecycleHandler", "NodeAffinity",
    "ObjectFieldSelector", "PodAffinity", "PodAntiAffinity", "ResourceClaim", "ResourceFieldSelector",
}  # fmt: skip
# Types with many fields, of which these have types in the schema; of the others only the names are there.
PARTLY = {
    "Container": ("name",),
    "PodSecurityContext": ("fsGroup", "runAsGroup", "runAsNonRoot", "runAsUser"),
}
# Beyond this many a list of names costs more than it helps: the signals.
MOST_NAMES = 12

# What the API server checks and its OpenAPI does not say; tests/cluster/test_schema_agrees.py shows each.
# Definitions of the chart's own, by type and field.
OWN = {
    ("ConfigMapEnvSource", "name"): "objectName",
    ("ConfigMapKeySelector", "key"): "dataKey",
    ("ConfigMapKeySelector", "name"): "objectName",
    ("Container", "name"): "dnsLabel",
    ("EnvVar", "name"): "envName",
    ("EnvVar", "value"): "text",
    ("LabelSelector", "matchLabels"): "labels",
    ("RollingUpdateStatefulSetStrategy", "maxUnavailable"): "maxUnavailable",
    ("SecretEnvSource", "name"): "objectName",
    ("SecretKeySelector", "key"): "dataKey",
    ("SecretKeySelector", "name"): "objectName",
    ("Volume", "name"): "dnsLabel",
}
REQUIRED = {"Container": ["image"]}
# Fields where an empty text is the same as none.
EMPTY = {("HTTPGetAction", "scheme"), ("Toleration", "effect"), ("Toleration", "operator")}
NOT_NEGATIVE = {"fsGroup", "runAsGroup", "runAsUser"}
POSITIVE = {"maxSkew", "minDomains"}
FORMATS: dict[str, dict[str, Any]] = {
    "int32": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "int64": {"type": "integer", "maximum": 2**53 - 1},  # Helm reads numbers as floating-point ones.
}
SCALARS: dict[str, dict[str, Any]] = {
    "IntOrString": {"type": ["integer", "string"]},
    "Quantity": {
        "type": ["number", "string"],
        "minimum": 0,
        "pattern": "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$",
    },
}

FIRST = "Affinity"  # In the schema; its definition says what made them.

Schema = dict[str, Any]

ANYTHING: Schema = {"type": ["object", "null"]}  # A null is the same as none, as in `emptyDir:`.


def short(name: str) -> str:
    """Return the last part of a type's name, which is what the schema calls it."""
    return name.rsplit(".", 1)[-1].rsplit("/", 1)[-1]


def referred(field: Schema) -> str:
    """Return the short name of the type that a field's schema refers to; empty if it stands for itself."""
    if len(field.get("allOf", ())) == 1:
        return referred(field["allOf"][0])
    return short(field["$ref"]) if "$ref" in field else ""


def inner(field: Schema) -> Schema:
    """Return what a field holds: the items of a list, the values of a map, or itself."""
    for key in ("items", "additionalProperties"):
        if isinstance(field.get(key), dict):
            return inner(field[key])
    return field


def opened(field: Schema) -> Schema:
    """Return a field with an object that may hold anything in the place of what OPEN names; lists stay lists."""
    found = dict(field)
    for key in ("items", "additionalProperties"):
        if isinstance(field.get(key), dict):
            found[key] = opened(field[key])
    return ANYTHING if referred(field) in OPEN else found


def fields(name: str, types: dict[str, Schema]) -> dict[str, Schema]:
    """Return the fields of a type as the schema has them."""
    found: dict[str, Schema] = types[name].get("properties", {})
    if name == "Volume":
        return {key: ANYTHING if referred(field) else field for key, field in found.items()}
    return {key: opened(field) for key, field in found.items() if key in PARTLY.get(name, found)}


def reach(types: dict[str, Schema]) -> list[str]:
    """Return the names of all types that the roots are made of, sorted."""
    found: set[str] = set()
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name and name not in found:
            found.add(name)
            own = {key: field for key, field in fields(name, types).items() if (name, key) not in OWN}
            waiting += [referred(inner(field)) for field in own.values()]
    return sorted(found)


def field_schema(name: str, key: str, field: Schema) -> Schema:
    """Return the JSON schema of one field of the type `name`."""
    if (name, key) in OWN:
        return {"$ref": f"#/definitions/{OWN[name, key]}"}
    if referred(field):
        return {"$ref": f"#/definitions/{referred(field)}"}
    if field["type"] == "array":
        return {"type": "array", "items": field_schema(name, "", field["items"])}
    if isinstance(field.get("additionalProperties"), dict):
        return {"type": "object", "additionalProperties": field_schema(name, "", field["additionalProperties"])}
    if key in NOT_NEGATIVE:
        return {"type": "integer", "minimum": 0}
    if key in POSITIVE:
        return {**FORMATS[field["format"]], "minimum": 1}
    if field.get("format") in FORMATS:
        return FORMATS[field["format"]]
    if 0 < len(field.get("enum", ())) <= MOST_NAMES:
        return {"enum": [*[""] * ((name, key) in EMPTY), *field["enum"]]}
    return {"type": field["type"]}


def definitions(types: dict[str, Schema]) -> dict[str, Schema]:
    """Return the definitions for values.schema.json.

    Args:
        types: Schemas of Kubernetes' OpenAPI by short name.

    Returns:
        JSON schemas by name, sorted.
    """
    made: dict[str, Schema] = {}
    for name in reach(types):
        if name in SCALARS:
            made[name] = SCALARS[name]
            continue
        properties = {key: field_schema(name, key, field) for key, field in fields(name, types).items()}
        anything = [key for key, schema in properties.items() if schema == ANYTHING]
        if name in PARTLY:
            anything = [key for key in types[name]["properties"] if key not in properties]
        elif len(anything) > MOST_NAMES:
            properties = {key: schema for key, schema in properties.items() if key not in anything}
        else:
            anything = []
        required = [*types[name].get("required", []), *REQUIRED.get(name, [])]
        made[name] = {
            "type": "object",
            "additionalProperties": False,
            **({"required": required} if required else {}),
            "properties": properties,
        }
        if anything:
            kind = {} if name in PARTLY else ANYTHING
            made[name]["patternProperties"] = {f"^({'|'.join(anything)})$": kind}
    return made


def plain(value: Any) -> Any:
    """Return a part of the OpenAPI without what no schema is made of: descriptions, defaults and merge keys."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: plain(one) for name, one in inside.items()} if key == "properties" else plain(inside)
        for key, inside in value.items()
        if key not in ("description", "default") and not key.startswith("x-")
    }


def excerpt() -> dict[str, Any]:
    """Return the version of the cluster of the kubeconfig, and the types that the roots are made of."""

    def get(path: str) -> Any:
        found = subprocess.run(["kubectl", "get", "--raw", path], capture_output=True, text=True, check=True)
        return json.loads(found.stdout)

    types: dict[str, Schema] = {}
    for document in DOCUMENTS:
        types.update(
            {
                short(name): plain(schema)
                for name, schema in get(f"/openapi/v3/{document}")["components"]["schemas"].items()
                if name.startswith(("io.k8s.api.core.v1.", "io.k8s.api.apps.v1.", "io.k8s.apimachinery."))
            }
        )
    return {"version": get("/version")["gitVersion"], "types": {name: types[name] for name in reach(types)}}


def generated(kept: dict[str, Any]) -> str:
    """Return the lines of values.schema.json that are made from an excerpt."""
    comment = f"made by tests/chart/kubernetes_types.py from Kubernetes {kept['version']}"
    lines = [
        f"    {json.dumps(name)}: {json.dumps({'$comment': comment, **schema} if name == FIRST else schema)},"
        for name, schema in definitions(kept["types"]).items()
    ]
    return "\n".join(lines)


def written(schema: str, lines: str) -> str:
    """Return the text of values.schema.json with `lines` in the place of those that were made before."""
    return re.sub(rf'    "{FIRST}": .*?(?=\n    "labels": )', lambda _: lines, schema, count=1, flags=re.DOTALL)


def main(step: str) -> None:
    """Do one of the two steps, `excerpt` or `write`."""
    if step == "excerpt":
        EXCERPT.write_text(json.dumps(excerpt(), indent=1, sort_keys=True) + "\n")
    elif step == "write":
        kept = json.loads(EXCERPT.read_text())
        SCHEMA.write_text(written(SCHEMA.read_text(), generated(kept)))
    else:
        raise SystemExit(f"what shall I do? Not {step}, but `excerpt` or `write`")


if __name__ == "__main__":
    main(*sys.argv[1:])
