"""The shared way in, `nodePort`, and the rule of one worker per pod."""

import pytest

ON = ("--set", "nodePort.enabled=true")
SKIP = "--skip-schema-validation"


def service(template, *arguments):
    return template.one("Service", "job-nodeport", *ON, *arguments)["spec"]


def ports(template, *arguments):
    return [(port["name"], port["port"], port.get("nodePort")) for port in service(template, *arguments)["ports"]]


def test_off_by_default(helm_template):
    kinds = {(found["kind"], found["metadata"]["name"]) for found in helm_template.objects()}
    assert ("Service", "job-nodeport") not in kinds and ("Service", "job") in kinds


def test_dynamic_by_default(helm_template):
    spec = service(helm_template)
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [{"name": "worker", "port": 9000, "targetPort": 9000, "protocol": "TCP"}]


def test_fixed_port(helm_template):
    assert ports(helm_template, "--set", "nodePort.port=30042") == [("worker", 9000, 30042)]


def test_several_ports_with_some_fixed(helm_template):
    more = ("--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]')
    assert ports(helm_template, *more) == [("worker", 9000, None), ("ui", 9001, None), ("beat", 9002, None)]
    some = (*more, "--set", "nodePort.ports={beat,ui},nodePort.port=30001,nodePort.nodePorts.ui=30002")
    assert ports(helm_template, *some) == [("beat", 9002, 30001), ("ui", 9001, 30002)]


def test_labels_and_annotations(helm_template):
    arguments = ("--set", "nodePort.labels.a=b,nodePort.annotations.c=d,nodePort.advertisedHost=h.example.com")
    metadata = helm_template.one("Service", "job-nodeport", *ON, *arguments, "--set", "nodePort.advertisedPort=443")[
        "metadata"
    ]
    assert {"a": "b", "twister2-job/exposure": "nodePort"}.items() <= metadata["labels"].items()
    assert metadata["annotations"] == {
        "c": "d",
        "twister2-job/advertised-host": "h.example.com",
        "twister2-job/advertised-port": "443",
    }


def test_a_label_of_the_users_can_not_replace_the_charts(newest):
    arguments = ("--set-json", 'nodePort.labels={"twister2-job/exposure":"x"}')
    assert "nodePort.labels: twister2-job/exposure is the chart's own" in newest.refuses(*ON, *arguments)


@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
@pytest.mark.parametrize(
    "groups",
    [
        ("--set", "workersPerPod=2"),
        ("--set-json", 'computeResources=[{"instances":1},{"workersPerPod":2}]'),
        ("--set-json", "workersPerPod=2", "--set-json", 'computeResources=[{"workersPerPod":1}]'),
    ],
    ids=["group 0", "group 2", "only group 0"],
)
def test_one_worker_per_pod(helm_template, groups, skip):
    message = helm_template.refuses(*ON, *groups, *skip)
    assert "nodePort.enabled" in message and "workersPerPod" in message and "set " in message


@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
def test_one_worker_per_pod_is_inherited(helm_template, skip):
    """A group that sets nothing inherits the top level's two workers."""
    message = helm_template.refuses(*ON, "--set", "workersPerPod=2", "--set-json", "computeResources=[{}]", *skip)
    assert "nodePort.enabled" in message and "workersPerPod" in message


def test_several_workers_per_pod_without_node_port(helm_template):
    assert helm_template.objects("--set", "workersPerPod=3")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("nodePort.ports={ui}", "nodePort.ports[0]: the workers have no port ui"),
        ("nodePort.nodePorts.ui=30001", "nodePort.nodePorts.ui: it is no exposed port"),
        (
            "nodePort.port=30001,nodePort.nodePorts.worker=30002",
            "nodePort.port gives the node port of this port already",
        ),
        ("nodePort.range.min=100,nodePort.port=99", "nodePort.port: 99 is outside the cluster's node ports 100-32767"),
        ("nodePort.range.max=40000,nodePort.port=40001", "40001 is outside the cluster's node ports 30000-40000"),
        ("nodePort.range.min=32000,nodePort.range.max=31000", "nodePort.range: min 32000 is above max 31000"),
        (
            "additionalPorts[0].name=ui,nodePort.port=30001,nodePort.nodePorts.ui=30001",
            "nodePort.nodePorts.ui: node port 30001 is given to nodePort.port too",
        ),
    ],
)
def test_template_rules(helm_template, values, sentence):
    assert sentence in helm_template.refuses(*ON, "--set", values)


def test_all_problems_are_told_at_once(helm_template):
    message = helm_template.refuses(*ON, "--set", "nodePort.ports={ui},nodePort.range.min=31000,nodePort.port=30999")
    assert "nodePort.ports[0]" in message and "30999 is outside" in message


def test_a_wider_range_is_honoured(helm_template):
    assert ports(helm_template, "--set", "nodePort.range.min=20000,nodePort.port=20001") == [("worker", 9000, 20001)]


@pytest.mark.parametrize("key", ["port=30001", "ports={worker}", "nodePorts.worker=30001"])
@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
def test_half_written_is_refused(helm_template, key, skip):
    message = helm_template.refuses("--set", f"nodePort.{key}", *skip)
    assert f"nodePort.{key.split('=')[0].split('.')[0]}" in message and "nodePort.enabled" in message
