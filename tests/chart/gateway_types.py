"""Types of the Gateway API, for tests: kubernetes-validate knows Kubernetes' own types alone.

They are an excerpt of the Gateway API's CRDs, of the version that the file names:

    python tests/chart/gateway_types.py FOLDER VERSION   # the folder config/crd/standard of sigs.k8s.io/gateway-api
"""

from __future__ import annotations

import functools
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml

EXCERPT = Path(__file__).with_name("gateway_api.json")
GROUP = "gateway.networking.k8s.io"
KINDS = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "ListenerSet")
LEFT_OUT = ("description", "default", "format", "x-kubernetes-validations", "x-kubernetes-list-type")


def _strict(node: Any) -> Any:
    """Return a schema without prose, in which an object has no other fields than those that it names."""
    if isinstance(node, list):
        return [_strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    # A field may have the name of a keyword, so the fields are not told from keywords by their names alone.
    found = {
        key: {name: _strict(one) for name, one in value.items()} if key == "properties" else _strict(value)
        for key, value in node.items()
        if key not in LEFT_OUT
    }
    return {**found, "additionalProperties": False} if "properties" in found else found


@functools.cache
def _schemas() -> dict[str, Any]:
    return dict(json.loads(EXCERPT.read_text())["kinds"])


def check(found: dict[str, Any]) -> None:
    """Assert that the Gateway API has all fields of an object of one of its kinds, and takes their values."""
    assert found["apiVersion"] == f"{GROUP}/v1"
    jsonschema.validate(found["spec"], _schemas()[found["kind"]])


if __name__ == "__main__":
    kinds = {}
    for kind in KINDS:
        crd = yaml.safe_load((Path(sys.argv[1]) / f"{GROUP}_{kind.lower()}s.yaml").read_text())
        version = next(one for one in crd["spec"]["versions"] if one["name"] == "v1")
        kinds[kind] = _strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    document = {"version": sys.argv[2], "kinds": kinds}
    EXCERPT.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
