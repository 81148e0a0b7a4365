"""`gateway`: routes to the user's Gateway, shared and for each worker, and ListenerSets of the job's own."""

import itertools
import json

import pytest
import yaml

from tests.chart import gateway_types
from tests.conftest import CHART, select

SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])
REF = "gateway.enabled=true,gateway.parentRefs[0].name=public,gateway.parentRefs[0].namespace=gateways"
ON = ("--set", REF)
OWN = ("--set", f"{REF},gateway.shared=false,gateway.perWorker.enabled=true,perWorker.enabled=true")
SETS = ("--set", "gateway.perWorker.listenerSet.enabled=true,gateway.perWorker.listenerSet.portBase.worker=20000")
W = "w-\\{worker\\}"
HOSTS = ("--set", "gateway.perWorker.hostTemplate=w-\\{worker\\}.example.com")
UI = ("--set-json", 'additionalPorts=[{"name":"ui"}]')
GROUPS = (
    "--set", "instances=1",
    "--set-json", 'computeResources=[{"instances":2,"workersPerPod":2},{"instances":1}]',
    "--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"}]',
)  # fmt: skip
PARENT = {"name": "public", "namespace": "gateways"}
ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")


def made(template, *arguments):
    """Return the objects of the Gateway API by kind and name; each is what the Gateway API knows."""
    found = [one for one in template.objects(*arguments) if one["apiVersion"].startswith("gateway.")]
    for one in found:
        gateway_types.check(one)
        assert one["metadata"]["labels"]["twister2-job/exposure"] == "gateway"
        assert "t2-job" not in one["metadata"]["labels"]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def routes(template, *arguments):
    """Return (first parentRef, hosts, Service, its port) of each route by kind and name."""
    return {
        key: (
            one["spec"]["parentRefs"][0],
            one["spec"].get("hostnames", []),
            *(one["spec"]["rules"][0]["backendRefs"][0][field] for field in ("name", "port")),
        )
        for key, one in made(template, *arguments).items()
        if key[0] in ROUTES
    }


def test_off_by_default(helm_template):
    assert made(helm_template) == {}
    assert not select(helm_template.objects(), "Service", "job-clusterip")


def test_shared_is_one_route_for_each_port_to_one_service(helm_template):
    ports = '{"worker":{},"ui":{"route":"HTTP","host":"ui.example.com","sectionName":"web"},"beat":{}}'
    extra = ("--set-json", 'additionalPorts=[{"name":"ui"},{"name":"beat","protocol":"UDP"},{"name":"db"}]')
    objects = (*ON, *extra, "--set-json", f"gateway.ports={ports}")
    assert routes(helm_template, *objects) == {
        ("TCPRoute", "job-worker"): (PARENT, [], "job-clusterip", 9000),
        ("HTTPRoute", "job-ui"): ({**PARENT, "sectionName": "web"}, ["ui.example.com"], "job-clusterip", 9001),
        ("UDPRoute", "job-beat"): (PARENT, [], "job-clusterip", 9002),
    }
    service = helm_template.one("Service", "job-clusterip", *objects)
    assert [port["name"] for port in service["spec"]["ports"]] == ["worker", "ui", "beat"]


def test_a_twister2_jobs_worker_port_is_not_exposed_while_there_are_others(newest):
    job = ("--set", "job.class=a.B,job.jar.url=http://a/b")
    assert list(routes(newest, *ON, *job, *UI)) == [("TCPRoute", "job-ui")]
    assert list(routes(newest, *ON, *job)) == [("TCPRoute", "job-worker")]


def test_the_routes_of_each_kind(helm_template):
    kinds = {"HTTP": "a", "GRPC": "b", "TLS": "c", "TCP": "d"}
    extra = json.dumps([{"name": name} for name in kinds.values()])
    ports = json.dumps({n: {"route": kind, "host": f"{n}.example.com"} for kind, n in kinds.items()})
    found = routes(helm_template, *ON, "--set-json", f"additionalPorts={extra}", "--set-json", f"gateway.ports={ports}")
    assert {(kind, tuple(hosts)) for (kind, _), (_, hosts, *_) in found.items()} == {
        ("HTTPRoute", ("a.example.com",)), ("GRPCRoute", ("b.example.com",)), ("TLSRoute", ("c.example.com",)),
        ("TCPRoute", ()),
    }  # fmt: skip


def test_every_worker_of_every_group_has_its_routes(helm_template):
    """Two workers in a pod are two Services, so each has routes of its own."""
    sets = ("--set", "gateway.perWorker.listenerSet.portBase.beat=20000")
    ports = ("--set-json", 'gateway.ports={"worker":{},"ui":{"route":"HTTP"},"beat":{}}')
    found = routes(
        helm_template, *OWN, *SETS, *sets, *HOSTS, *ports, *GROUPS, "--set", "perWorker.servicePortBase.ui=80"
    )
    listener = {"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "job-0"}
    expected = {}
    for i in range(6):
        own = f"job-w-{i}"
        expected["TCPRoute", f"{own}-worker"] = ({**listener, "sectionName": f"worker-{i}"}, [], own, 9000)
        expected["HTTPRoute", f"{own}-ui"] = (PARENT, [f"w-{i}.example.com"], own, 80 + i)
        expected["UDPRoute", f"{own}-beat"] = ({**listener, "sectionName": f"beat-{i}"}, [], own, 9002)
    assert found == expected


def test_hosts_and_listeners_by_template(helm_template):
    """Placeholders are filled in for each worker, and a port's own template goes before that of all."""
    ports = {
        "worker": {"sectionNameTemplate": "tcp-{worker}"},
        "ui": {"route": "HTTP", "hostTemplate": "{pod}.{job}.{namespace}.example.com", "sectionName": "web"},
        "api": {"route": "TLS"},
    }
    found = routes(
        helm_template, *OWN, *HOSTS, "--set-json", 'additionalPorts=[{"name":"ui"},{"name":"api"}]',
        "--set-json", f"gateway.ports={json.dumps(ports)}", "--namespace", "data",
    )  # fmt: skip
    assert found["TCPRoute", "job-w-1-worker"][0] == {**PARENT, "sectionName": "tcp-1"}
    assert found["HTTPRoute", "job-w-1-ui"][:2] == ({**PARENT, "sectionName": "web"}, ["job-0-1.job.data.example.com"])
    assert found["TLSRoute", "job-w-1-api"][:2] == (PARENT, ["w-1.example.com"])


def test_a_listener_for_each_worker_is_of_routes_that_know_no_host(newest):
    """One listener has all hosts; a port's own template says otherwise."""
    template = ("--set", f"gateway.perWorker.sectionNameTemplate={W}")
    ports = {"worker": {}, "ui": {"route": "HTTP", "sectionName": "http"}, "api": {"route": "TLS"}}
    arguments = (*OWN, *HOSTS, *template, "--set-json", 'additionalPorts=[{"name":"ui"},{"name":"api"}]')
    found = routes(newest, *arguments, "--set-json", f"gateway.ports={json.dumps(ports)}")
    assert found["TCPRoute", "job-w-1-worker"][0] == {**PARENT, "sectionName": "w-1"}
    assert found["HTTPRoute", "job-w-1-ui"][0] == {**PARENT, "sectionName": "http"}
    assert found["TLSRoute", "job-w-1-api"][0] == PARENT
    ports["ui"]["sectionNameTemplate"] = "ui-{worker}"
    found = routes(newest, *arguments, "--set-json", f"gateway.ports={json.dumps(ports)}")
    assert found["HTTPRoute", "job-w-1-ui"][0] == {**PARENT, "sectionName": "ui-1"}


def listeners(template, *arguments):
    """Return the listeners of each ListenerSet."""
    return {
        name: [(one["name"], one["port"], one["protocol"]) for one in found["spec"]["listeners"]]
        for (kind, name), found in made(template, *arguments).items()
        if kind == "ListenerSet"
    }


def test_listener_sets_are_cut_by_worker_id(helm_template):
    many = (
        "--set",
        "perWorker.count=100,perWorker.maxServices=100",
        "--set",
        "gateway.perWorker.listenerSet.portBase.beat=30000",
    )
    found = listeners(
        helm_template,
        *OWN,
        *SETS,
        *many,
        *GROUPS,
        "--set",
        "gateway.ports.worker.route=TCP,gateway.ports.beat.route=UDP",
    )
    assert [len(one) for one in found.values()] == [64, 64, 64, 8]
    assert list(found) == [f"job-{k}" for k in range(4)]
    everything = list(itertools.chain.from_iterable(found.values()))
    assert everything == [
        listener
        for i in range(100)
        for listener in ((f"worker-{i}", 20000 + i, "TCP"), (f"beat-{i}", 30000 + i, "UDP"))
    ]


def test_a_route_leads_to_the_listener_set_that_has_its_listener(newest):
    many = (*OWN, *SETS, "--set", "perWorker.count=130,perWorker.maxServices=200")
    sets = {name: {one[0] for one in found} for name, found in listeners(newest, *many).items()}
    assert len(sets) == 3
    for parent, *_ in routes(newest, *many).values():
        assert parent["sectionName"] in sets[parent["name"]]


def test_another_count_touches_the_last_listener_set_alone(newest):
    def sets(count):
        found = made(newest, *OWN, *SETS, "--set", f"perWorker.count={count},perWorker.maxServices=200")
        return {name: one for (kind, name), one in found.items() if kind == "ListenerSet"}

    few, more = sets(100), sets(128)
    assert few.keys() == more.keys() == {"job-0", "job-1"}
    assert few["job-0"] == more["job-0"] and few["job-1"] != more["job-1"]


def test_a_listener_set_belongs_to_the_gateway_alone(newest):
    ref = ("--set", "gateway.parentRefs[0].sectionName=web,gateway.parentRefs[0].port=443")
    found = made(newest, *OWN, *SETS, *ref)["ListenerSet", "job-0"]
    assert found["spec"]["parentRef"] == PARENT


def test_tls_that_the_listeners_of_the_job_end(newest):
    tls = ("--set-json", 'gateway.perWorker.listenerSet.tls={"certificateRefs":[{"name":"cert"}]}')
    found = made(newest, *OWN, *SETS, *tls)
    assert found["ListenerSet", "job-0"]["spec"]["listeners"][1] == {
        "name": "worker-1", "port": 20001, "protocol": "TLS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "cert"}]},
    }  # fmt: skip
    assert ("TCPRoute", "job-w-1-worker") in found


TWO = "gateway.parentRefs[0].sectionName=http,gateway.parentRefs[1].sectionName=https"
SAME = ("--set", f"{TWO},gateway.parentRefs[1].name=public,gateway.parentRefs[1].namespace=gateways")


def test_a_route_names_no_parent_twice(newest):
    """Two listeners of one Gateway are one parent for a port that has a listener of its own."""

    def parents(*arguments):
        return {name: one["spec"]["parentRefs"] for (_, name), one in made(newest, *ON, *SAME, *arguments).items()}

    http, https = ({**PARENT, "sectionName": section} for section in ("http", "https"))
    ports = '{"worker":{"sectionName":"tcp"},"ui":{"route":"HTTP"}}'
    assert parents(*UI, "--set-json", f"gateway.ports={ports}") == {
        "job-worker": [{**PARENT, "sectionName": "tcp"}], "job-ui": [http, https],
    }  # fmt: skip
    assert parents("--set", "gateway.parentRefs[1].sectionName=http") == {"job-worker": [http]}
    kind = ("--set", "gateway.ports.worker.sectionName=tcp,gateway.parentRefs[1].kind=Gateway")
    assert parents(*kind) == {"job-worker": [{**PARENT, "sectionName": "tcp"}]}
    own = made(newest, *OWN, *SAME, "--set", f"gateway.perWorker.sectionNameTemplate={W}")
    assert own["TCPRoute", "job-w-1-worker"]["spec"]["parentRefs"] == [{**PARENT, "sectionName": "w-1"}]


def test_one_route_to_several_parents_is_alone_at_each(newest):
    """Two Gateways, or a Gateway and a listener of another: what one route has twice clashes with nothing."""

    def parents(refs, *arguments):
        host = '{"worker":{"route":"HTTP","host":"a.example.com"}}'
        values = ("--set-json", f"gateway.parentRefs={json.dumps(refs)}", "--set-json", f"gateway.ports={host}")
        return made(newest, *ON, *values, *arguments)["HTTPRoute", "job-worker"]["spec"]["parentRefs"]

    mixed = [PARENT, {"name": "internal", "sectionName": "http"}]
    assert parents(mixed) == mixed
    same = [{**PARENT, "sectionName": "http"}, {"name": "internal", "sectionName": "http"}]
    assert parents(same) == same
    assert parents(mixed, "--set", "gateway.ports.worker.sectionName=a") == [
        {**PARENT, "sectionName": "a"}, {"name": "internal", "sectionName": "a"},
    ]  # fmt: skip


def test_listeners_of_one_gateway_are_one_for_listener_sets(newest):
    ports = ("--set", "gateway.parentRefs[0].port=80,gateway.parentRefs[1].port=443")
    assert made(newest, *OWN, *SETS, *SAME, *ports)["ListenerSet", "job-0"]["spec"]["parentRef"] == PARENT


def test_shared_and_own_routes_at_once(newest):
    found = routes(newest, *OWN, *SETS, "--set", "gateway.shared=true")
    assert {name for _, name in found} == {"job-worker", "job-w-0-worker", "job-w-1-worker"}


def test_older_clusters_have_other_versions_of_some_kinds(newest):
    ports = ("--set-json", 'gateway.ports={"worker":{},"ui":{"route":"HTTP"}}', *UI)
    version = ("--set", "gateway.apiVersion=gateway.networking.k8s.io/v1alpha2")
    found = {one["kind"]: one["apiVersion"].rpartition("/")[2] for one in newest.objects(*ON, *ports, *version)}
    assert (found["TCPRoute"], found["HTTPRoute"]) == ("v1alpha2", "v1")


def annotations(template, *arguments):
    return {name: one["metadata"].get("annotations", {}) for (_, name), one in made(template, *arguments).items()}


def test_what_the_wrapper_shall_print(newest):
    """A host of the route's own is no advertised one; ports of single workers' listeners are never replaced."""
    ports = ("--set-json", 'gateway.ports={"worker":{},"ui":{"route":"HTTP","host":"ui.example.com"}}', *UI)
    found = annotations(
        newest, *ON, *ports, "--set", "gateway.advertisedHost=gw.example.com,gateway.advertisedPort=443"
    )
    assert found == {
        "job-worker": {"twister2-job/advertised-host": "gw.example.com", "twister2-job/advertised-port": "443"},
        "job-ui": {"twister2-job/advertised-port": "443"},
    }
    own = annotations(newest, *OWN, *SETS, "--set", "gateway.host=gw.example.com,gateway.advertisedPort=443")
    assert own["job-w-0-worker"] == {"twister2-job/advertised-host": "gw.example.com"}


def test_the_wrapper_is_told_what_to_read(newest):
    ports = ("--set-json", 'gateway.ports={"worker":{},"ui":{"route":"HTTP"}}', *UI, *HOSTS)
    headless = newest.one("Service", "job", *OWN, *SETS, *ports, "--namespace", "data")
    group = "gateway.networking.k8s.io/v1"
    assert headless["metadata"]["annotations"]["twister2-job/reads"].split(",") == [
        f"{group}/listenersets", f"{group}/tcproutes", f"{group}/httproutes",
        f"{group}/namespaces/gateways/gateways/public",
    ]  # fmt: skip


def test_users_labels_and_annotations(newest):
    user = ("--set", "gateway.labels.team=data,gateway.annotations.note=from-values")
    for one in made(newest, *OWN, *SETS, *user).values():
        assert one["metadata"]["labels"]["team"] == "data"
        assert one["metadata"]["annotations"]["note"] == "from-values"
    assert made(newest, *OWN, *SETS)["TCPRoute", "job-w-1-worker"]["metadata"]["labels"]["twister2-job/worker"] == "1"


def test_proxies_are_let_in_to_the_shared_ports(newest):
    rules = newest.one("NetworkPolicy", "job", *ON)["spec"]["ingress"]
    anywhere = {"ports": [{"port": 9000, "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}
    assert anywhere in rules
    peer = ("--set", "networkPolicy.proxiesFrom[0].namespaceSelector.matchLabels.a=b")
    rules = newest.one("NetworkPolicy", "job", *ON, *peer)["spec"]["ingress"]
    assert rules[1]["from"] == [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]


def extra(kind, name, version="gateway.networking.k8s.io/v1"):
    return (
        "--set-json",
        f"extraObjects={json.dumps([{'apiVersion': version, 'kind': kind, 'metadata': {'name': name}}])}",
    )


@pytest.mark.parametrize("enabled", [ON, ()], ids=["on", "off"])
def test_names_of_routes_are_not_for_extra_objects(newest, enabled):
    """Switched off too: the day it is switched on, Helm would keep one of the two objects."""
    for kind, name in (("TCPRoute", "job-w-3-worker"), ("HTTPRoute", "job-ui"), ("ListenerSet", "job-0")):
        told = newest.refuses(*enabled, *UI, *extra(kind, name))
        assert f"{kind} {name} is a name of the chart's own objects" in told


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("TCPRoute", "other"), ("HTTPRoute", "job"), ("HTTPRoute", "job-web"), ("HTTPRoute", "job-w-0-web"),
        ("TLSRoute", "job-3"), ("ListenerSet", "job"), ("ListenerSet", "job-worker"), ("HTTPRoute", "job-workers"),
    ],
)  # fmt: skip
def test_extra_objects_have_names_that_the_chart_never_takes(newest, kind, name):
    """Routes are named after ports that there are, and ListenerSets are numbered."""
    for enabled in ON, ():
        assert newest.objects(*enabled, *extra(kind, name))


def test_an_exposures_object_is_never_named_as_the_release_alone(newest):
    assert newest.objects(*ON, *extra("Ingress", "job", "networking.k8s.io/v1"))
    told = newest.refuses(*ON, *extra("Service", "job", "v1"))
    assert "Service job is a name of the chart's own objects" in told


def test_five_hundred_routes_render(newest):
    found = made(newest, *OWN, *SETS, "--set", "perWorker.count=500,perWorker.maxServices=500")
    assert [kind for kind, _ in found].count("ListenerSet") == 8 and len(found) == 508
    last = found["TCPRoute", "job-w-499-worker"]["spec"]["parentRefs"][0]
    assert (last["name"], last["sectionName"]) == ("job-7", "worker-499")


def test_no_value_of_the_gateway_reaches_a_pod(newest):
    def pods(*arguments):
        return [one["spec"]["template"] for one in select(newest.objects(*arguments), "StatefulSet")]

    base = ("--set", "perWorker.enabled=true")
    assert pods(*base) == pods(*OWN, *SETS)


def test_every_ci_file_of_the_gateway_is_one_of_its_kinds():
    files = sorted((CHART / "ci").glob("gateway-*-values.yaml"))
    assert len(files) >= 3
    for path in files:
        assert yaml.safe_load(path.read_text())["gateway"]["enabled"] is True
