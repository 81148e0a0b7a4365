"""Chart and API server are of one opinion: values that one takes, the other takes too.

What the chart makes of the values is posted to the API server, strictly and without being kept.
"""

import json
import shutil

import pytest
import yaml

from tests.cluster.conftest import only_newest_helm
from tests.conftest import CHART, run

pytestmark = only_newest_helm

LONG = "a" * 63
FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}


def one_label(key="a", value="b"):
    return {"podLabels": {key: value}}


def allow(cidr):
    return {"networkPolicy": {"allowFrom": [cidr]}, "nodePort": {"enabled": True, "externalTrafficPolicy": "Local"}}


def env(**entry):
    return {"env": [{"name": "A", **entry}]}


def secret_key(key):
    return env(valueFrom={"secretKeyRef": {"name": "a", "key": key}})


def rolling(**fields):
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}}


def probe(**fields):
    return {"readinessProbe": {"tcpSocket": {"port": 80}, **fields}}


def volume(**source):
    return {"extraVolumes": [{"name": "a", **source}]}


def toleration(**fields):
    return {"tolerations": [{"key": "a", **fields}]}


def limits(**quantities):
    return {"resources": {"limits": quantities}}


def persistent(**more):
    return {"persistence": {"enabled": True, **more}}


def exposed(protocol, **bases):
    """One port more, and a Service for each worker."""
    ports = [{"name": "u", "protocol": protocol}]
    return {"instances": 1, "additionalPorts": ports, "perWorker": {"enabled": True, **bases}}


def same(first, second=None):
    return {"worker": first, "u": second or first}


SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}

# Taken by both.
TAKEN = {
    "names": {"serviceAccount": {"name": "a.b-c"}, "priorityClassName": "a.b", "runtimeClassName": "a0"},
    "longest names": {"serviceAccount": {"name": "a" * 253}, "priorityClassName": "b" * 253},
    "longest label": one_label(LONG, LONG),
    "longest label with prefix": one_label("a" * 253 + "/" + LONG, ""),
    "label of odd letters": one_label("example.com/A_b.C", "A_b.C"),
    "annotation with a prefix in upper case": {"podAnnotations": {"Example.COM/a": "ä\n"}},
    "pod's annotations of 255 KiB": {"podAnnotations": {"a": "x" * (261120 - 1)}},
    "annotations of 255 KiB": {"headless": {"annotations": {"a": "x" * (261120 - 1)}}},
    "environment variable of odd letters": {"env": [{"name": "A b-1", "value": ""}]},
    "key of a Secret": secret_key(".A_b-c..d"),
    "longest key of a Secret": secret_key("a" * 253),
    **{f"CIDR {cidr}": allow(cidr) for cidr in (
        "0.0.0.0/0", "10.0.0.0/24", "1.2.3.4/32", "::/0", "2001:DB8::/32", "2001:db8:0:0:0:0:0:0/32", "::1/128",
        "1:2:3:4:5:6:7::/112", "64:ff9b::1.2.3.0/120", "1:2:3:4:5:6:1.2.3.4/128", "::ffff:0:1.2.3.4/128", "::0001/128",
        "::2:3:4:5:6:7:8/128",
    )},
    "OnDelete": {"updateStrategy": {"type": "OnDelete"}},
    "partition 0": rolling(partition=0),
    "maxUnavailable 1": rolling(maxUnavailable=1),
    "maxUnavailable 050%": rolling(maxUnavailable="050%"),
    "maxUnavailable 100%": rolling(maxUnavailable="100%"),
    "probe with 0": probe(periodSeconds=0, failureThreshold=0),
    "probe of gRPC": {"readinessProbe": {"grpc": {"port": 65535}}},
    "probe of HTTP": {"readinessProbe": {"httpGet": {"port": "worker", "scheme": ""}}},
    "volume without a source": volume(),
    "mount of the chart's own volume": {"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a"}]},
    "volume with an empty source": volume(emptyDir=None),
    "volume with mode 0777": volume(configMap={"name": "a", "defaultMode": 511}),
    "volume with odd medium": volume(emptyDir={"medium": "Disk", "sizeLimit": "1Gi"}),
    "projected volume": volume(projected={"sources": [{"serviceAccountToken": {"path": "b"}}]}),
    "volume of NFS": volume(nfs={"server": "b", "path": "/c"}),
    "toleration with empty texts": toleration(operator="", effect=""),
    "toleration of all": {"tolerations": [{"operator": "Exists", "tolerationSeconds": -1, "effect": "NoExecute"}]},
    "quantities": limits(cpu=".5", memory="1e3", **{"ephemeral-storage": "+1.Ki", "example.com/a": 1}),
    "quantities of all suffixes": limits(cpu="1u", memory="1E"),
    "volumes": persistent(size=".5Gi", storageClass="a.b", labels={"a": ""}, annotations={"a": "b c"}),
    "volume of no class": persistent(size="1E", storageClass="-", accessModes=["ReadWriteOncePod"]),
    "one volume for all": persistent(existingClaim="a.b"),
    "lifecycle": {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}},
    "value empty beside valueFrom": env(value="", valueFrom=FIELD),
    "probe with null beside its kind": {"livenessProbe": {"grpc": None, "tcpSocket": {"port": 80}}},
    "hook null": {"lifecycle": {"postStart": None}},
    "empty preStop, which the chart fills": {"lifecycle": {"preStop": {}}},
    "spread": {"topologySpreadConstraints": [SPREAD]},
    "security context": {"securityContext": {"capabilities": {"add": ["SYS_TIME"]}, "procMount": "Default"}},
    "users": {"podSecurityContext": {"runAsUser": 2147483647, "fsGroup": 0}},
    "one Service port for two protocols": exposed("UDP", servicePortBase=same(9000)),
    "one node port for two protocols": exposed("UDP", servicePortBase=same(9000), nodePortBase=same(30080)),
}  # fmt: skip

# Refused by both.
REFUSED = {
    "upper case": {"serviceAccount": {"name": "Workers"}},
    "empty part": {"priorityClassName": "a..b"},
    "too long": {"runtimeClassName": "a" * 254},
    "- at the start": {"runtimeClassName": "-a"},
    "label value too long": one_label(value=LONG + "a"),
    "label value of -": one_label(value="-"),
    "label value of no text": one_label(value=1),
    "label value with a blank": one_label(value="b c"),
    "label key too long": one_label(LONG + "a"),
    "label prefix too long": one_label("a" * 254 + "/a"),
    "label prefix in upper case": one_label("Example.com/a"),
    "label prefix empty": one_label("/a"),
    "label prefix alone": one_label("a/"),
    "label with two prefixes": one_label("a/b/c"),
    "label prefix with empty part": one_label("a.-b/c"),
    "label key with _ first": one_label("_a"),
    "label key empty": one_label(""),
    "node label": {"nodeSelector": {"a b": "c"}},
    "annotation key": {"podAnnotations": {"a b": "c"}},
    "annotation of no text": {"podAnnotations": {"a": True}},
    "annotations above 256 KiB": {"podAnnotations": {"a": "x" * 262144}},
    "number in env": env(value=1),
    "boolean in env": env(value=True),
    "unknown key in env": env(valeu="1"),
    "= in env": {"env": [{"name": "A=", "value": "1"}]},
    "umlaut in env": {"env": [{"name": "Ä", "value": "1"}]},
    "env without name": {"env": [{"value": "1"}]},
    "key of a Secret with a blank": secret_key("a b"),
    "key of a Secret with .. first": secret_key("..a"),
    "key of a Secret of .": secret_key("."),
    "key of a Secret too long": secret_key("a" * 254),
    "name of a Secret": env(valueFrom={"secretKeyRef": {"name": "A_b", "key": "a"}}),
    **{f"CIDR {cidr}": allow(cidr) for cidr in (
        "10.0.0.5/24", "010.0.0.0/8", "10.0.0.0/08", "1.2.3.4/33", "10.0.0.0", "10.0.0.0/+8", "2001:db8::1/64",
        "::ffff:1.2.3.0/120", "::ffff:0:0/96", "64:ff9b::1.2.3.0/96", "1::2:3:4:5:6:7:8/128", "1::2::3/128",
        "00001::/128", "::/129", "fe80::%eth0/64", ":1::/128", "1:2:3:4:5:6:7/128", "::/032",
    )},
    "OnDelete with rollingUpdate": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 0}}},
    "partition of text": rolling(partition="1"),
    "partition below 0": rolling(partition=-1),
    **{f"maxUnavailable {most!r}": rolling(maxUnavailable=most) for most in (0, -1, "1", "0%", "000%", "101%", "1.5%")},
    "probe below 0": probe(periodSeconds=-1),
    "probe with unknown key": probe(periodSecond=1),
    "probe without port": {"readinessProbe": {"tcpSocket": {}}},
    "probe of http": {"readinessProbe": {"httpGet": {"port": 80, "scheme": "http"}}},
    "lifecycle with unknown key": {"lifecycle": {"prestop": {}}},
    "envFrom of nothing": {"envFrom": [{}]},
    "envFrom of a prefix": {"envFrom": [{"prefix": "A"}]},
    "envFrom of two": {"envFrom": [{"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}]},
    "valueFrom of nothing": env(valueFrom={}),
    "valueFrom of null": env(valueFrom={"fieldRef": None}),
    "valueFrom of two": env(valueFrom={**FIELD, "secretKeyRef": {"name": "a", "key": "a"}}),
    "valueFrom beside value": env(value="a", valueFrom=FIELD),
    **{f"{kind} of nothing": {f"{kind}Probe": {"periodSeconds": 5}} for kind in ("readiness", "liveness", "startup")},
    "probe of null": {"startupProbe": {"grpc": None}},
    "probe of two": {"readinessProbe": {"exec": {"command": ["a"]}, "tcpSocket": {"port": 80}}},
    "postStart of nothing": {"lifecycle": {"postStart": {}}},
    "preStop of nothing": {"lifecycle": {"preStop": {}}, "drainSeconds": 0},
    "preStop of null": {"lifecycle": {"preStop": {"exec": None}}},
    "preStop of two": {"lifecycle": {"preStop": {"sleep": {"seconds": 1}, "exec": {"command": ["a"]}}}},
    "volume name": {"extraVolumes": [{"name": "A_b", "emptyDir": {}}]},
    "volume with unknown source": volume(configmap={}),
    "mount without volume": {"extraVolumeMounts": [{"name": "a", "mountPath": "/a"}]},
    "mount without path": {**volume(), "extraVolumeMounts": [{"name": "a"}]},
    "container without image": {"sidecars": [{"name": "a"}]},
    "container name": {"initContainers": [{"name": "A", "image": "b"}]},
    "toleration with unknown operator": toleration(operator="Exist"),
    "toleration with a number": toleration(value=1),
    "quantity with blank": limits(memory="1 Gi"),
    "quantity with unknown suffix": limits(memory="1gb"),
    "quantity below 0": limits(cpu=-1),
    "quantity empty": limits(cpu=""),
    "resources with unknown key": {"resources": {"limit": {"cpu": 1}}},
    "affinity with unknown key": {"affinity": {"podAffinty": {}}},
    "user of text": {"podSecurityContext": {"runAsUser": "1000"}},
    "pod's security context with unknown key": {"podSecurityContext": {"runAsUsr": 1000}},
    "security context with unknown key": {"securityContext": {"runAsUsr": 1000}},
    "spread of 0": {"topologySpreadConstraints": [{**SPREAD, "maxSkew": 0}]},
    "spread over nothing": {"topologySpreadConstraints": [{**SPREAD, "whenUnsatisfiable": "Never"}]},
    "container with unknown key": {"sidecars": [{"name": "a", "image": "b", "comand": []}]},
    "user below 0": {"podSecurityContext": {"runAsUser": -1}},
    **{f"size {size}": persistent(size=size) for size in ("0", "1 Gi", "1gb", "-1")},
    "class of volumes": persistent(storageClass="a..b"),
    "two modes beside one that stands alone": persistent(accessModes=["ReadWriteOncePod", "ReadWriteOnce"]),
    "what becomes of claims": persistent(retention={"whenScaled": "Keep"}),
    "peer's label of no text": {"networkPolicy": {"internalFrom": [{"podSelector": {"matchLabels": {"a": 1}}}]}},
    "one Service port twice": exposed("TCP", servicePortBase=same(9000)),
    "one node port for two Service ports": exposed("UDP", nodePortBase=same(30080)),
    "one node port twice": exposed("TCP", nodePortBase=same(30080)),
}  # fmt: skip


def rendered(helm, chart, name, values, folder):
    """Return the outcome of `helm template` with a values file."""
    file = folder / f"{name}.json"
    file.write_text(json.dumps(values))
    return run(helm, "template", name, chart, "-f", file)


@pytest.fixture(scope="module")
def answers(helm, cluster_kubeconfig, tmp_path_factory):
    """What chart and API server say to each case: (Helm's message or nothing, names of objects that were refused).

    All objects are posted at once, each case under a name of its own. For cases that the chart refuses they are those
    of the chart without its schema and its rules.
    """
    folder = tmp_path_factory.mktemp("rendered")
    bare = shutil.copytree(CHART, folder / "twister2-job")
    (bare / "values.schema.json").unlink()
    for rules in (bare / "templates").glob("_validate*.tpl"):
        rules.unlink()
    (bare / "templates" / "_validate.tpl").write_text('{{- define "twister2-job.validate" }}{{ end }}')
    said, objects = {}, {}
    for number, (case, values) in enumerate((TAKEN | REFUSED).items()):
        result = rendered(helm, CHART, f"c{number}", values, folder)
        said[case] = result.stderr
        if result.returncode:
            result = rendered(helm, bare, f"c{number}", values, folder)
            assert result.returncode == 0, f"{case}: {result.stderr}"
        objects[case] = [one for one in yaml.safe_load_all(result.stdout) if one]
    # Documents, not a List: of that kubectl posts nothing if anything is wrong in it.
    everything = "\n---\n".join(json.dumps(one) for case in objects.values() for one in case)
    command = ("kubectl", "--kubeconfig", cluster_kubeconfig, "-n", "default", "create", "--dry-run=server")
    result = run(*command, "--validate=strict", "-o", "name", "-f", "-", input=everything)
    taken = set(result.stdout.split())

    def name(one):
        group, _, _ = one["apiVersion"].rpartition("/")
        return f"{one['kind'].lower()}{'.' * bool(group)}{group}/{one['metadata']['name']}"

    refused = {case: [name(one) for one in made if name(one) not in taken] for case, made in objects.items()}
    return {case: (said[case], refused[case], result.stderr) for case in said}


@pytest.mark.parametrize("case", TAKEN)
def test_both_take(answers, case):
    message, refused, reasons = answers[case]
    assert not message
    assert not refused, [line for line in reasons.splitlines() if refused[0].rsplit("/")[-1] in line]


@pytest.mark.parametrize("case", REFUSED)
def test_both_refuse(answers, case):
    message, refused, _ = answers[case]
    assert message
    assert refused
