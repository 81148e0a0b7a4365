"""Strings that YAML, Helm or Kubernetes may take for something else, and pieces of pods that hold them."""

from __future__ import annotations

# Each is a string to whoever writes it; without quotes YAML makes a truth value, a number, a null, a comment ... of it.
WORDS = (
    "on", "off", "y", "n", "yes", "no", "null", "true", "false", "123", "0", "007", "1e3", "0x10", "0b1", "0o17",
    "12345678901234567890", "2001-01-01", "a", "e1",
)  # fmt: skip
ODD = (
    *WORDS, "Yes", "NULL", "True", "~", "1E-3", "1_000", "1.0", ".5", "-1", "+1", ".inf", ".nan", "1:30", " ", " #",
    "a #b", "#a", ": ", "a: b", "a:", ":", "- a", "-", "---", "...", "---\na: b", "{}", "[]", "{a: b}", "[a", "{{ }}",
    "{{ .Values.image }}", '{{ fail "x" }}', "{worker}", "&a", "*a", "!a", "!!int 1", "%a", "%s%d", "@a", "`a`", "|",
    ">", "'", '"', "it's", 'say "hi"', "a\\b", "\\", "\n", "a\nb", "a\n", "\na", "a\r\nb", "\t", "a\tb", " a", "a ",
    "ümlaut", "日本語", "😀", "\u2028", "\u00a0", "\u0085", "\ufeffa", "\x01", "\x7f", "${HOME}", "$(POD_NAME)", "$$",
    "<<", "=", "?", "? a", "a,b", "a=b", "<a>&", "a/b", "a/b/c", "A_b.c-d", "-a", "a-", "a..b", "a b", "x" * 63,
    "x" * 64, "x" * 253, "x" * 254, "x" * 5000,
)  # fmt: skip
# What the chart may replace by what they name; unlike all others, these need not arrive as they are.
PLACEHOLDERS = ("{worker}", "{pod}", "{job}", "{namespace}")
# Labels and annotations that the chart has itself.
OWN_KEYS = (
    "app", "t2-job", "t2-wp", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by", "helm.sh/chart", "twister2-job/mode", "twister2-job/exposure",
    "twister2-job/worker", "twister2-job/group", "twister2-job/advertised-host",
)  # fmt: skip
RELEASES = ("job", "true", "null", "on", "y", "no", "e1", "a", "yes", "n", "x" * 48, "x" * 49, "x" * 50, "1e3", "12345")
NAMESPACES = ("default", "12345", "true", "null", "1e3", "on", "y", "0x10", "0", "1-1", "x" * 63)
# What a value is replaced by to see whether each guard holds.
JUNK = (
    None, "", "x", "true", "false", "1", "null", 0, -1, 1.5, 1000000, 10**9, 2**63 - 1, 2**63, True, False, [], {},
    [None], [""], [1], [{}], {"x": None}, {"x": "y"}, {"x": 1}, {"enabled": True}, {"limits": None}, {"port": {}},
)  # fmt: skip
QUANTITIES = ("100m", "1", 1, 0.5, "64Mi", "1e3", 1000000000, "2Gi", "0", 0)

# Values "as in a pod", by the name of the value. `odd` stands for any string, `word` for a name that Kubernetes takes,
# `quantity` for an amount; the rest is meant as it stands. Some meet what the chart itself has in the pod.
SHAPES: dict[str, tuple[object, ...]] = {
    "env": (
        [{"name": "A", "value": "odd"}], [{"name": "A", "value": "odd"}, {"name": "B", "value": "odd"}],
        [{"name": "JVM_MEMORY_MB", "value": "odd"}], [{"name": "RESTORE_JOB", "value": "odd"}],
        [{"name": "WORKER_PORT", "value": "odd"}], [{"name": "POD_NAME", "value": "odd"}],
        [{"name": "TWISTER2_JOB_URL", "value": "odd"}], [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "word", "key": "word"}}}],
        [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        [{"name": "A", "value": "odd", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        [{"name": "A", "valueFrom": {}}],
    ),
    "envFrom": ([{"configMapRef": {"name": "word", "optional": True}}],
                [{"secretRef": {"name": "word"}, "prefix": "A"}], [{}],
                [{"secretRef": {"name": "word"}, "configMapRef": {"name": "word"}}]),
    "extraVolumes": (
        [{"name": "word", "emptyDir": {}}], [{"name": "word", "configMap": {"name": "word"}}],
        [{"name": "tmp", "emptyDir": {}}], [{"name": "addresses", "emptyDir": {}}], [{"name": "echo", "emptyDir": {}}],
        [{"name": "twister2-memory-dir", "emptyDir": {"medium": "Memory"}}],
        [{"name": "twister2-volatile-dir", "emptyDir": {}}],
        [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}],
        [{"name": "v", "emptyDir": {"sizeLimit": "quantity"}}],
    ),
    "extraVolumeMounts": (
        [{"name": "tmp", "mountPath": "/tmp"}], [{"name": "tmp", "mountPath": "/word"}],
        [{"name": "addresses", "mountPath": "/run/twister2-job"}],
        [{"name": "tmp", "mountPath": "/twister2-memory-dir"}],
        [{"name": "tmp", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/a"}],
        [{"name": "tmp", "mountPath": "/a", "readOnly": True}],
    ),
    "initContainers": ([{"name": "word", "image": "a"}], [{"name": "job-package", "image": "a"}],
                       [{"name": "a", "image": "a"}, {"name": "a", "image": "b"}]),
    "sidecars": ([{"name": "word", "image": "a", "args": ["odd"]}], [{"name": "twister2-container-0", "image": "a"}],
                 [{"name": "a", "image": "a", "command": ["odd"]}, {"name": "a", "image": "b"}],
                 [{"name": "a", "image": "a", "ports": [{"name": "worker", "containerPort": 1}]}]),
    "probe": ({"tcpSocket": {"port": "worker"}, "periodSeconds": 5}, {"exec": {"command": ["odd"]}},
              {"httpGet": {"path": "/word", "port": 9000}, "failureThreshold": 1000000}, {"tcpSocket": {"port": 9000}},
              {"periodSeconds": 5}, {"exec": {"command": ["odd"]}, "tcpSocket": {"port": 9000}}),
    "resources": ({"limits": {"memory": "quantity"}}, {"requests": {"cpu": "quantity"}}, {"limits": {}}, {},
                  {"limits": {"memory": "quantity", "cpu": "quantity"}}),
    "affinity": ({}, {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "word", "operator": "In", "values": ["word"]}]}}]}}),
    "tolerations": ([{"key": "word", "operator": "Equal", "value": "word", "effect": "NoSchedule"}],
                    [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1000000}]),
    "topologySpreadConstraints": ([{"maxSkew": 1, "topologyKey": "word", "whenUnsatisfiable": "ScheduleAnyway"}], []),
    "podSecurityContext": ({}, {"runAsUser": 1000000, "fsGroup": 1000000},
                           {"sysctls": [{"name": "net.a", "value": "odd"}]}),
    "securityContext": ({}, {"readOnlyRootFilesystem": False}, {"runAsUser": 1000000},
                        {"capabilities": {"drop": ["word"]}}),
    "lifecycle": ({"preStop": {"exec": {"command": ["odd"]}}}, {"postStart": {"exec": {"command": ["odd", "odd"]}}},
                  {"preStop": {}}, {"postStart": {"exec": {"command": ["odd"]}, "sleep": {"seconds": 1}}}),
    "rollingUpdate": ({"partition": 0}, {"partition": 1000000}),
    "podSelector": ({}, {"matchLabels": {"word": "word"}}),
    "namespaceSelector": ({}, {"matchLabels": {"word": "word"}}),
    "rules": (
        [{"to": [{"podSelector": {"matchLabels": {"word": "word"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": "a"}]}], [],
    ),
    "config": ({"word": "odd"}, {"a.b": "odd", "c.d": "odd"}, {"a.b": 1000000}, {"a.b": 0.5}, {"a.b": True},
               {"a.b": 2**53 + 1}, {"a.b": ["odd"]}),
    "global": ({"x": "odd"}, {}),
    "hostAliases": ([{"ip": "127.0.0.1", "hostnames": ["word"]}], []),
    "dnsConfig": ({}, {"options": [{"name": "word", "value": "odd"}]}, {"searches": ["word"]}),
    "extraObjects": (
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "word"}, "data": {"word": "odd"}}], [],
        [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "odd"}}], [{}],
    ),
    "volumeClaimTemplates": ([{"metadata": {"name": "word"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}], []),
}  # fmt: skip
# The same with a wrong type: the schema has to refuse them in the values of TYPED, in others if it knows the type.
WRONG: dict[str, tuple[object, ...]] = {
    "env": ([{"name": "A", "value": 5}], [{"name": "A", "value": True}], [{"name": 5, "value": "a"}], [{"value": "a"}],
            [{"name": "A", "valueFrom": "a"}]),
    "envFrom": ([{"configMapRef": {"name": 5}}], [{"configMapRef": "a"}]),
    "extraVolumes": ([{"name": 5, "emptyDir": {}}], [{"emptyDir": {}}]),
    "extraVolumeMounts": ([{"name": "tmp", "mountPath": 5}], [{"name": "tmp", "mountPath": "/a", "readOnly": "true"}]),
    "initContainers": ([{"name": 5, "image": "a"}],),
    "sidecars": ([{"name": 5, "image": "a"}], [{"image": "a"}]),
    "probe": ({"tcpSocket": "worker"}, {"exec": {"command": "odd"}}, {"periodSeconds": "5", "tcpSocket": {"port": 1}}),
    "resources": ({"limits": None}, {"limits": "a"}, {"limits": {"memory": {}}}, {"limits": {"memory": "a"}}),
    "affinity": ({"nodeAffinity": "a"},),
    "tolerations": ([{"key": "a", "operator": "Exists", "tolerationSeconds": "5", "effect": "NoExecute"}],
                    [{"key": 5}]),
    "topologySpreadConstraints": ([{"maxSkew": "1", "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway"}],),
    "podSecurityContext": ({"runAsUser": "1000"},),
    "securityContext": ({"runAsUser": "1000"},),
    "lifecycle": ({"preStop": "a"},),
    "rollingUpdate": ({"partition": "1"},),
    "podSelector": ({"matchLabels": {"a": 1}}, {"matchLabels": "a"}),
    "namespaceSelector": ({"matchLabels": {"a": 1}},),
}  # fmt: skip
TYPED = ("env", "envFrom", "extraVolumes", "extraVolumeMounts", "resources", "tolerations", "probe")
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
