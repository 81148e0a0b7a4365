"""`networkPolicy`: the job's own pods and the exposed ports, nothing else."""

import json

import pytest

from tests.conftest import select

SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])


def policies(template, *arguments):
    return {one["metadata"]["name"]: one["spec"] for one in select(template.objects(*arguments), "NetworkPolicy")}


def component(peer):
    return peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]


def test_on_by_default_and_only_for_the_jobs_own_pods(helm_template):
    (name, spec), *more = policies(helm_template).items()
    assert (name, more, spec["policyTypes"]) == ("job", [], ["Ingress"])
    (rule,) = spec["ingress"]
    assert [component(peer) for peer in rule["from"]] == ["worker", "test"] and "ports" not in rule
    instances = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] for peer in rule["from"]]
    assert instances == ["job", "job"]


def test_off(helm_template):
    assert policies(helm_template, "--set", "networkPolicy.enabled=false,perWorker.enabled=true") == {}


def test_the_exposed_ports_are_open_to_everyone(helm_template):
    ports = ("--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]')
    exposed = ("--set", "nodePort.enabled=true,nodePort.ports={beat}")
    rule = policies(helm_template, *ports, *exposed)["job"]["ingress"][1]
    assert rule == {"ports": [{"port": 9002, "protocol": "UDP"}]}


def test_ports_of_every_worker_of_a_pod_are_open_with_per_worker(helm_template):
    arguments = ("--set", "perWorker.enabled=true", "--set-json", 'computeResources=[{"workersPerPod":3}]')
    found = policies(helm_template, *arguments)
    assert found["job-perworker"]["ingress"] == [{"ports": [{"port": 9000 + n, "protocol": "TCP"} for n in range(3)]}]
    assert len(found["job"]["ingress"]) == 1 and "matchExpressions" not in found["job-perworker"]["podSelector"]


def test_only_pods_with_an_exposed_worker_are_opened(helm_template):
    found = policies(helm_template, "--set", "perWorker.enabled=true,perWorker.count=2,instances=4")
    (expression,) = found["job-perworker"]["podSelector"]["matchExpressions"]
    assert expression == {
        "key": "statefulset.kubernetes.io/pod-name", "operator": "In", "values": ["job-0-0", "job-0-1"],
    }  # fmt: skip


def test_allow_from_and_internal_from(helm_template):
    arguments = (
        "--set", "nodePort.enabled=true,nodePort.externalTrafficPolicy=Local",
        "--set", "networkPolicy.allowFrom={203.0.113.0/24,2001:db8::/32}",
        "--set-json", 'networkPolicy.internalFrom=[{"podSelector":{"matchLabels":{"app":"prometheus"}}}]',
    )  # fmt: skip
    inside, outside = policies(helm_template, *arguments)["job"]["ingress"]
    assert outside["from"] == [{"ipBlock": {"cidr": "203.0.113.0/24"}}, {"ipBlock": {"cidr": "2001:db8::/32"}}]
    assert inside["from"][2] == {"podSelector": {"matchLabels": {"app": "prometheus"}}}


EGRESS = ("--set", "networkPolicy.egress.enabled=true")
JOB = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
API_SERVER = [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]


def rules(*rules):
    return "--set-json", f"networkPolicy.egress.rules={json.dumps(rules)}"


def test_nothing_is_said_of_what_the_pods_connect_to_unless_asked_for(newest):
    assert [spec["policyTypes"] for spec in policies(newest, *JOB).values()] == [["Ingress"], ["Ingress"]]


def test_egress_to_the_jobs_own_pods_names_and_the_api_server(helm_template):
    spec = policies(helm_template, *EGRESS)["job-egress"]
    own, dns = spec["egress"]
    assert spec["policyTypes"] == ["Egress"] and dns == DNS
    assert own == {"to": [{"podSelector": spec["podSelector"]}]}
    found = policies(helm_template, *EGRESS, *JOB)["job-egress"]
    assert found["podSelector"] == spec["podSelector"]
    (expression,) = spec["podSelector"].pop("matchExpressions")
    assert expression["operator"] == "In" and expression["values"] == ["worker", "job-master"]
    for one in select(helm_template.objects(*JOB), "StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert labels[expression["key"]] in expression["values"]
    assert found["egress"][2:] == [{"ports": API_SERVER}]
    cidrs = ("--set", "networkPolicy.egress.apiServerCidrs={10.0.0.1/32},networkPolicy.egress.apiServerPorts={6443}")
    found = policies(helm_template, *EGRESS, *JOB, *cidrs)["job-egress"]
    assert found["egress"][2:] == [{"ports": API_SERVER[1:], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}]


def test_egress_to_what_the_rules_name(helm_template):
    given = [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.7/32"]}}]}, {"ports": [{"port": "web"}]}]
    assert policies(helm_template, *EGRESS, *rules(*given))["job-egress"]["egress"][2:] == given


@BOTH
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*EGRESS, "--set", "networkPolicy.enabled=false"), "networkPolicy.egress.enabled: it is true, but"),
        (rules({"ports": [{"port": 1}]}), "networkPolicy.egress.rules: it is set, but networkPolicy.egress.enabled is"),
        (("--set", "networkPolicy.egress.apiServerCidrs={10.0.0.0/8}"), "apiServerCidrs: it is set, but"),
        ((*EGRESS, "--set", "networkPolicy.egress.apiServerCidrs={10.0.0.1/8}"), "apiServerCidrs[0]: 10.0.0.1/8"),
        ((*EGRESS, *rules({"to": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]})), "rules[0].to[0].ipBlock.cidr: 10.0.0.1/8"),
        (
            (*EGRESS, *rules({"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.1/16"]}}]})),
            "rules[0].to[0].ipBlock.except[1]: 10.2.0.1/16 has bits set beyond",
        ),
        (
            (*EGRESS, *JOB, "--set-json", "networkPolicy.egress.apiServerPorts=[]"),
            "networkPolicy.egress.apiServerPorts: it is empty, and a Twister2 job needs the API server; name its ports",
        ),
    ],
)  # fmt: skip
def test_egress_that_can_not_be(helm_template, arguments, sentence, skip):
    assert sentence in helm_template.refuses(*arguments, *skip)


@pytest.mark.parametrize(
    ("arguments", "told", "sentence"),
    [
        (rules({}), "minProperties", "networkPolicy.egress.rules[0]: it is empty, which would let the pods connect to"),
        (rules({"from": []}), "from", "networkPolicy.egress.rules[0].from: a rule has no such key"),
        (rules({"to": ["a"]}), "want object", ""),
        # What Kubernetes takes for everything.
        (rules({"to": []}), "minItems", "rules[0].to: it is empty or no list, which Kubernetes takes for all peers"),
        (rules({"ports": []}), "minItems", "rules[0].ports: it is empty or no list, which Kubernetes takes for all"),
        (rules({"to": [], "ports": []}), "minItems", "rules[0].ports: it is empty or no list"),
        (rules({"to": [], "ports": [{"port": 1}]}), "minItems", "rules[0].to: it is empty or no list"),
        (rules({"to": [{"podSelector": {}}], "ports": []}), "minItems", "rules[0].ports: it is empty or no list"),
        (rules({"to": None}), "want array", "rules[0].to: it is empty or no list"),
        (rules({"ports": [{"port": 1}, {}]}), "minProperties", "rules[0].ports: an entry is empty, which names"),
        (rules({"to": [None]}), "want object", "rules[0].to: an entry is empty"),
        (rules("a"), "want object", "networkPolicy.egress.rules[0]: it is text, and must be a map"),
        (("--set", "networkPolicy.egress.apiServerPorts={0}"), "apiServerPorts", "apiServerPorts[0]: 0 is no port"),
        (("--set-json", "networkPolicy.egress.apiServerPorts=[443.5]"), "apiServerPorts", "[0]: 443.5 is no port"),
        (("--set", "networkPolicy.egress.apiServerPorts={a}"), "apiServerPorts", "it is text, and must be a number"),
        (("--set", "networkPolicy.egress.apiServerCidrs={a}"), "a CIDR, such as", "apiServerCidrs[0]: a is no CIDR"),
    ],
)  # fmt: skip
def test_egress_that_is_none(newest, arguments, told, sentence):
    assert told in newest.refuses(*EGRESS, *arguments)
    if sentence:
        assert sentence in newest.refuses(*EGRESS, *arguments, SKIP)


def test_what_is_for_the_api_server_means_nothing_without_a_twister2_job(newest):
    ports = ("--set-json", "networkPolicy.egress.apiServerPorts=[]")
    cidrs = ("--set", "networkPolicy.egress.apiServerCidrs={::/0}")
    assert policies(newest, *EGRESS, *ports, *cidrs) == policies(newest, *EGRESS)


@BOTH
@pytest.mark.parametrize("block", ["nodePort", "perWorker"])
def test_cidrs_need_the_local_policy(helm_template, block, skip):
    message = helm_template.refuses("--set", f"{block}.enabled=true,networkPolicy.allowFrom={{10.0.0.0/8}}", *skip)
    assert "externalTrafficPolicy=Local" in message and "networkPolicy.allowFrom" in message and block in message
    accepted = f"{block}.enabled=true,{block}.externalTrafficPolicy=Local,networkPolicy.allowFrom={{10.0.0.0/8}}"
    assert helm_template.objects("--set", accepted, *skip)


def test_cidrs_go_with_cluster_ips(helm_template):
    assert helm_template.objects(
        "--set", "perWorker.enabled=true,perWorker.type=ClusterIP,networkPolicy.allowFrom={10.0.0.0/8}"
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--set", "networkPolicy.allowFrom={10.0.0.1}"), "a CIDR, such as"),
        (("--set", "networkPolicy.allowFrom={10.0.0.0/33}"), "is no CIDR; write one such as"),
        (("--set", "networkPolicy.allowFrom={999.0.0.0/8}"), "is no CIDR; write one such as"),
        (("--set", "networkPolicy.allowFrom={example.com}"), "a CIDR, such as"),
        (("--set-json", "networkPolicy.internalFrom=[{}]"), "internalFrom"),
        (("--set-json", 'networkPolicy.internalFrom=[{"ipBlock":{}}]'), "ipBlock"),
        (("--set", "networkPolicy.enabled=false,networkPolicy.allowFrom={10.0.0.0/8}"), "networkPolicy.enabled=true"),
        (
            ("--set", "networkPolicy.enabled=false", "--set-json", 'networkPolicy.internalFrom=[{"podSelector":{}}]'),
            "networkPolicy.enabled=true",
        ),
    ],
)
def test_schema_refuses(helm_template, arguments, word):
    assert word in helm_template.refuses(*arguments)


WAYS = (
    "--set-json", 'additionalPorts=[{"name":"ui"}]', "--set", "perWorker.enabled=true,perWorker.type=ClusterIP",
    "--set", "ingress.enabled=true,ingress.host=a.b,ingress.port=ui",
)  # fmt: skip
GATEWAY = (
    "--set", "gateway.enabled=true,gateway.shared=false,gateway.parentRefs[0].name=gw",
    "--set", "gateway.parentRefs[0].sectionName=http,gateway.ports.worker.route=HTTP",
    "--set", "gateway.perWorker.enabled=true,gateway.perWorker.hostTemplate=w{worker}.a.b",
)  # fmt: skip
PEERS = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
PROXIES = ("--set-json", f"networkPolicy.proxiesFrom={json.dumps(PEERS)}")


def numbers(rule):
    return [port["port"] for port in rule["ports"]]


def test_ports_behind_a_shared_proxy_are_not_open_to_all_through_the_workers_own_services(helm_template):
    found = policies(helm_template, *WAYS, *GATEWAY, *PROXIES)
    assert [(numbers(rule), rule["from"]) for rule in found["job"]["ingress"][1:]] == [([9001], PEERS)]
    assert [(numbers(rule), rule["from"]) for rule in found["job-perworker"]["ingress"]] == [([9000], PEERS)]


def test_a_port_that_no_proxy_leads_to_stays_open_beside_a_shared_one(helm_template):
    found = policies(helm_template, *WAYS, *PROXIES)["job-perworker"]["ingress"]
    assert found == [{"ports": [{"port": 9000, "protocol": "TCP"}]}]


def test_it_opens_nothing_if_a_shared_proxy_leads_to_all_ports(helm_template):
    found = policies(helm_template, *WAYS, *PROXIES, "--set", "perWorker.ports={ui}")
    assert found["job-perworker"]["ingress"] == [] and found["job-perworker"]["policyTypes"] == ["Ingress"]
    assert [(numbers(rule), rule["from"]) for rule in found["job"]["ingress"][1:]] == [([9001], PEERS)]


@pytest.mark.parametrize(
    "more", ["networkPolicy.proxiesFrom=null", "networkPolicy.allowFrom={192.0.2.0/24}", "perWorker.type=NodePort"]
)
def test_without_named_proxies_or_with_clients_outside_the_services_stay_open_as_they_say(newest, more):
    found = policies(newest, *WAYS, *PROXIES, "--set", more)["job-perworker"]["ingress"]
    assert [numbers(rule) for rule in found] == [[9000, 9001]]
