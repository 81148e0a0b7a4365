"""What Kubernetes would refuse is refused before: names, keys, CIDRs, sizes, and fields that are "as in a pod".

tests/cluster/test_schema_agrees.py shows on a real API server that both are of one opinion.
"""

import base64
import gzip
import json

import pytest

from tests.chart import kubernetes_types
from tests.conftest import CHART, HELM_VERSIONS, Template

SCHEMA_TEXT = (CHART / "values.schema.json").read_text()
NAME = "a name of lower case letters, digits, - and .; put"
NO_KEY = "a key is a name of at most 63"
LABEL = "a text of at most 63 letters"
DATA_KEY = "a key of letters, digits, -, _ and ."
QUOTES = "put quotes around it"
ALLOW = "networkPolicy.allowFrom[0]: "
SPREAD = {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}
JOB = {"class": "a.B", "jar": {"url": "https://a/b.jar"}}


def allow(cidr):
    return "networkPolicy.allowFrom", [cidr]


REFUSED = [
    ("imagePullSecrets", [{"name": "A_b"}], NAME),
    ("serviceAccount.name", "Workers", NAME),
    ("serviceAccount.name", "a..b", NAME),
    ("priorityClassName", "high_", NAME),
    ("priorityClassName", 5, "quotes around a number"),
    ("runtimeClassName", "-a", NAME),
    ("runtimeClassName", "a" * 254, NAME),
    ("job.jar.urlSecret", {"name": "a b", "key": "url"}, NAME),
    ("job.jar.urlSecret", {"name": "a", "key": "a b"}, DATA_KEY),
    ("job.jar.urlSecret", {"name": "a", "key": ".."}, DATA_KEY),
    ("job.jar.urlSecret", {"name": "a", "key": "a" * 254}, DATA_KEY),
    ("job.package.configMaps", ["A"], NAME),
    ("nodeSelector", {"a b": "c"}, NO_KEY),
    ("nodeSelector", {"a": True}, "quotes around a number"),
    ("podLabels", {"a": "x" * 64}, LABEL),
    ("podLabels", {"a": "-"}, LABEL),
    ("podLabels", {"a" * 64: "x"}, NO_KEY),
    ("podLabels", {"Example.com/a": "x"}, NO_KEY),
    ("podLabels", {"a" * 254 + "/a": "x"}, NO_KEY),
    ("podLabels", {"/a": "x"}, NO_KEY),
    ("podLabels", {"a/b/c": "x"}, NO_KEY),
    ("headless.labels", {"": "x"}, NO_KEY),
    ("nodePort.labels", {"_a": "x"}, NO_KEY),
    ("perWorker", {"enabled": True, "overrides": {"0": {"labels": {"a": "b c"}}}}, "a text of letters, digits"),
    ("computeResources", [{"nodeSelector": {"a": "ä"}}], LABEL),
    ("podAnnotations", {"a b": "x"}, NO_KEY),
    ("podAnnotations", {"a": 8080}, QUOTES),
    ("serviceAccount.annotations", {"a" * 64: "x"}, NO_KEY),
    ("perWorker.annotations", {"a" * 254 + "/a": "x"}, NO_KEY),
    ("image.repository", "a b", "repository"),
    ("image.tag", " 1", "tag"),
    ("args", [8080], QUOTES),
    ("env", [{"name": "A", "value": 1}], QUOTES),
    ("env", [{"name": "A", "value": True}], QUOTES),
    ("env", [{"name": "A=", "value": "1"}], "printable ASCII characters without ="),
    ("env", [{"value": "1"}], "name"),
    ("env", [{"name": "A", "valeu": "1"}], "valeu"),
    ("env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}], "key"),
    ("env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b c"}}}], DATA_KEY),
    ("envFrom", [{"secretRef": {"name": "A_b"}}], NAME),
    ("envFrom", [{"secret": {"name": "a"}}], "secret"),
    ("readinessProbe", {"tcpSocket": {"port": 80}, "periodSecond": 1}, "periodSecond"),
    ("readinessProbe", {"tcpSocket": {"port": 80}, "periodSeconds": -1}, "periodSeconds"),
    ("livenessProbe", {"tcpSocket": {}}, "port"),
    ("startupProbe", {"httpGet": {"port": 80, "scheme": "http"}}, "scheme"),
    ("lifecycle", {"prestop": {}}, "prestop"),
    ("extraVolumes", [{"name": "A_b", "emptyDir": {}}], "lower case letters"),
    ("extraVolumes", [{"name": "a", "configmap": {}}], "configmap"),
    ("extraVolumeMounts", [{"name": "a"}], "mountPath"),
    ("extraVolumeMounts", [{"name": "a", "mountPath": "/a", "readonly": True}], "readonly"),
    ("initContainers", [{"name": "a"}], "image"),
    ("initContainers", [{"name": "a", "image": "b", "comand": []}], "comand"),
    ("podSecurityContext", {"runAsUsr": 1000}, "runAsUsr"),
    ("securityContext", {"privileged": "no"}, "privileged"),
    ("securityContext", {"runAsUsr": 1000}, "runAsUsr"),
    ("topologySpreadConstraints", [{**SPREAD, "maxSkew": 0}], "maxSkew"),
    ("topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "a"}], "whenUnsatisfiable"),
    ("sidecars", [{"name": "A", "image": "b"}], "lower case letters"),
    ("resources", {"limit": {"cpu": 1}}, "limit"),
    ("resources", {"limits": {"memory": "1gb"}}, "memory"),
    ("resources", {"limits": {"cpu": -1}}, "cpu"),
    ("computeResources", [{"resources": {"limits": {"memory": "1 Gi"}}}], "memory"),
    ("job.master.resources", {"request": {}}, "request"),
    ("tolerations", [{"key": "a", "operator": "Exist"}], "operator"),
    ("tolerations", [{"key": "a", "value": 1}], "value"),
    ("affinity", {"podAffinty": {}}, "podAffinty"),
    ("podSecurityContext", {"runAsUser": "1000"}, "runAsUser"),
    ("networkPolicy.internalFrom", [{"podSelector": {"matchLabels": {"a": 1}}}], "quotes around a number"),
    ("updateStrategy", {"type": "OnDelete", "rollingUpdate": {"partition": 0}}, "updateStrategy.rollingUpdate needs"),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": "1"}}, "partition"),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}, "partition"),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}, "a number above 0"),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "101%"}}, "1% to 100%"),
    ("terminationGracePeriodSeconds", 1e30, "terminationGracePeriodSeconds"),
    (*allow("10.0.0.5"), "a CIDR, such as"),
    (*allow("10.0.0.0/8 "), "a CIDR, such as"),
    (*allow("010.0.0.0/8"), ALLOW + "010.0.0.0/8 is no CIDR; write one such as"),
    (*allow("10.0.0.0/08"), "is no CIDR"),
    (*allow("10.0.0.0/33"), "is no CIDR"),
    (*allow("10.0.0.5/24"), ALLOW + "10.0.0.5/24 has bits set beyond its first 24, which Kubernetes refuses"),
    (*allow("10.0.0.5/24"), "begin with the network's first address, or write 10.0.0.5/32"),
    (*allow("192.168.255.129/25"), "has bits set beyond its first 25"),
    (*allow("0.0.0.1/0"), "has bits set beyond its first 0"),
    (*allow("2001:db8::1/64"), "has bits set beyond its first 64, which Kubernetes refuses; begin with"),
    (*allow("2001:db8::1/64"), "or write 2001:db8::1/128"),
    (*allow("64:ff9b::1.2.3.0/96"), "has bits set beyond its first 96"),
    (*allow("::ffff:1.2.3.0/120"), ALLOW + "::ffff:1.2.3.0/120 is IPv4 in IPv6"),
    (*allow("::0001.2.3.4/128"), "is no CIDR"),
    (*allow("::256.1.1.1/128"), "is no CIDR"),
    (*allow("1::2::3/128"), ALLOW + "1::2::3/128 is no CIDR"),
    (*allow("1::2:3:4:5:6:7:8/128"), "is no CIDR"),
    (*allow("1:2:3:4:5:6:7/128"), "is no CIDR"),
    (*allow(":1::/128"), "is no CIDR"),
    (*allow("00001::/128"), "is no CIDR"),
]  # fmt: skip
ACCEPTED = [
    ("imagePullSecrets", [{"name": "a.b-c"}]),
    ("serviceAccount.name", "a" * 253),
    ("priorityClassName", "system-node-critical"),
    ("podLabels", {"a" * 63: "x" * 63, "a" * 253 + "/" + "b" * 63: "", "example.com/A_b.c": "A_b.c", "1": "1"}),
    ("podAnnotations", {"Example.COM/a": "any text: ä\n", "a": ""}),
    ("nodeSelector", {"kubernetes.io/os": "linux"}),
    ("env", [{"name": "A b", "value": ""}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
    ("envFrom", [{"prefix": "A_", "secretRef": {"name": "a", "optional": True}}]),
    ("readinessProbe", {"grpc": {"port": 1, "service": "a"}, "periodSeconds": 0}),
    ("livenessProbe", {"httpGet": {"port": "worker", "scheme": "", "httpHeaders": [{"name": "A", "value": "b"}]}}),
    ("lifecycle", {"preStop": {"sleep": {"seconds": 1}}}),
    ("extraVolumes", [{"name": "a", "nfs": {"server": "b", "path": "/c"}}, {"name": "b"}]),
    ("extraVolumes", [{"name": "a", "emptyDir": None}]),
    ("extraVolumes", [{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "b"}}]}}]),
    ("extraVolumeMounts", [{"name": "tmp", "mountPath": "/a", "subPath": "b", "mountPropagation": "None"}]),
    ("sidecars", [{"name": "a", "image": "b", "ports": [{"containerPort": 1}], "env": [{"name": "A", "value": "b"}]}]),
    ("resources", {"limits": {"cpu": ".5", "memory": "1e3", "ephemeral-storage": "1Ki", "example.com/gpu": 1}}),
    ("tolerations", [{"operator": "Exists"}, {"key": "a", "operator": "", "effect": "", "tolerationSeconds": -1}]),
    ("affinity", {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
    ("updateStrategy", {"type": "OnDelete"}),
    ("securityContext", {"capabilities": {"add": ["NET_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}}),
    ("topologySpreadConstraints", [{**SPREAD, "topologyKey": "a/b"}]),
    ("podSecurityContext", {"supplementalGroups": [1], "sysctls": [], "fsGroupChangePolicy": "Always"}),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 3, "maxUnavailable": "050%"}}),
    ("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}),
    *(allow(cidr) for cidr in (
        "0.0.0.0/0", "10.0.0.0/24", "1.2.3.4/32", "::/0", "2001:DB8::/32", "2001:db8:0:0:0:0:0:0/32", "::1/128",
        "1:2:3:4:5:6:7::/112", "64:ff9b::1.2.3.0/120", "1:2:3:4:5:6:1.2.3.4/128", "::ffff:0:1.2.3.4/128",
    )),
    ("job", {**JOB, "jar": {"url": "https://a/b.jar?code=200"}}),
    ("job", {**JOB, "jar": {"url": "https://a/b.jar?x=1&code=de"}}),
    ("job", {**JOB, "jar": {"url": "", "urlSecret": {"name": "a", "key": ".A_b-c"}}}),
]  # fmt: skip


def one_of(path, *fields):
    """Return the start of the sentence about a map that has none of some fields."""
    return f"{path}: it has none of {', '.join(fields[:-1])} or {fields[-1]}, and Kubernetes wants one"


HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
HOOKS = ("exec", "httpGet", "sleep", "tcpSocket")
SOURCES = ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef")
FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
EXACTLY_ONE = [
    ("envFrom", [{}], one_of("envFrom[0]", "configMapRef", "secretRef")),
    ("envFrom", [{"secretRef": {"name": "a"}}, {"prefix": "A"}], one_of("envFrom[1]", "configMapRef", "secretRef")),
    (
        "envFrom", [{"secretRef": {"name": "a"}, "configMapRef": {"name": "a"}}],
        "envFrom[0]: it has configMapRef and secretRef, and Kubernetes takes one of these; leave one",
    ),
    ("env", [{"name": "A", "valueFrom": {}}], one_of("env[0].valueFrom", *SOURCES)),
    ("env", [{"name": "A", "valueFrom": {"fieldRef": None}}], one_of("env[0].valueFrom", *SOURCES)),
    (
        "env", [{"name": "A", "valueFrom": {**FIELD, "secretKeyRef": {"name": "a", "key": "b"}}}],
        "env[0].valueFrom: it has fieldRef and secretKeyRef, and",
    ),
    ("env", [{"name": "A", "value": "a", "valueFrom": FIELD}], "env[0].value: env[0].valueFrom says where the value"),
    *((f"{kind}Probe", {"periodSeconds": 5}, one_of(f"{kind}Probe", *HANDLERS)) for kind in (
        "readiness", "liveness", "startup",
    )),
    ("livenessProbe", {"grpc": None}, one_of("livenessProbe", *HANDLERS)),
    ("startupProbe", {"exec": {}, "tcpSocket": {"port": 1}}, "startupProbe: it has exec and tcpSocket, and"),
    ("lifecycle", {"postStart": {}}, one_of("lifecycle.postStart", *HOOKS)),
    ("lifecycle", {"preStop": {"exec": None}}, one_of("lifecycle.preStop", *HOOKS)),
    (
        "lifecycle", {"preStop": {"sleep": {"seconds": 1}, "exec": {"command": ["a"]}}},
        "lifecycle.preStop: it has exec and sleep, and",
    ),
]  # fmt: skip
ONE = [
    ("envFrom", [{"secretRef": {"name": "a"}}]),
    ("env", [{"name": "A", "value": "", "valueFrom": FIELD}, {"name": "B", "value": "b", "valueFrom": None}]),
    ("readinessProbe", {"exec": {"command": ["a"]}}),
    ("livenessProbe", {"exec": None, "grpc": {"port": 1}}),
    ("lifecycle", {"preStop": {}, "postStart": None}),  # An empty preStop is the chart's own.
]


def arguments(key, value):
    return "--set-json", f"{key}={json.dumps(value)}"


@pytest.mark.parametrize(
    ("key", "value", "word"), REFUSED, ids=[f"{key}={str(value)[:50]}-{word[:20]}" for key, value, word in REFUSED]
)
def test_refused(newest, key, value, word):
    assert word in newest.refuses(*arguments(key, value))


@pytest.mark.parametrize("version", HELM_VERSIONS[:-1])
@pytest.mark.parametrize(
    ("key", "value", "word"),
    [case for case in REFUSED if case[0] in ("podLabels", "env", "priorityClassName", "networkPolicy.allowFrom")][::3],
)
def test_every_helm_says_the_same(version, key, value, word):
    assert word in Template(version).refuses(*arguments(key, value))


@pytest.mark.parametrize(("key", "value"), ACCEPTED, ids=[f"{key}={str(value)[:50]}" for key, value in ACCEPTED])
def test_accepted(newest, key, value):
    assert newest.objects(*arguments(key, value))


@pytest.mark.parametrize("skip", [(), ("--skip-schema-validation",)], ids=["schema", "template"])
@pytest.mark.parametrize(("key", "value", "sentence"), EXACTLY_ONE)
def test_exactly_one_of_some_fields(newest, key, value, sentence, skip):
    assert sentence in newest.refuses(*arguments(key, value), *skip)


@pytest.mark.parametrize(("key", "value"), ONE)
def test_one_of_them_is_enough_and_null_is_none(newest, key, value):
    assert newest.objects(*arguments(key, value), "--skip-schema-validation")


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("envFrom", ["a"], "envFrom[0]"),
        ("env", [{"name": "A", "valueFrom": "a"}], "env[0].valueFrom"),
        ("lifecycle", {"postStart": "a"}, "lifecycle.postStart"),
        ("lifecycle", {"preStop": ["a"]}, "lifecycle.preStop"),
        ("env", ["a"], "env[0]"),
    ],
)
def test_what_is_no_map_is_told_without_the_schema_too(helm_template, key, value, path):
    told = helm_template.refuses(*arguments(key, value), "--skip-schema-validation")
    assert f"{path}: it is {'a list' if value == {'preStop': ['a']} else 'text'}, and must be a map" in told, told


@pytest.mark.parametrize("cidr", ["10.0.0.5/24", "2001:db8::1/64", "1::2::3/128", "10.0.0.5", "/8", ""])
def test_cidrs_are_looked_at_without_the_schema_too(helm_template, cidr):
    assert ALLOW + cidr in helm_template.refuses(*arguments(*allow(cidr)), "--skip-schema-validation")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("podAnnotations", "podAnnotations"),
        ("nodePort.annotations", "nodePort.annotations"),
        ("perWorker", "perWorker.overrides.0.annotations"),
    ],
)
def test_annotations_of_one_object_fit_into_it(newest, tmp_path, key, path):
    def values(length):
        annotations = {"example.com/a": "x" * (length - len("example.com/a"))}
        inside = {"enabled": True, "overrides": {"0": {"annotations": annotations}}}
        found = inside if key == "perWorker" else annotations
        for step in reversed(key.split(".")):
            found = {step: found}
        file = tmp_path / f"{length}.json"
        file.write_text(json.dumps(found))
        return "-f", str(file)

    assert newest.objects(*values(261120))
    assert f"{path}: keys and values are 261121 bytes long" in newest.refuses(*values(261121))


@pytest.mark.parametrize(("length", "groups", "fits"), [(49, 99, True), (49, 100, False), (48, 100, True)])
def test_names_of_many_groups(newest, length, groups, fits):
    """Found on a real API server: with 53 characters it refuses every pod for the label of its revision."""
    name = "a" * length
    values = arguments("computeResources", [{"instances": 1}] * groups)
    if fits:
        assert newest.objects(*values, name=name)
    else:
        sentence = "would have a name of 53 characters, and above 52 Kubernetes refuses the pods"
        assert sentence in newest.refuses(*values, name=name)


TWO = {"enabled": True, "servicePortBase": {"worker": 9000, "u": 9000}, "nodePortBase": {"worker": 30100, "u": 30100}}


@pytest.mark.parametrize(
    ("protocol", "perworker", "sentence"),
    [
        ("UDP", TWO, ""),
        ("UDP", {**TWO, "nodePortBase": {}}, ""),
        ("TCP", TWO, "servicePortBase.u: port worker of the same Service would have the same number and protocol"),
        ("UDP", {**TWO, "servicePortBase": {}}, "perWorker.nodePortBase.u (worker 0): node port 30100 is given to"),
        ("UDP", {**TWO, "nodePortBase": {"worker": 30100, "u": 30101}}, "node port 30101 is given to"),
    ],
)  # fmt: skip
def test_one_number_for_two_protocols(helm_template, protocol, perworker, sentence):
    """The API server takes it where the ports' Service port is one too."""
    values = {"additionalPorts": [{"name": "u", "protocol": protocol}], "perWorker": perworker}
    words = [word for key, value in values.items() for word in arguments(key, value)]
    if sentence:
        assert sentence in helm_template.refuses(*words)
    else:
        assert helm_template.objects(*words)


def test_keys_in_urls_are_still_found(helm_template):
    jar = {"url": "https://a.azurewebsites.net/b?code=" + "Ab3_" * 13}
    assert "it seems to hold a password or token" in helm_template.refuses(*arguments("job", {**JOB, "jar": jar}))


def test_types_are_those_of_the_kept_excerpt():
    """Made by hand would mean: not those of the Kubernetes version that the schema names."""
    kept = json.loads(kubernetes_types.EXCERPT.read_text())
    assert kubernetes_types.generated(kept) in SCHEMA_TEXT
    assert kubernetes_types.written(SCHEMA_TEXT, kubernetes_types.generated(kept)) == SCHEMA_TEXT
    assert f"from Kubernetes {kept['version']}" in SCHEMA_TEXT
    assert kept["types"].keys() == set(kubernetes_types.reach(kept["types"]))


def test_the_schema_and_the_types_in_it_stay_small():
    """Every revision of a release stores it, in base64 inside gzip inside base64."""

    def stored(text):
        return len(base64.b64encode(gzip.compress(base64.b64encode(text.encode()))))

    bare = kubernetes_types.written(SCHEMA_TEXT, f'    "{kubernetes_types.FIRST}": {{}},')
    assert stored(SCHEMA_TEXT) < 16_500
    assert 1_000 < stored(SCHEMA_TEXT) - stored(bare) < 3_100
