"""values.schema.json: what it refuses, and that it and values.yaml are about the same things."""

import json

import jsonschema
import pytest
import yaml

from tests.conftest import CHART, HELM_VERSIONS, Template

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())

REFUSED = [
    ("--set", "nodePort.enabled=yes", "enabled"),
    ("--set-string", "nodePort.enabled=true", "enabled"),
    ("--set", "nodePort.enabled=true,nodePort.port=80", "0 (a free one) or a node port from 30000 to 32767"),
    ("--set", "nodePort.enabled=true,nodePort.port=32768", "0 (a free one) or a node port from 30000 to 32767"),
    ("--set", "nodePort.enabled=true,nodePort.port=-1", "port"),
    ("--set", "nodePort.enabled=true,nodePort.nodePorts.worker=29999", "a node port from 30000 to 32767"),
    ("--set", "nodePort.enabled=true,nodePort.port=abc", "port"),
    ("--set", "nodePort.prot=1", "prot"),
    ("--set", "nodeport.enabled=true", "nodeport"),
    ("--set", "nodePort.externalTrafficPolicy=local", "externalTrafficPolicy"),
    ("--set", "nodePort.internalTrafficPolicy=All", "internalTrafficPolicy"),
    ("--set", "nodePort.sessionAffinity=Cookie", "sessionAffinity"),
    ("--set", "nodePort.addressType=Public", "addressType"),
    ("--set", "nodePort.advertisedHost=host:80/x", "without a port"),
    ("--set", "nodePort.advertisedHost=http://host", "without a port"),
    ("--set", "nodePort.advertisedPort=65536", "advertisedPort"),
    ("--set", "nodePort.ipFamilyPolicy=DualStack", "ipFamilyPolicy"),
    ("--set", "nodePort.ipFamilies={IPv4,IPv4}", "ipFamilies"),
    ("--set", "nodePort.ipFamilies={IPv4,IPv6},nodePort.ipFamilyPolicy=SingleStack", "two ipFamilies need"),
    ("--set", "headless.ipFamilies={IPv4,IPv6},headless.ipFamilyPolicy=", "two ipFamilies need"),
    ("--set", "nodePort.range.min=0", "min"),
    ("--set", "instances=0", "instances"),
    ("--set", "instances=1.5", "instances"),
    ("--set", "workersPerPod=0", "workersPerPod"),
    ("--set", "workerPort=0", "workerPort"),
    ("--set", "workerPort=65536", "workerPort"),
    ("--set", "protocol=HTTP", "protocol"),
    ("--set", "additionalPorts[0].name=UI", "name"),
    ("--set", "additionalPorts[0].name=ui-1", "name"),
    ("--set", "additionalPorts[0].name=abcdefghijklm", "name"),
    ("--set", "additionalPorts[0].protocol=TCP", "name"),
    ("--set", "additionalPorts[0].name=ui,additionalPorts[0].port=1", "port"),
    ("--set", "computeResources[0].image=x", "image"),
    ("--set", "image.digest=sha256:1", "sha256"),
    ("--set", "image.pullPolicy=Sometimes", "pullPolicy"),
    ("--set", "echo.image.repository=", "repository"),
    ("--set", "suspend=1", "suspend"),
    ("--set", "command=sleep", "command"),
    ("--set", "podLabels.a=1", "podLabels"),
    ("--set", "imagePullSecrets[0]=x", "imagePullSecrets"),
    ("--set", "serviceAccount.token=true", "token"),
    ("--set", "updateStrategy.type=Recreate", "updateStrategy"),
    ("--set", "terminationGracePeriodSeconds=-1", "terminationGracePeriodSeconds"),
]


@pytest.mark.parametrize(("flag", "values", "word"), REFUSED, ids=[values for _, values, _ in REFUSED])
def test_refused(helm_template, flag, values, word):
    assert word in helm_template.refuses(flag, values)


@pytest.mark.parametrize(
    "values",
    [
        "global.anything=1",
        "nodePort.enabled=true,nodePort.port=30000",
        "nodePort.enabled=true,nodePort.port=32767",
        "nodePort.enabled=true,nodePort.ipFamilies={IPv6,IPv4},nodePort.ipFamilyPolicy=RequireDualStack",
        "nodePort.advertisedHost=2001:db8::1",
        "additionalPorts[0].name=ui-a",
        "instances=1,workersPerPod=100",
    ],
)
def test_accepted(helm_template, values):
    assert helm_template.objects("--set", values)


def test_schema_is_draft_07_and_sound():
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def walk(schema, path=""):
    """Yield every object schema with named properties, with its path."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema and not path.rsplit("/", 1)[-1] == "if":
            yield path, schema
        for key, inner in schema.items():
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from walk(inner, f"{path}/{index}")


def test_every_object_is_closed():
    """But for what is other charts' too."""
    open_objects = {
        path for path, schema in walk(SCHEMA) if "/if" not in path and schema.get("additionalProperties") is not False
    }
    assert open_objects == {"/properties/global"}


def resolve(schema):
    while "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if name[0].isupper():  # A type of Kubernetes: values.yaml names of its fields what the chart sets.
            return {}
        schema = SCHEMA["definitions"][name]
    return schema


def paths(values, schema, path=""):
    """Yield (path, in values, in schema) of every key, as deep as the schema names keys."""
    schema = resolve(schema)
    for key in values.keys() | schema.get("properties", {}).keys():
        yield f"{path}{key}", key in values, key in schema["properties"]
        if isinstance(values.get(key), dict) and "properties" in resolve(schema["properties"].get(key, {})):
            yield from paths(values[key], schema["properties"][key], f"{path}{key}.")


def test_schema_and_values_name_the_same_keys():
    """But for Kubernetes' own keys, whose defaults are Kubernetes' too, and what umbrella charts set."""
    optional = {"updateStrategy.rollingUpdate", "enabled", "global.imageRegistry", "global.imagePullSecrets"}
    optional |= {f"dnsConfig.{key}" for key in ("nameservers", "searches", "options")}
    optional |= {f"gateway.perWorker.listenerSet.tls.{key}" for key in ("certificateRefs", "options")}
    assert {path for path, left, right in paths(VALUES, SCHEMA) if left != right} == optional


def test_no_default_is_null():
    def nulls(value, path=""):
        if value is None:
            yield path
        for key, inner in value.items() if isinstance(value, dict) else ():
            yield from nulls(inner, f"{path}.{key}")

    assert list(nulls(VALUES)) == []


@pytest.mark.parametrize("version", HELM_VERSIONS)
@pytest.mark.parametrize(
    ("name", "word"),
    [("a" * 50, "at most 49"), ("1job", "starts with a letter"), ("my.job", "starts with a letter")],
)
def test_release_names_that_are_no_job_names(version, name, word):
    assert word in Template(version).refuses(name=name)


@pytest.mark.parametrize("name", ["a", "a" * 49, "j0-b"])
def test_release_names_that_are_job_names(helm_template, name):
    assert helm_template.objects(name=name)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("additionalPorts[0].name=worker", "additionalPorts[0].name: worker is the name of another port"),
        ("additionalPorts[0].name=a,additionalPorts[1].name=a", "additionalPorts[1].name: a is the name of another"),
        ("workerPort=65535,workersPerPod=2", "ends at 65536, above 65535; take 65534 or lower"),
        ("workerPort=65530,computeResources[0].workersPerPod=9", "ends at 65538, above 65535; take 65527 or lower"),
    ],
)
def test_rules_about_ports(helm_template, values, sentence):
    assert sentence in helm_template.refuses("--set", values)
