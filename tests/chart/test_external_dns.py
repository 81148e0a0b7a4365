"""`externalDns`: the annotations, read as external-dns reads them, and what is refused."""

import pytest

from tests.conftest import select

ON = ("--set", "externalDns.enabled=true")
NEW, OLD = "external-dns.kubernetes.io/", "external-dns.alpha.kubernetes.io/"
SHARED = "nodePort.enabled=true,nodePort.advertisedHost=job.example.com"


def records(objects, prefix):
    """Return {object's name: what external-dns reads under a prefix}."""
    found = {}
    for one in objects:
        notes = one["metadata"].get("annotations") or {}
        mine = {key.removeprefix(prefix): value for key, value in notes.items() if key.startswith(prefix)}
        if mine:
            found[one["metadata"]["name"]] = mine
    return found


def both(template, *arguments):
    """Return the records, which are the same under both prefixes: the old one is not read any more since 0.22."""
    objects = template.objects(*ON, *arguments)
    assert records(objects, NEW) == records(objects, OLD)
    return records(objects, NEW)


def test_off_by_default(helm_template):
    assert not records(helm_template.objects("--set", SHARED), NEW)


def test_each_way_in_has_its_host(helm_template):
    values = f"{SHARED},loadBalancer.enabled=true,loadBalancer.advertisedHost=lb.example.com"
    own = ("--set", "perWorker.enabled=true", "--set", "perWorker.hostTemplate=w-{worker}.example.com")
    one = ("--set", "perWorker.overrides.1.advertisedHost=one.example.com")
    assert both(helm_template, "--set", values, *own, *one) == {
        "job-nodeport": {"hostname": "job.example.com"},
        "job-loadbalancer": {"hostname": "lb.example.com"},
        "job-w-0": {"hostname": "w-0.example.com"},
        "job-w-1": {"hostname": "one.example.com"},
    }


def test_time_to_live(newest):
    assert both(newest, "--set", f"{SHARED},externalDns.ttl=60") == {
        "job-nodeport": {"hostname": "job.example.com", "ttl": "60"}
    }


@pytest.mark.parametrize("endpoints", ["", "NodeExternalIP", "HostIP"])
def test_names_of_the_workers_without_any_way_in(helm_template, endpoints):
    values = f"externalDns.headlessHost=workers.example.com,externalDns.endpointsType={endpoints}"
    wanted = {"hostname": "workers.example.com"} | ({"endpoints-type": endpoints} if endpoints else {})
    assert both(helm_template, "--set", values) == {"job": wanted}


def test_what_external_dns_would_not_make_a_name_of_gets_none(newest):
    """An IP address is no name, and a Service that nothing outside reaches has none."""
    head = "externalDns.headlessHost=w.example.com"
    values = f"{head},nodePort.enabled=true,nodePort.advertisedHost=192.0.2.1,loadBalancer.enabled=true"
    assert list(both(newest, "--set", values)) == ["job"]
    assert list(both(newest, "--set", values, "--set-string", "loadBalancer.advertisedHost=2001:db8::1")) == ["job"]
    inside = "perWorker.enabled=true,perWorker.type=ClusterIP,perWorker.hostTemplate=w.example.com"
    assert list(both(newest, "--set", f"{head},{inside}")) == ["job"]


def test_an_annotation_of_the_users_stays(newest):
    mine = ("--set-json", f'nodePort.annotations={{"{NEW}hostname":"mine.example.com"}}')
    objects = newest.objects(*ON, "--set", SHARED, *mine)
    assert records(objects, NEW)["job-nodeport"] == {"hostname": "mine.example.com"}
    assert records(objects, OLD)["job-nodeport"] == {"hostname": "job.example.com"}


def test_an_annotation_for_all_objects_stays_too(newest):
    mine = ("--set-json", f'commonAnnotations={{"{NEW}ttl":"5"}}', "--set", "externalDns.ttl=60")
    ways = "ingress.enabled=true,ingress.host=w.example.com"
    objects = newest.objects(*ON, "--set", f"{SHARED},{ways}", *mine)
    for name in ("job-nodeport", "job-worker"):
        assert records(objects, NEW)[name]["ttl"] == "5" and records(objects, OLD)[name]["ttl"] == "60"
    assert records(objects, NEW)["job-nodeport"]["hostname"] == "job.example.com"


def test_pods_have_none_of_it(newest):
    on = (*ON, "--set", f"{SHARED},externalDns.headlessHost=w.example.com")
    templates = [
        [s["spec"]["template"] for s in select(newest.objects(*arguments), "StatefulSet")]
        for arguments in (on, ("--set", SHARED))
    ]
    assert templates[0] == templates[1]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("externalDns.ttl=60", "externalDns.ttl: it is set, but externalDns.enabled is false"),
        ("externalDns.headlessHost=a.example", "externalDns.headlessHost: it is set, but externalDns.enabled is false"),
        ("externalDns.endpointsType=HostIP", "externalDns.endpointsType: it is set, but externalDns.enabled is false"),
        (
            f"{SHARED},externalDns.enabled=true,externalDns.endpointsType=HostIP",
            "externalDns.endpointsType: it is of the workers' own names; set externalDns.headlessHost too",
        ),
        ("externalDns.enabled=true", "externalDns.enabled: it is true, and nothing has a name"),
        ("externalDns.enabled=true,nodePort.enabled=true", "externalDns.enabled: it is true, and nothing has a name"),
    ],
)
def test_contradictions_are_refused(helm_template, values, sentence):
    assert sentence in helm_template.refuses("--set", values)


GATEWAY = "gateway.enabled=true,gateway.parentRefs[0].name=public"
HTTP = f"{GATEWAY},gateway.ports.worker.route=HTTP"
INSIDE = "perWorker.enabled=true,perWorker.type=ClusterIP"
WAYS = f"{INSIDE},gateway.shared=false,gateway.perWorker.enabled=true"
INGRESS = f"{INSIDE},ingress.enabled=true,ingress.shared=false,ingress.perWorker.enabled=true"


@pytest.mark.parametrize(
    "values",
    [
        f"{INSIDE},perWorker.hostTemplate=w-{{worker}}.example.com",
        f"{INSIDE},perWorker.overrides.1.advertisedHost=w.example.com",
        f"{HTTP},externalDns.ttl=60",
        f"{INGRESS},ingress.perWorker.pathTemplate=/w-{{worker}}",
        "nodePort.enabled=true,nodePort.advertisedHost=192.0.2.1",
        f"{GATEWAY},gateway.advertisedHost=192.0.2.1",
    ],
    ids=["a template inside", "an override inside", "a route", "an Ingress", "an address", "a route's address"],
)
def test_what_gives_nothing_a_name_is_refused(newest, values):
    message = newest.refuses(*ON, "--set", values)
    assert "externalDns.enabled: it is true, and nothing has a name" in message


@pytest.mark.parametrize(
    "values",
    [
        f"{HTTP},gateway.host=w.example.com",
        f"{GATEWAY},gateway.host=w.example.com",
        f"{GATEWAY},gateway.ports.worker.host=w.example.com",
        f"{GATEWAY},gateway.advertisedHost=w.example.com",
        f"{HTTP},{WAYS},gateway.perWorker.hostTemplate=w-{{worker}}.example.com",
        f"{GATEWAY},{WAYS},gateway.perWorker.sectionNameTemplate=w-{{worker}},gateway.host=w.example.com",
        "ingress.enabled=true,ingress.host=w.example.com",
        f"{INGRESS},ingress.perWorker.hostTemplate=w-{{worker}}.example.com",
        f"{INGRESS},ingress.perWorker.pathTemplate=/w-{{worker}},ingress.host=w.example.com",
        "perWorker.enabled=true,perWorker.hostTemplate={{worker}}.example.com".replace("{{worker}}", "w-{pod}"),
        "perWorker.enabled=true,perWorker.overrides.1.advertisedHost=w.example.com",
    ],
)
def test_one_name_of_any_kind_is_enough(newest, values):
    assert newest.objects(*ON, "--set", values)


@pytest.mark.parametrize("host", ["10.0.0.1", "127.1"])
def test_an_address_is_no_name_for_the_workers(newest, host):
    message = newest.refuses(*ON, "--set", SHARED, "--set-string", f"externalDns.headlessHost={host}")
    assert f"externalDns.headlessHost: {host} is an IP address, and records are made for names" in message


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("externalDns.headlessHost", "externalDns.headlessHost=a..b"),
        ("nodePort.advertisedHost", "nodePort.enabled=true,nodePort.advertisedHost=a..b"),
        ("perWorker.hostTemplate", "perWorker.enabled=true,perWorker.hostTemplate=w-{worker}..b"),
        ("perWorker.overrides.1.advertisedHost", "perWorker.enabled=true,perWorker.overrides.1.advertisedHost=a.-b"),
    ],
)
def test_no_record_is_made_for_what_is_no_name(newest, path, values):
    message = newest.refuses(*ON, "--set", values)
    assert f"{path}: {values.rpartition('=')[2]} is no DNS name" in message


@pytest.mark.parametrize("values", ["ttl=-1", "headlessHost=a/b", "endpointsType=PodIP", "host=x"])
def test_schema_refuses(newest, values):
    message = newest.refuses("--set", f"externalDns.{values}")
    assert values.partition("=")[0] in message and "don't meet the specifications of the schema" in message
