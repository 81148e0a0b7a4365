"""`perWorker`: one Service for each worker, so that the client chooses the worker."""

import re

import pytest

from tests.conftest import select

ON = ("--set", "perWorker.enabled=true")
SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
GROUPS = (
    "--set", "instances=1",
    "--set-json", 'computeResources=[{"instances":2,"workersPerPod":2},{"instances":1}]',
    "--set-json", 'additionalPorts=[{"name":"ui"}]',
)  # fmt: skip
# Worker ID, pod, target ports of `worker` and `ui`: counted by hand for the groups above.
TABLE = [
    (0, "job-0-0", 9000, 9001),
    (1, "job-1-0", 9000, 9001),
    (2, "job-1-0", 9002, 9003),
    (3, "job-1-1", 9000, 9001),
    (4, "job-1-1", 9002, 9003),
    (5, "job-2-0", 9000, 9001),
]


def services(template, *arguments):
    """Return the Services of single workers by worker ID."""
    found = [one for one in select(template.objects(*ON, *arguments), "Service") if "-w-" in one["metadata"]["name"]]
    assert [one["metadata"]["name"] for one in found] == [f"job-w-{i}" for i in range(len(found))] or len(found) > 10
    return {int(one["metadata"]["labels"]["twister2-job/worker"]): one for one in found}


def node_ports(template, *arguments):
    """Return {worker ID: {port name: node port, or None for a free one}}."""
    return {
        worker: {port["name"]: port.get("nodePort") for port in one["spec"]["ports"]}
        for worker, one in services(template, *arguments).items()
    }


def test_off_by_default(helm_template):
    assert not any("-w-" in one["metadata"]["name"] for one in select(helm_template.objects(), "Service"))


def test_every_worker_of_every_group_has_its_own_service(helm_template):
    found = services(helm_template, *GROUPS)
    assert [
        (
            worker,
            one["spec"]["selector"]["statefulset.kubernetes.io/pod-name"],
            *(port["targetPort"] for port in one["spec"]["ports"]),
        )
        for worker, one in found.items()
    ] == TABLE
    for one in found.values():
        assert one["spec"]["type"] == "NodePort"
        assert [(port["name"], port["port"]) for port in one["spec"]["ports"]] == [("worker", 9000), ("ui", 9001)]
        assert all("nodePort" not in port for port in one["spec"]["ports"])


def test_several_workers_in_a_pod_are_allowed(helm_template):
    assert len(services(helm_template, "--set", "workersPerPod=3,instances=2")) == 6


def test_only_the_named_ports(helm_template):
    found = services(helm_template, *GROUPS, "--set", "perWorker.ports={ui}")
    assert all([port["name"] for port in one["spec"]["ports"]] == ["ui"] for one in found.values())


def test_cluster_ip(helm_template):
    found = services(helm_template, "--set", "perWorker.type=ClusterIP,perWorker.servicePortBase.worker=500")
    assert [one["spec"]["type"] for one in found.values()] == ["ClusterIP"] * 2
    assert [one["spec"]["ports"][0]["port"] for one in found.values()] == [500, 501]
    assert all("externalTrafficPolicy" not in one["spec"] for one in found.values())


def test_node_port_base_and_overrides(helm_template):
    arguments = ("--set", "perWorker.nodePortBase.ui=30100,perWorker.overrides.4.nodePorts.worker=30001")
    found = node_ports(helm_template, *GROUPS, *arguments, "--set", "perWorker.overrides.2.nodePorts.ui=30009")
    assert [found[worker]["ui"] for worker in range(6)] == [30100, 30101, 30009, 30103, 30104, 30105]
    assert [found[worker]["worker"] for worker in range(6)] == [None, None, None, None, 30001, None]


def test_count_less_exposes_the_first_workers(helm_template):
    assert list(services(helm_template, *GROUPS, "--set", "perWorker.count=2")) == [0, 1]


def test_count_more_reserves_for_the_last_group(helm_template):
    groups = ("--set", "instances=1", "--set-json", 'computeResources=[{"instances":1,"workersPerPod":2}]')
    found = services(helm_template, *groups, "--set", "perWorker.count=6")
    pods = [one["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] for one in found.values()]
    targets = [one["spec"]["ports"][0]["targetPort"] for one in found.values()]
    assert pods == ["job-0-0", "job-1-0", "job-1-0", "job-1-1", "job-1-1", "job-1-2"]
    assert targets == [9000, 9000, 9001, 9000, 9001, 9000]


def test_hosts_annotations_and_labels(helm_template, tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text(
        """
perWorker:
  enabled: true
  hostTemplate: "{worker}.{pod}.{job}.{namespace}.example.com"
  annotations: {who: all, all: "yes"}
  labels: {tier: all}
  overrides:
    "1": {advertisedHost: one.example.com, advertisedPort: 443, annotations: {who: one}, labels: {tier: one}}
"""
    )
    found = services(helm_template, "-f", str(path), "--namespace", "data")
    assert found[0]["metadata"]["annotations"] == {
        "who": "all", "all": "yes", "twister2-job/advertised-host": "0.job-0-0.job.data.example.com",
    }  # fmt: skip
    assert found[1]["metadata"]["annotations"] == {
        "who": "one", "all": "yes", "twister2-job/advertised-host": "one.example.com",
        "twister2-job/advertised-port": "443",
    }  # fmt: skip
    assert [found[worker]["metadata"]["labels"]["tier"] for worker in (0, 1)] == ["all", "one"]


@pytest.mark.parametrize("where", ["annotations", "overrides.1.annotations"])
def test_an_annotation_keeps_the_end_of_its_last_line(newest, where):
    found = services(newest, "--set-json", f'perWorker.{where}.note="a\\nb\\n"')
    assert found[1]["metadata"]["annotations"] == {"note": "a\nb\n"}


def test_helm_test_asks_every_exposed_worker(newest):
    def plan(*arguments):
        pod = newest.one("Pod", "job-test", *ON, *arguments)
        text = next(one["value"] for one in pod["spec"]["containers"][0]["env"] if one["name"] == "PLAN")
        return __import__("json").loads(text)["exposures"]

    assert plan(*GROUPS, "--set", "perWorker.count=9") == [
        {"host": "job-w-{worker}.default.svc", "ports": {"worker": [9000, 0], "ui": [9001, 0]}, "workers": 6}
    ]
    assert plan("--set", "perWorker.internalTrafficPolicy=Local") == []
    base = ("--set", "perWorker.count=1,perWorker.servicePortBase.worker=500,nodePort.enabled=true")
    assert [(one["ports"], one["workers"]) for one in plan(*base)] == [
        ({"worker": [9000, 0]}, 0),
        ({"worker": [500, 1]}, 1),
    ]


@BOTH
@pytest.mark.parametrize(
    "key",
    [
        "ports={worker}", "count=1", "nodePortBase.worker=30001", "servicePortBase.worker=1", "hostTemplate=h",
        "overrides.0.nodePorts.worker=30001",
    ],
)  # fmt: skip
def test_half_written_is_refused(helm_template, key, skip):
    """Never silently another type, never silently nothing."""
    message = helm_template.refuses("--set", f"perWorker.{key}", *skip)
    assert "perWorker.enabled=true" in message and re.split(r"[.=]", key)[0] in message


@BOTH
@pytest.mark.parametrize(
    "key", ["nodePortBase.worker=30001", "overrides.0.nodePorts.worker=30001", "externalTrafficPolicy=Local"]
)
def test_node_port_keys_mean_nothing_with_cluster_ip(helm_template, key, skip):
    message = helm_template.refuses(*ON, "--set", f"perWorker.type=ClusterIP,perWorker.{key}", *skip)
    assert "perWorker.type=ClusterIP" in message and "perWorker" in message


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("perWorker.type=LoadBalancers", "type"),
        ("perWorker.overrides.one.advertisedHost=h", "one"),
        ("perWorker.overrides.01.advertisedHost=h", "01"),
        ("perWorker.overrides.1.nodePort=30001", "nodePort"),
        ("perWorker.overrides.1.nodePorts.worker=1", "a node port from 30000 to 32767"),
        ("perWorker.nodePortBase.worker=29999", "a node port from 30000 to 32767"),
        ("perWorker.nodePortBase=30000", "nodePortBase"),
        ("perWorker.servicePortBase.worker=0", "servicePortBase"),
        ("perWorker.count=-1", "count"),
        ("perWorker.maxServices=-1", "maxServices"),
        ("perWorker.hostTemplate=http://x", "without a port"),
        ("perWorker.externalTrafficPolicy=local", "externalTrafficPolicy"),
        ("perWorker.addressType=Public", "addressType"),
        ("perWorker.nodePorts.worker=30001", "nodePorts"),
    ],
)
def test_schema_refuses(helm_template, values, word):
    assert word in helm_template.refuses(*ON, "--set", values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("perWorker.ports={ui}", "perWorker.ports[0]: the workers have no port ui; take names out of worker"),
        ("perWorker.nodePortBase.ui=30001", "perWorker.nodePortBase.ui: it is no exposed port"),
        ("perWorker.servicePortBase.ui=30001", "perWorker.servicePortBase.ui: it is no exposed port"),
        ("perWorker.overrides.1.nodePorts.ui=30001", "perWorker.overrides.1.nodePorts.ui: it is no exposed port"),
        (
            "perWorker.nodePortBase.worker=32760,instances=10",
            "32760 + 10 workers goes from 32760 to 32769, outside the cluster's node ports 30000-32767 "
            "(nodePort.range); take a base from 30000 to 32758",
        ),
        (
            "perWorker.nodePortBase.worker=30000,perWorker.overrides.0.nodePorts.worker=30001",
            "node port 30001 is given to perWorker.overrides.0.nodePorts.worker too",
        ),
        (
            "nodePort.enabled=true,nodePort.port=30001,perWorker.nodePortBase.worker=30000",
            "perWorker.nodePortBase.worker (worker 1): node port 30001 is given to nodePort.port too",
        ),
        (
            "additionalPorts[0].name=ui,perWorker.nodePortBase.worker=30000,perWorker.nodePortBase.ui=30001",
            "node port 30001 is given to",
        ),
        ("perWorker.count=65", "it would make 65 Services, more than perWorker.maxServices=64"),
        ("instances=65", "it would make 65 Services, more than perWorker.maxServices=64"),
        (
            "perWorker.count=2769,perWorker.maxServices=10000",
            "2769 Services with 1 ports each need more node ports than the 2768 of the cluster",
        ),
        (
            "perWorker.overrides.0.advertisedPort=443",
            "perWorker.overrides.0.advertisedPort: it has no effect without a host",
        ),
        ("nodePort.enabled=true,nodePort.advertisedPort=1", "nodePort.advertisedPort: it has no effect without a host"),
        ("perWorker.servicePortBase.worker=65535", "65535 + 2 workers ends at 65536, above 65535; take 65534 or lower"),
        (
            "additionalPorts[0].name=ui,perWorker.servicePortBase.worker=9000",
            "port ui of the same Service would have the same number",
        ),
        (
            "nodePort.range.max=40000,perWorker.overrides.1.nodePorts.worker=40001",
            "perWorker.overrides.1.nodePorts.worker: 40001 is outside the cluster's node ports 30000-40000",
        ),
    ],
)
def test_template_rules(helm_template, values, sentence):
    assert sentence in helm_template.refuses(*ON, "--set", values)


def test_unknown_placeholders(helm_template, tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text('perWorker: {enabled: true, hostTemplate: "{ordinal}.example.com"}')
    message = helm_template.refuses("-f", str(path))
    assert "perWorker.hostTemplate" in message and "{worker}, {pod}, {job} and {namespace}" in message


def test_all_problems_are_told_at_once(helm_template):
    message = helm_template.refuses(
        *ON, "--set", "perWorker.ports={ui},perWorker.count=99,nodePort.enabled=true,nodePort.ports={beat}"
    )
    assert all(word in message for word in ("perWorker.ports[0]", "maxServices=64", "nodePort.ports[0]"))


def test_a_wider_range_is_honoured(helm_template):
    arguments = ("--set", "nodePort.range.min=20000,perWorker.nodePortBase.worker=20000")
    assert node_ports(helm_template, *arguments) == {0: {"worker": 20000}, 1: {"worker": 20001}}


def test_two_thousand_services_render(newest):
    found = services(newest, "--set", "perWorker.count=2000,perWorker.maxServices=2000")
    assert len(found) == 2000
    assert found[1999]["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "job-0-1999"
