"""`loadBalancer`, and `perWorker` of type LoadBalancer: what they render, and what is refused."""

import pytest

from tests.conftest import select

ON = ("--set", "loadBalancer.enabled=true")
OWN = ("--set", "perWorker.enabled=true,perWorker.type=LoadBalancer")
SHARING = (
    *OWN, "--set",
    "perWorker.loadBalancer.shareAddress=true,perWorker.loadBalancer.shareAnnotation=metallb.io/allow-shared-ip,"
    "perWorker.servicePortBase.worker=9000",
)  # fmt: skip
SKIP = "--skip-schema-validation"
BASE = "perWorker.servicePortBase"


def shared(template, *arguments):
    return template.one("Service", "job-loadbalancer", *ON, *arguments)


def own(template, *arguments):
    return [s for s in select(template.objects(*OWN, *arguments), "Service") if "-w-" in s["metadata"]["name"]]


def test_off_by_default(helm_template):
    assert not [s for s in select(helm_template.objects(), "Service") if s["spec"].get("type") == "LoadBalancer"]


def test_the_shared_one_has_no_class_and_no_fixed_port_by_default(helm_template):
    service = shared(helm_template)
    assert service["metadata"]["labels"]["twister2-job/exposure"] == "loadBalancer"
    assert "t2-job" not in service["metadata"]["labels"] and "annotations" not in service["metadata"]
    spec = service["spec"]
    assert (spec["type"], spec["allocateLoadBalancerNodePorts"]) == ("LoadBalancer", True)
    assert not {"loadBalancerClass", "loadBalancerSourceRanges", "healthCheckNodePort"} & spec.keys()
    assert spec["ports"] == [{"name": "worker", "port": 9000, "targetPort": 9000, "protocol": "TCP"}]


def test_everything_that_it_can_have(all_ci_objects):
    from tests.conftest import CHART

    found = select(all_ci_objects(CHART / "ci" / "loadbalancer-values.yaml"), "Service", "job-loadbalancer")[0]
    assert found["metadata"]["labels"]["tier"] == "edge"
    assert found["metadata"]["annotations"]["example.com/scheme"] == "internal"
    wanted = {
        "loadBalancerClass": "example.com/internal",
        "loadBalancerSourceRanges": ["203.0.113.0/24"],
        "allocateLoadBalancerNodePorts": False,
        "healthCheckNodePort": 30900,
        "externalTrafficPolicy": "Local",
    }
    assert wanted.items() <= found["spec"].items()


def test_only_the_named_ports(newest):
    spec = shared(newest, "--set", "additionalPorts[0].name=ui,loadBalancer.ports={ui}")["spec"]
    assert [port["name"] for port in spec["ports"]] == ["ui"]


@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
@pytest.mark.parametrize(
    "groups", ["workersPerPod=2", 'computeResources=[{"instances":1,"workersPerPod":2}]'], ids=["group 0", "group 1"]
)
def test_one_worker_per_pod(helm_template, groups, skip):
    message = helm_template.refuses(*ON, "--set-json", groups, *skip)
    assert "workersPerPod: it is 2, but loadBalancer.enabled=true needs one worker per pod" in message
    assert "a port of a load balancer reaches one port of a pod" in message


def test_each_worker_has_a_load_balancer_of_its_own(helm_template):
    balancer = "perWorker.loadBalancer.class=example.com/x,perWorker.loadBalancer.sourceRanges={10.0.0.0/8}"
    found = own(helm_template, "--set", f"{balancer},workersPerPod=2")
    assert [s["metadata"]["name"] for s in found] == ["job-w-0", "job-w-1", "job-w-2", "job-w-3"]
    for service in found:
        spec = service["spec"]
        assert (spec["type"], spec["loadBalancerClass"]) == ("LoadBalancer", "example.com/x")
        assert spec["loadBalancerSourceRanges"] == ["10.0.0.0/8"] and spec["allocateLoadBalancerNodePorts"] is True
        assert "annotations" not in service["metadata"]


@pytest.mark.parametrize("value", ["", "203.0.113.9"])
def test_sharing_gives_all_one_key_and_each_a_number(helm_template, value):
    found = own(helm_template, *SHARING, "--set", f"perWorker.loadBalancer.shareValue={value}", "--namespace", "data")
    assert [s["spec"]["ports"][0]["port"] for s in found] == [9000, 9001]
    for service in found:
        assert service["metadata"]["annotations"] == {
            "metallb.io/allow-shared-ip": value or "data/job",
            "twister2-job/share": "metallb.io/allow-shared-ip",
        }


def test_node_ports_of_load_balancers_can_be_fixed(newest):
    found = own(newest, "--set", "perWorker.nodePortBase.worker=30100,perWorker.overrides.1.nodePorts.worker=30001")
    assert [s["spec"]["ports"][0]["nodePort"] for s in found] == [30100, 30001]


def test_the_network_policy_opens_the_ports(newest):
    policies = select(newest.objects(*ON, "--set", "loadBalancer.sourceRanges={10.0.0.0/8}"), "NetworkPolicy", "job")
    rules = policies[0]["spec"]["ingress"]
    assert {"ports": [{"port": 9000, "protocol": "TCP"}]} in rules


def test_helm_test_asks_the_load_balancers_service(newest):
    pod = newest.one("Pod", "job-test", *ON)
    plan = next(one["value"] for one in pod["spec"]["containers"][0]["env"] if one["name"] == "PLAN")
    assert '"host":"job-loadbalancer.default.svc","ports":{"worker":[9000,0]}' in plan


def test_the_pods_are_the_same_with_and_without(newest):
    def pods(*arguments):
        return [s["spec"]["template"] for s in select(newest.objects(*arguments), "StatefulSet")]

    assert pods() == pods(*ON) == pods(*SHARING) == pods(*ON, *SHARING)


@pytest.mark.parametrize(
    ("values", "most"),
    [((), 16), (("--set", "perWorker.maxServices=15"), 15), (("--set", "perWorker.maxServices=65"), 65)],
    ids=["default", "15", "65"],
)
def test_more_load_balancers_than_wanted_are_refused_since_each_may_cost_money(helm_template, values, most):
    assert len(own(helm_template, *values, "--set", f"perWorker.count={most}")) == most
    message = helm_template.refuses(*OWN, *values, "--set", f"perWorker.count={most + 1}")
    assert f"it would make {most + 1} load balancers, each of which may cost money" in message
    assert f"perWorker.maxServices={most}" in message
    assert "(perWorker.loadBalancer.shareAddress, gateway, ingress)" in message


def test_the_default_of_older_charts_is_no_wish_for_so_many_load_balancers(helm_template):
    """`--reuse-values` brings it."""
    old = ("--set", "perWorker.maxServices=64")
    assert len(own(helm_template, *old, "--set", "perWorker.count=16")) == 16
    message = helm_template.refuses(*OWN, *old, "--set", "perWorker.count=20")
    assert "it would make 20 load balancers" in message and "perWorker.maxServices=16" in message
    assert "64, the default of older charts, counts as not set" in message
    assert len(own(helm_template, *SHARING, *old, "--set", "perWorker.count=20")) == 20


def test_workers_that_share_an_address_count_as_all_services_do(newest):
    assert len(own(newest, *SHARING, "--set", "perWorker.count=64")) == 64
    assert "it would make 65 Services, more than perWorker.maxServices=64" in newest.refuses(
        *SHARING, "--set", "perWorker.count=65"
    )


@pytest.mark.parametrize(
    "key",
    ["ports={worker}", "class=x", "sourceRanges={10.0.0.0/8}", "allocateNodePorts=false", "healthCheckNodePort=30900"],
)
def test_half_written_is_refused(helm_template, key):
    name = key.partition("=")[0]
    for skip in ((), (SKIP,)):
        message = helm_template.refuses("--set", f"loadBalancer.{key}", *skip)
        assert f"loadBalancer.{name}: it is set, but loadBalancer.enabled is false" in message


@pytest.mark.parametrize(
    "key",
    [
        "class=x", "sourceRanges={10.0.0.0/8}", "allocateNodePorts=false", "shareAddress=true", "shareAnnotation=a/b",
        "shareValue=v",
    ],
)  # fmt: skip
def test_keys_of_load_balancers_mean_nothing_with_another_type(helm_template, key):
    name = key.partition("=")[0]
    for kind in ("NodePort", "ClusterIP"):
        values = f"perWorker.enabled=true,perWorker.type={kind},perWorker.loadBalancer.{key}"
        message = helm_template.refuses("--set", values)
        assert f"perWorker.loadBalancer.{name}: it has no effect with perWorker.type={kind}" in message
    assert "perWorker.loadBalancer: it is set, but perWorker.enabled is false" in helm_template.refuses(
        "--set", f"perWorker.loadBalancer.{key}"
    )


SHARE = "perWorker.loadBalancer.shareAddress"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (*ON, "--set", "loadBalancer.healthCheckNodePort=30900"),
            "loadBalancer.healthCheckNodePort: with externalTrafficPolicy=Cluster there is none",
        ),
        ((*ON, "--set", "loadBalancer.advertisedPort=443"), "loadBalancer.advertisedPort: it has no effect without"),
        ((*ON, "--set", "loadBalancer.ports={ui}"), "loadBalancer.ports[0]: the workers have no port ui"),
        ((*ON, "--set", "loadBalancer.sourceRanges={10.0.0.1/8}"), "loadBalancer.sourceRanges[0]: 10.0.0.1/8 has bits"),
        (
            (*OWN, "--set", "perWorker.loadBalancer.sourceRanges={300.0.0.0/8}"),
            "perWorker.loadBalancer.sourceRanges[0]: 300.0.0.0/8 is no CIDR",
        ),
        (
            (*ON, "--set", "loadBalancer.externalTrafficPolicy=Local,loadBalancer.healthCheckNodePort=30001,"
             "nodePort.enabled=true,nodePort.port=30001"),
            "node port 30001 is given to loadBalancer.healthCheckNodePort too",
        ),
        (
            (*ON, "--set", "loadBalancer.externalTrafficPolicy=Local,loadBalancer.healthCheckNodePort=1"),
            "loadBalancer.healthCheckNodePort: 1 is outside the cluster's node ports",
        ),
        (
            (*OWN, "--set", f"{SHARE}=true,perWorker.servicePortBase.worker=1"),
            f"{SHARE}: controllers learn of it by an annotation of theirs",
        ),
        (
            (*OWN, "--set", f"{SHARE}=true,perWorker.loadBalancer.shareAnnotation=a/b"),
            f"{SHARE}: on one address each worker needs a number of its own; set perWorker.servicePortBase.worker",
        ),
        ((*SHARING, "--set", "perWorker.externalTrafficPolicy=Local"), f"{SHARE}: with externalTrafficPolicy=Local"),
        (
            (*SHARING, "--set", "additionalPorts[0].name=ui,perWorker.servicePortBase.ui=9001"),
            "perWorker.servicePortBase.worker: port ui of the same address would have the same number",
        ),
        (
            (*OWN, "--set", "perWorker.loadBalancer.shareValue=v"),
            "perWorker.loadBalancer.shareValue: it has no effect without perWorker.loadBalancer.shareAddress",
        ),
        (
            (*OWN, "--set", "perWorker.loadBalancer.shareAnnotation=v"),
            "perWorker.loadBalancer.shareAnnotation: it has no effect without perWorker.loadBalancer.shareAddress",
        ),
        (
            (*OWN, "--set", "perWorker.loadBalancer.allocateNodePorts=false,perWorker.nodePortBase.worker=30001"),
            "perWorker.nodePortBase: perWorker.loadBalancer.allocateNodePorts=false is for Services without node ports",
        ),
        (
            (*OWN, "--set",
             "perWorker.loadBalancer.allocateNodePorts=false,perWorker.overrides.1.nodePorts.worker=30001"),
            "perWorker.overrides.1.nodePorts: perWorker.loadBalancer.allocateNodePorts=false",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_refused(helm_template, arguments, sentence):
    assert sentence in helm_template.refuses(*arguments)


KEY = "metallb\\.io/allow-shared-ip"


@pytest.mark.parametrize("path", ["perWorker.annotations", "perWorker.overrides.1.annotations", "commonAnnotations"])
def test_the_users_value_for_sharing_is_not_replaced_in_silence(newest, path):
    message = newest.refuses(*SHARING, "--set", f"{path}.{KEY}=mine")
    assert f"{path}: metallb.io/allow-shared-ip is perWorker.loadBalancer.shareAnnotation" in message
    assert "set perWorker.loadBalancer.shareValue" in message


@pytest.mark.parametrize("key", ["twister2-job/share", "twister2-job/other"])
def test_no_controller_shares_by_an_annotation_of_the_charts_own(newest, key):
    message = newest.refuses(*SHARING, "--set", f"perWorker.loadBalancer.shareAnnotation={key}")
    assert f"perWorker.loadBalancer.shareAnnotation: {key} is the chart's own" in message


ONE_HOST = "perWorker.hostTemplate=w.example.com"


@pytest.mark.parametrize(
    "values",
    [
        ONE_HOST,
        "perWorker.hostTemplate={pod}.example.com,workersPerPod=2",
        f"{ONE_HOST},additionalPorts[0].name=ui,perWorker.servicePortBase.ui=9500",
        f"{ONE_HOST},instances=3,perWorker.overrides.1.advertisedHost=one.example.com",
    ],
    ids=["no placeholder", "two workers in a pod", "a port without a base", "a host for one of three"],
)
def test_one_host_for_load_balancers_of_one_number_is_refused(newest, values):
    message = newest.refuses(*OWN, "--set", values.replace("{pod}", "\\{pod\\}"))
    assert "is one host for several workers, and their port worker has one number" in message
    assert "perWorker.advertisedPortBase.worker" in message


@pytest.mark.parametrize(
    "values",
    [
        "perWorker.hostTemplate=w-\\{worker\\}.example.com", "perWorker.hostTemplate=\\{pod\\}.example.com",
        f"{ONE_HOST},perWorker.servicePortBase.worker=9500", f"{ONE_HOST},perWorker.advertisedPortBase.worker=9500",
        f"{ONE_HOST},perWorker.count=1", f"{ONE_HOST},perWorker.overrides.1.advertisedHost=one.example.com",
        f"{ONE_HOST},perWorker.overrides.1.advertisedPort=9100",
    ],
)  # fmt: skip
def test_a_host_or_a_number_of_each_workers_own_is_fine(newest, values):
    assert len(own(newest, "--set", values)) == 1 + ("count=1" not in values)


def test_ports_of_two_protocols_may_have_one_number_on_a_shared_address(newest):
    ports = ("--set", "additionalPorts[0].name=beat,additionalPorts[0].protocol=UDP", "--set", f"{BASE}.beat=9000")
    assert [[p["port"] for p in s["spec"]["ports"]] for s in own(newest, *SHARING, *ports)] == [[9000] * 2, [9001] * 2]


@pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
@pytest.mark.parametrize(("on", "block"), [(ON, "loadBalancer"), (OWN, "perWorker")], ids=["shared", "own"])
def test_a_network_policy_can_not_tell_clients_apart_behind_cluster(helm_template, on, block, skip):
    arguments = (*on, "--set", "networkPolicy.allowFrom={203.0.113.0/24}")
    message = helm_template.refuses(*arguments, *skip)
    assert "allowFrom" in message and "Local" in message
    if skip:
        ranges = {"loadBalancer": "loadBalancer", "perWorker": "perWorker.loadBalancer"}[block] + ".sourceRanges"
        remedy = f"or leave networkPolicy.allowFrom out and set {ranges}"
        assert f"set {block}.externalTrafficPolicy=Local, {remedy}" in message
        set_ = (*on, "--set", f"{ranges}={{203.0.113.0/24}}")
        assert remedy in helm_template.refuses(*arguments, *set_, *skip) and helm_template.objects(*set_, *skip)
    assert helm_template.objects(*arguments, "--set", f"{block}.externalTrafficPolicy=Local")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("loadBalancer.class=a b", "class"),
        ("loadBalancer.class=a/b/c", "a class: a name of letters"),
        ("loadBalancer.healthCheckNodePort=-1", "healthCheckNodePort"),
        ("loadBalancer.sourceRanges={everyone}", "sourceRanges"),
        ("loadBalancer.port=1", "port"),
        ("loadBalancer.ipFamilies={IPv4,IPv6},loadBalancer.ipFamilyPolicy=SingleStack", "ipFamilyPolicy"),
        ("perWorker.loadBalancer.shareAnnotation=a b", "shareAnnotation"),
        ("perWorker.loadBalancer.enabled=true", "enabled"),
        ("perWorker.overrides.1.closed=no-way", "closed"),
    ],
)
def test_schema_refuses(newest, values, word):
    message = newest.refuses(*ON, *OWN, "--set", values)
    assert word in message and "don't meet the specifications of the schema" in message


def test_notes_name_the_address(newest):
    from tests.conftest import CHART, helm_path, run

    def notes(*arguments):
        result = run(helm_path(newest.version), "install", "job", CHART, "--dry-run=client", *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.partition("NOTES:")[2]

    text = notes(*ON)
    assert "at the load balancer's address" in text and "get service job-loadbalancer" in text
    assert "worker: port 9000" in text and "twister2-job address job" in text
    text = notes(*SHARING)
    assert "worker of worker 0: port 9000 of the load balancer that kubectl" in text
