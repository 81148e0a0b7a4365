"""What `gateway` refuses, with path, problem and remedy: half-written, contradictory or colliding values."""

import json
import re
import time

import pytest

from tests.chart.test_gateway import BOTH, HOSTS, ON, OWN, SETS, SKIP, UI, W, listeners, routes


@BOTH
@pytest.mark.parametrize(
    "key", ["parentRefs[0].name=x", "ports.worker.route=TCP", "host=a.example.com", "perWorker.enabled=true"]
)
def test_half_written_is_refused(helm_template, key, skip):
    message = helm_template.refuses("--set", f"gateway.{key}", *skip)
    assert "gateway.enabled=true" in message and re.split(r"[.=[]", key)[0] in message


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ("gateway.parentRefs[0].namespace=b", "name"),
        ("gateway.parentRefs[0].names=b", "names"),
        ("gateway.ports.worker.route=HTTPS", "route"),
        ("gateway.ports.worker.hosts=x", "hosts"),
        ("gateway.host=http://x", "a DNS name"),
        ("gateway.host=A.example.com", "a DNS name"),
        ("gateway.apiVersion=v1", "apiVersion"),
        ("gateway.perWorker.listenerSet.portBase.worker=0", "portBase"),
        ("gateway.perWorker.listenerSet.tls.mode=Passthrough", "mode"),
        ("gateway.perWorker.sectionNameTemplate=A", "lower case"),
        ("gateway.advertisedPort=70000", "advertisedPort"),
    ],
)
def test_schema_refuses(newest, values, word):
    assert word in newest.refuses("--set", f"gateway.enabled=true,{values}")


TLS = "gateway.perWorker.listenerSet.tls"
MANY = json.dumps({f"example.com/{k}": "" for k in range(17)})


@pytest.mark.parametrize(
    ("tls", "word", "sentence"),
    [
        ('{"certificateRefs":[]}', "certificateRefs", f"{TLS}: it has neither certificateRefs nor options"),
        ('{"options":{}}', "options", f"{TLS}: it has neither certificateRefs nor options"),
        ('{"certificateRefs":null}', "certificateRefs", f"{TLS}.certificateRefs: it is null, and must be a list"),
        ('{"certificateRefs":["cert"]}', "certificateRefs", f"{TLS}.certificateRefs[0]: it is text, and must be a map"),
        ('{"options":{"a":5}}', "options", f"{TLS}.options.a: it is a number, and must be text"),
        (f'{{"options":{MANY}}}', "options", f"{TLS}.options: a listener has at most 16, and there are 17"),
    ],
)
def test_tls_that_no_listener_can_have(newest, tls, word, sentence):
    arguments = (*OWN, *SETS, "--set-json", f"{TLS}={tls}")
    assert word in newest.refuses(*arguments)
    assert sentence in newest.refuses(*arguments, SKIP)


HTTP, TEMPLATE = "gateway.ports.worker.route=HTTP", "gateway.perWorker.hostTemplate"
SECTIONS = "gateway.ports.worker.sectionName=a,gateway.ports.ui.sectionName=b"
BEAT = ("--set-json", 'additionalPorts=[{"name":"beat","protocol":"UDP"}]')
RULES = [
    (("--set", "gateway.enabled=true"), "gateway.parentRefs: it is empty, so no route would lead anywhere"),
    ((*ON, "--set", "gateway.shared=false"), "gateway.shared: it is false, and so is gateway.perWorker.enabled"),
    ((*ON, "--set", "gateway.ports.ui.route=TCP"), "gateway.ports.ui: the workers have no port ui"),
    (
        (*ON, *BEAT, "--set", "gateway.ports.beat.route=TLS,gateway.host=a.example.com"),
        "gateway.ports.beat.route: it is TLS, and port beat is UDP; set gateway.ports.beat.route=UDP",
    ),
    (
        (*ON, "--set", "gateway.ports.worker.route=UDP"),
        "gateway.ports.worker.route: it is UDP, and port worker is TCP; set gateway.ports.worker.route=TCP, HTTP, GRPC",
    ),
    ((*ON, "--set", "protocol=SCTP"), "gateway.ports: port worker is SCTP, for which there is no route"),
    ((*ON, "--set", "workersPerPod=2", SKIP), "workersPerPod: it is 2, but gateway.shared=true needs one"),
    (
        (*ON, "--set", "gateway.ports.worker.route=TLS"),
        "gateway.ports.worker.host: a TLS route needs the host that clients name; set gateway.host",
    ),
    (
        (*OWN, *HOSTS, "--set", "gateway.shared=true,gateway.ports.worker.route=TLS"),
        "set gateway.host or gateway.ports.worker.host, or gateway.shared=false",
    ),
    (
        (*ON, "--set", f"{HTTP},gateway.host=10.0.0.1", SKIP),
        "gateway.ports.worker.host: it is 10.0.0.1, and a host is a DNS name of a-z, 0-9, - and ., no IP address",
    ),
    (
        (*ON, *UI),
        "gateway.ports.ui: its TCPRoute would have the same listener as that of port worker, and one of them nothing; "
        "set gateway.ports.ui.sectionName, or leave one of the two out",
    ),
    (
        (*ON, *UI, "--set-json", 'gateway.ports={"worker":{"route":"HTTP"},"ui":{"route":"GRPC"}}'),
        "gateway.ports.ui: its GRPCRoute would have the same listener and host as that of port worker, and one of them "
        "nothing; set gateway.ports.ui.sectionName or host",
    ),
    (
        (*ON, "--set", "gateway.perWorker.enabled=true"),
        "gateway.perWorker.enabled: its routes lead to the Services of perWorker, and perWorker.enabled is false",
    ),
    (
        (*OWN, *SETS, *UI, "--set", "perWorker.ports={ui}"),
        "gateway.ports: port worker is not among perWorker.ports, to whose Services the routes lead",
    ),
    (
        (*OWN, "--set", "gateway.ports.worker.route=HTTP"),
        "gateway.ports.worker.hostTemplate: HTTP routes of single workers need a host for each",
    ),
    (
        (*OWN, "--set", "gateway.ports.worker.route=TLS"),
        "gateway.ports.worker.hostTemplate: TLS routes of single workers need a host for each",
    ),
    (
        (*OWN, "--set", "gateway.ports.worker.route=HTTP,gateway.perWorker.hostTemplate=a.example.com"),
        "gateway.ports.worker.hostTemplate: a.example.com is one host for all workers; put {worker} or {pod} into it",
    ),
    (
        (*OWN, "--set", f"workersPerPod=2,{HTTP},{TEMPLATE}=\\{{pod\\}}.example.com"),
        "gateway.ports.worker.hostTemplate: {pod}.example.com is one host for all workers; put {worker} into it",
    ),
    (
        (*OWN, "--set", f"{HTTP},{TEMPLATE}=\\{{worker\\}}-\\{{x\\}}.example.com"),
        "filled in it is 2-{x}.example.com, and a host is a DNS name",
    ),
    (
        (*OWN, *SETS, *HOSTS),
        "gateway.perWorker.hostTemplate: it has no effect, since no port has a route by host",
    ),
    (
        (*OWN, *HOSTS, "--set", f"{HTTP},gateway.perWorker.sectionNameTemplate=a-\\{{worker\\}}"),
        "gateway.perWorker.sectionNameTemplate: it has no effect, since every port has a route by host",
    ),
    (
        (*OWN, *HOSTS, *UI, "--set-json", 'gateway.ports={"worker":{"route":"HTTP"},"ui":{"route":"HTTP"}}'),
        "gateway.ports.ui: its HTTPRoute of worker 0 would have the same listener and host w-0.example.com as that of "
        "port worker of worker 0, and one of them nothing; set gateway.ports.ui.sectionNameTemplate or hostTemplate",
    ),
    (OWN, "gateway.ports.worker: TCP routes of single workers need a listener for each; set"),
    (
        (*OWN, *BEAT, *SETS),
        "gateway.ports.beat: UDP routes of single workers need a listener for each; set",
    ),
    (
        (*OWN, *SETS, "--set", "gateway.perWorker.sectionNameTemplate=tcp-\\{worker\\}"),
        "portBase.worker: sectionNameTemplate names listeners of the Gateway for the same port",
    ),
    (
        (*OWN, "--set", "gateway.perWorker.sectionNameTemplate=tcp"),
        "gateway.ports.worker.sectionNameTemplate: tcp is one listener for all workers; put {worker} or {pod} into it",
    ),
    (
        (*OWN, "--set", "gateway.perWorker.sectionNameTemplate=tcp-\\{worker\\}-\\{x\\}"),
        "gateway.ports.worker.sectionNameTemplate: tcp-{worker}-{x} holds a placeholder that is not known",
    ),
    (
        (*OWN, *UI, "--set", "gateway.perWorker.sectionNameTemplate=tcp-\\{worker\\}"),
        "gateway.ports.ui: its TCPRoute of worker 0 would have the same listener tcp-0 as that of port worker of "
        "worker 0, and one of them nothing; set gateway.ports.ui.sectionNameTemplate, or leave",
    ),
    (
        (*OWN, *SETS, "--set", "gateway.parentRefs[1].name=other"),
        "gateway.parentRefs: a ListenerSet belongs to one Gateway, and there are 2",
    ),
    (
        (*OWN, *SETS, "--set", "gateway.parentRefs[0].kind=ListenerSet"),
        "gateway.parentRefs[0].kind: a ListenerSet belongs to a Gateway, and this is a ListenerSet",
    ),
    (
        (*OWN, "--set", "gateway.perWorker.listenerSet.enabled=true"),
        "gateway.perWorker.listenerSet.portBase: it is empty, so there would be no listener",
    ),
    (
        (*OWN, *SETS, "--set", "gateway.perWorker.listenerSet.portBase.ui=21000"),
        "gateway.perWorker.listenerSet.portBase.ui: it is no exposed port; the exposed ports are worker",
    ),
    (
        (*OWN, *SETS, *HOSTS, "--set", "gateway.ports.worker.route=HTTP"),
        "portBase.worker: the job's own listeners are for TCP and UDP, and the route of this port is HTTP",
    ),
    (
        (*OWN, *SETS, "--set", "gateway.perWorker.listenerSet.portBase.worker=65535"),
        "portBase.worker: 65535 + 2 workers ends at 65536, above 65535; take 65534 or lower",
    ),
    (
        (*OWN, *SETS, *UI, "--set", "gateway.perWorker.listenerSet.portBase.ui=20001"),
        "portBase.ui: its listeners 20001 to 20002 meet those of port worker, 20000 to 20001; take bases 2 apart",
    ),
    (
        (
            *OWN, *SETS, *BEAT, "--set", "gateway.perWorker.listenerSet.portBase.beat=21000",
            "--set-json", 'gateway.perWorker.listenerSet.tls={"certificateRefs":[{"name":"cert"}]}',
        ),
        "portBase.beat: port beat is UDP, and gateway.perWorker.listenerSet.tls makes its listeners TLS",
    ),
    (
        (*ON, "--set", "gateway.perWorker.hostTemplate=\\{worker\\}.example.com"),
        "gateway.perWorker.hostTemplate: it is set, but gateway.perWorker.enabled is false",
    ),
    (
        (*ON, "--set", "gateway.ports.worker.sectionNameTemplate=a-\\{worker\\}"),
        "gateway.ports.worker.sectionNameTemplate: it is set, but gateway.perWorker.enabled is false",
    ),
    (
        (*ON, "--set", "gateway.perWorker.listenerSet.portBase.worker=20000"),
        "gateway.perWorker.listenerSet.portBase: it is set, but gateway.perWorker.listenerSet.enabled is false",
    ),
    (
        (*ON, *UI, "--set", f"{SECTIONS},gateway.advertisedPort=7"),
        "gateway.ports.ui.advertisedPort: it is 7, as that of port worker; give each its own",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), RULES, ids=[sentence[:60] for _, sentence in RULES])
def test_template_rules(newest, arguments, sentence):
    assert sentence in newest.refuses(*arguments)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("parentRefs[0].kind=5", "gateway.parentRefs[0].kind: it is a number, and must be text"),
        ("parentRefs[0].sectionName=5", "gateway.parentRefs[0].sectionName: it is a number, and must be text"),
        ('parentRefs[0].port="http"', "gateway.parentRefs[0].port: it is text, and must be a number"),
        ("ports.worker.host=5", "gateway.ports.worker.host: it is a number, and must be text"),
        ('ports.worker.advertisedPort="a"', "gateway.ports.worker.advertisedPort: it is text, and must be a number"),
        (
            'perWorker.listenerSet.portBase={"worker":"a"}',
            "gateway.perWorker.listenerSet.portBase.worker: it is text, and must be a number",
        ),
        ('ports.worker={"route":"HTTPS"}', "gateway.ports.worker.route: it is HTTPS, and port worker is TCP; set"),
        (
            'ports.worker={"route":"HTTP","host":"FOO_bar"}',
            "gateway.ports.worker.host: it is FOO_bar, and a host is a DNS name of a-z",
        ),
    ],
)
def test_what_the_schema_refuses_is_refused_without_it(newest, value, sentence):
    assert sentence in newest.refuses(*ON, "--set-json", f"gateway.{value}", SKIP)


def test_a_host_of_a_worker_is_no_ip_address(newest):
    told = newest.refuses(*OWN, "--set", f"{HTTP},{TEMPLATE}=10.0.0.\\{{worker\\}}")
    assert "gateway.ports.worker.hostTemplate: filled in it is 10.0.0.2, and a host is a DNS name of a-z" in told


@BOTH
def test_a_port_has_no_name_of_which_a_workers_route_is_made(newest, skip):
    """Routes of a port w-0-x would have the names of those of worker 0 for port x."""
    for name in ("w-0-x", "X", "a-", "thirteenchars"):
        told = newest.refuses("--set-json", f'additionalPorts=[{{"name":"x"}},{{"name":"{name}"}}]', *skip)
        assert "additionalPorts" in told and "name" in told


BOTH_WAYS = (*OWN, "--set", "gateway.shared=true")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (*BOTH_WAYS, "--set", f"{HTTP},gateway.host=w-1.example.com", *HOSTS),
            "worker: its HTTPRoute of worker 1 would have the same listener and host w-1.example.com as that of port",
        ),
        (
            (*BOTH_WAYS, "--set", f"gateway.ports.worker.sectionName=w-0,gateway.perWorker.sectionNameTemplate={W}"),
            "worker: its TCPRoute of worker 0 would have the same listener w-0 as that of port worker, and one",
        ),
        (
            (*BOTH_WAYS, "--set", f"gateway.parentRefs[0].sectionName=w-1,gateway.perWorker.sectionNameTemplate={W}"),
            "worker: its TCPRoute of worker 1 would have the same listener w-1 as that of port worker, and one",
        ),
        (
            (*BOTH_WAYS, "--set", f"gateway.perWorker.sectionNameTemplate={W}"),
            "as that of port worker, which names none and so has all, and one of them nothing; "
            "set gateway.ports.worker.sectionName, or",
        ),
        (
            (*ON, *UI, "--set-json", 'gateway.ports={"worker":{},"ui":{"sectionName":"x"}}'),
            "ui: its TCPRoute would have the same listener x as that of port worker, which names none and so has all, "
            "and one of them nothing; set gateway.ports.worker.sectionName, or",
        ),
        (
            (*ON, *UI, "--set-json", 'gateway.ports={"worker":{"sectionName":"x"},"ui":{}}'),
            "ui: its TCPRoute would have the same listener as that of port worker, and one of them nothing; set "
            "gateway.ports.ui.sectionName",
        ),
        (
            (*OWN, *UI, "--set-json", 'gateway.ports={"worker":{"sectionNameTemplate":"{job}-{worker}"},"ui":{}}',
             "--set", "gateway.perWorker.sectionNameTemplate=job-\\{worker\\}"),
            "ui: its TCPRoute of worker 0 would have the same listener job-0 as that of port worker of worker 0",
        ),
        (
            (*OWN, *UI, "--set", "perWorker.count=12", "--set-json", 'gateway.ports={"worker":{"route":"HTTP",'
             '"hostTemplate":"a{worker}"},"ui":{"route":"GRPC","hostTemplate":"a{worker}1"}}'),
            "ui: its GRPCRoute of worker 1 would have the same listener and host a11 as that of port worker of worker",
        ),
    ],
)  # fmt: skip
def test_no_two_routes_have_one_listener_and_host(newest, arguments, sentence):
    told = newest.refuses(*arguments)
    assert "gateway.ports." + sentence in told or sentence in told
    assert told.count("would have the same listener") == 1, "one sentence for two ports, not one for each worker"


def refs(*given):
    """Say parentRefs; those that name no other are one Gateway, in the release's namespace."""
    found = [{"name": "public", **one} for one in given]
    return "--namespace", "gateways", "--set-json", f"gateway.parentRefs={json.dumps(found)}"


PORTS = ({"port": 80, "sectionName": "a"}, {"port": 443, "sectionName": "b"})
MISSING = "gateway.parentRefs[{}].sectionName: it is missing, and gateway.parentRefs[{}] names the same parent"
SAME = "gateway.parentRefs[1].sectionName: it is a, as that of gateway.parentRefs[0], which names the same parent"
PLACED = "gateway.ports.worker.{}: with it gateway.parentRefs[0] and gateway.parentRefs[1] name one listener"
OF_EACH = ("--set", f"gateway.perWorker.sectionNameTemplate={W}")
OF_PORT = ("--set", "gateway.ports.worker.sectionName=x")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*ON, *refs({"port": 80}, {"port": 443})), MISSING.format(1, 0)),
        ((*ON, *refs({}, {"name": "other"}, {"kind": "Gateway"})), MISSING.format(2, 0)),
        ((*ON, *refs({"sectionName": "a"}, {}, {"sectionName": "b"})), MISSING.format(1, 0)),
        ((*ON, *refs({}, {"group": "gateway.networking.k8s.io", "sectionName": "a"})), MISSING.format(0, 1)),
        ((*ON, *refs({"sectionName": "a", "port": 80}, {"sectionName": "a"})), SAME),
        ((*ON, *refs(*PORTS), *OF_PORT), PLACED.format("sectionName")),
        ((*OWN, *refs(*PORTS), *OF_EACH), PLACED.format("sectionNameTemplate")),
        ((*OWN, *HOSTS, *refs({}, {"port": 443}), "--set", HTTP), MISSING.format(1, 0)),
    ],
)
def test_several_refs_to_one_parent_have_a_listener_each(newest, arguments, sentence):
    told = newest.refuses(*arguments)
    assert sentence in told and told.count("gateway.") == sentence.count("gateway.")


@pytest.mark.parametrize(
    "arguments",
    [
        (*ON, *refs(*PORTS)),
        (*ON, *refs({}, {"namespace": "other"}, {"kind": "ListenerSet"}, {"name": "other"})),
        (*ON, *refs({}, {"kind": "Gateway"}), *OF_PORT),
        (*OWN, *refs({}, {"port": 443}), *SETS),
        (*OWN, *refs({}, {}), *OF_EACH),
    ],
    ids=["listeners", "parents", "the port's listener", "ListenerSet", "the same twice"],
)
def test_refs_go_together_if_the_routes_have_each_listener_once(newest, arguments):
    assert routes(newest, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (*BOTH_WAYS, "--set", f"{HTTP},gateway.host=w-2.example.com", *HOSTS),
        (*BOTH_WAYS, "--set", f"gateway.ports.worker.sectionName=w-2,gateway.perWorker.sectionNameTemplate={W}"),
        (*BOTH_WAYS, *HOSTS, "--set", f"{HTTP}"),
        (*OWN, *UI, "--set", f"{HTTP},gateway.ports.ui.sectionNameTemplate={W}", *HOSTS),
        (*ON, *BEAT),
    ],
    ids=["host", "listener", "no host", "classes", "protocols"],
)
def test_routes_apart_go_together(newest, arguments):
    assert routes(newest, *arguments)


def test_a_tcp_and_a_udp_listener_may_have_one_number(newest):
    found = listeners(newest, *OWN, *SETS, *BEAT, "--set", "gateway.perWorker.listenerSet.portBase.beat=20000")
    assert [one[1:] for one in found["job-0"][:2]] == [(20000, "TCP"), (20000, "UDP")]


def test_a_host_may_come_from_the_pod_if_each_has_one_worker(newest):
    pod = ("--set", "gateway.ports.worker.route=HTTP,gateway.perWorker.hostTemplate=\\{pod\\}.example.com")
    assert routes(newest, *OWN, *pod)["HTTPRoute", "job-w-1-worker"][1] == ["job-0-1.example.com"]


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_million_workers_are_refused_before_their_hosts_are_compared(newest, enabled):
    own = f"perWorker.enabled={enabled},perWorker.type=ClusterIP"
    http = "gateway.ports.worker.route=HTTP,gateway.shared=false,gateway.perWorker.enabled=true"
    host = "gateway.perWorker.hostTemplate=w{worker}.example.com"
    began = time.monotonic()
    message = newest.refuses(*ON, "--set", f"instances=9999,workersPerPod=100,{own},{http},{host}")
    assert "perWorker" in message and time.monotonic() - began < 15
