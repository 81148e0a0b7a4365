"""`ingress`: HTTP through an Ingress controller, to any worker by one host, to each by a host or path of its own."""

import json
import re

import pytest

from tests.conftest import select

ON = ("--set", "ingress.enabled=true,ingress.host=workers.example.com")
OWN = ("--set", "ingress.enabled=true,ingress.shared=false,ingress.perWorker.enabled=true,perWorker.enabled=true")
BY_HOST = (*OWN, "--set", "ingress.perWorker.hostTemplate=w{worker}.{job}.example.com")
PORTS = ("--set-json", 'additionalPorts=[{"name":"beat","protocol":"UDP"},{"name":"ui"}]')
SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])


def ingresses(template, *arguments):
    """Return the specs of the Ingresses by name, checked to be of the chart's labels."""
    found = select(template.objects(*arguments), "Ingress")
    for one in found:
        labels = one["metadata"]["labels"]
        assert labels["twister2-job/exposure"] == "ingress" and "t2-job" not in labels
        worker = re.fullmatch(r"job-w-(\d+)-.*", one["metadata"]["name"])
        assert labels.get("twister2-job/worker") == (worker[1] if worker else None)
        assert one["metadata"]["name"].endswith("-" + labels["twister2-job/port"])
    return {one["metadata"]["name"]: one["spec"] for one in found}


def places(template, *arguments):
    """Return host, path and backend of each Ingress by its name."""
    found = {}
    for name, spec in ingresses(template, *arguments).items():
        (rule,) = spec["rules"]
        (path,) = rule["http"]["paths"]
        service = path["backend"]["service"]
        found[name] = (rule.get("host", ""), path["path"], service["name"], service["port"]["name"])
    return found


def test_the_shared_one_leads_to_any_worker_through_a_service_inside_the_cluster(helm_template):
    assert places(helm_template, *ON) == {"job-worker": ("workers.example.com", "/", "job-clusterip", "worker")}
    service = helm_template.one("Service", "job-clusterip", *ON)
    assert service["spec"]["type"] == "ClusterIP" and "twister2-job/exposure" not in service["metadata"]["labels"]
    assert service["spec"]["ports"] == [{"name": "worker", "port": 9000, "targetPort": 9000, "protocol": "TCP"}]
    workers = select(helm_template.objects(*ON), "StatefulSet")[0]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= workers.items()


def test_that_service_is_there_only_for_a_shared_way_behind_a_proxy(newest):
    for arguments in ((), BY_HOST, ("--set", "nodePort.enabled=true,perWorker.enabled=true")):
        assert not select(newest.objects(*arguments), "Service", "job-clusterip")


def test_class_path_and_tls(helm_template):
    more = ("--set", "ingress.className=nginx,ingress.path=/a,ingress.pathType=Exact,ingress.tls.enabled=true")
    spec = ingresses(helm_template, *ON, *more)["job-worker"]
    assert spec["ingressClassName"] == "nginx" and spec["tls"] == [{"hosts": ["workers.example.com"]}]
    assert spec["rules"][0]["http"]["paths"][0]["pathType"] == "Exact"
    named = ingresses(helm_template, *ON, *more, "--set", "ingress.tls.secretName=cert")["job-worker"]
    assert named["tls"] == [{"hosts": ["workers.example.com"], "secretName": "cert"}]
    plain = ingresses(helm_template, *ON)["job-worker"]
    assert "tls" not in plain and "ingressClassName" not in plain


def test_each_worker_by_host(helm_template):
    assert places(helm_template, *BY_HOST, "--set", "instances=2") == {
        f"job-w-{n}-worker": (f"w{n}.job.example.com", "/", f"job-w-{n}", "worker") for n in range(2)
    }


def test_each_worker_by_path_with_or_without_a_host(helm_template):
    by_path = (*OWN, "--set", "ingress.perWorker.pathTemplate=/{namespace}/{pod}")
    expected = {f"job-w-{n}-worker": ("", f"/default/job-0-{n}", f"job-w-{n}", "worker") for n in range(2)}
    assert places(helm_template, *by_path) == expected
    host = ("--set", "ingress.host=h.example.com,ingress.shared=true")
    found = places(helm_template, *by_path, *host)
    assert found.pop("job-worker")[:2] == ("h.example.com", "/")
    assert {found[name][0] for name in found} == {"h.example.com"}


def test_several_workers_in_a_pod_each_have_their_own(helm_template):
    groups = ("--set", "instances=1", "--set-json", 'computeResources=[{"instances":2,"workersPerPod":2}]')
    found = places(helm_template, *BY_HOST, *groups)
    assert [found[f"job-w-{n}-worker"][::2] for n in range(5)] == [
        (f"w{n}.job.example.com", f"job-w-{n}") for n in range(5)
    ]


def test_as_many_as_there_are_services_of_single_workers(newest):
    for count in (1, 4):
        assert len(ingresses(newest, *BY_HOST, "--set", f"perWorker.count={count}")) == count


def test_placeholders_in_secret_and_annotations_of_single_workers(helm_template):
    more = (
        "--set", "ingress.tls.enabled=true,ingress.tls.secretName=cert-{worker}",
        "--set", "ingress.annotations.example\\.com/who=worker {worker} of {pod}",
    )  # fmt: skip
    objects = select(helm_template.objects(*BY_HOST, *more), "Ingress")
    for n, one in enumerate(objects):
        assert one["spec"]["tls"] == [{"hosts": [f"w{n}.job.example.com"], "secretName": f"cert-{n}"}]
        assert one["metadata"]["annotations"]["example.com/who"] == f"worker {n} of job-0-{n}"


def test_the_time_that_external_dns_keeps_its_records_is_written_and_the_hosts_are_in_the_rules(newest):
    dns = ("--set", "externalDns.enabled=true,externalDns.ttl=60")
    (one,) = select(newest.objects(*ON, *dns), "Ingress")
    assert one["metadata"]["annotations"] == {
        "external-dns.kubernetes.io/ttl": "60", "external-dns.alpha.kubernetes.io/ttl": "60",
    }  # fmt: skip


def test_the_port_is_the_first_exposed_one_of_tcp_or_the_named_one(newest):
    assert list(places(newest, *ON, *PORTS)) == ["job-worker"]
    assert list(places(newest, *ON, *PORTS, "--set", "protocol=UDP")) == ["job-ui"]
    assert list(places(newest, *ON, *PORTS, "--set", "ingress.port=ui")) == ["job-ui"]
    job = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
    assert list(places(newest, *ON, *PORTS, *job)) == ["job-ui"]
    assert list(places(newest, *BY_HOST, *PORTS, "--set", "perWorker.ports={ui,worker}")) == [
        "job-w-0-ui", "job-w-1-ui",
    ]  # fmt: skip


def test_switching_those_of_single_workers_on_leaves_the_shared_one_as_it_is(newest):
    shared = (*ON, *PORTS, "--set", "perWorker.enabled=true,perWorker.type=ClusterIP")
    own = ("--set", "ingress.perWorker.enabled=true,ingress.perWorker.hostTemplate=w{worker}.example.com")
    before = places(newest, *shared, "--set", "perWorker.ports={ui,worker}")
    assert list(before) == ["job-worker"]
    both = places(newest, *shared, *own)
    assert both["job-worker"] == before["job-worker"] and both.keys() - before == {"job-w-0-worker", "job-w-1-worker"}
    for ports in ("ui", "ui,worker"):
        named = places(newest, *shared, *own, "--set", f"perWorker.ports={{{ports}}},ingress.port=ui")
        assert sorted(named) == ["job-ui", "job-w-0-ui", "job-w-1-ui"]


def test_the_wrapper_is_told_what_to_read(newest):
    headless = newest.one("Service", "job", *ON)["metadata"]["annotations"]
    assert headless["twister2-job/reads"] == "networking.k8s.io/v1/ingresses"
    assert "twister2-job/reads" not in newest.one("Service", "job")["metadata"]["annotations"]


def test_switching_it_on_touches_no_pod(newest):
    pods = [[one["spec"]["template"] for one in select(newest.objects(*more), "StatefulSet")] for more in ((), ON)]
    assert pods[0] == pods[1]


def test_helm_test_asks_nothing_that_only_clients_outside_reach(newest):
    environment = newest.one("Pod", "job-test", *ON)["spec"]["containers"][0]["env"]
    assert json.loads(environment[0]["value"])["exposures"] == []


def rules(template, name, *arguments):
    return template.one("NetworkPolicy", name, *arguments)["spec"]["ingress"]


def test_pods_of_any_namespace_may_use_the_port_behind_it(helm_template):
    assert rules(helm_template, "job", *ON)[1:] == [
        {"ports": [{"port": 9000, "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}
    ]


PROXIES = [
    {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {"matchLabels": {"app": "proxy"}}},
    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
]
FROM = ("--set-json", f"networkPolicy.proxiesFrom={json.dumps(PROXIES)}")


def test_only_the_named_proxies_may_use_it(helm_template):
    assert rules(helm_template, "job", *ON, *FROM)[1:] == [
        {"ports": [{"port": 9000, "protocol": "TCP"}], "from": PROXIES}
    ]


def test_proxies_reach_every_worker_of_a_pod(helm_template):
    more = ("--set", "workersPerPod=2")
    ports = [{"port": 9000, "protocol": "TCP"}, {"port": 9001, "protocol": "TCP"}]
    everyone, proxies = rules(helm_template, "job-perworker", *BY_HOST, *more, *FROM)
    assert everyone == {"ports": ports} and proxies == {"ports": ports, "from": PROXIES}
    assert len(rules(helm_template, "job", *BY_HOST, *more)) == 1


def test_services_that_nothing_outside_reaches_are_open_to_the_named_proxies_alone(helm_template):
    inside = (*BY_HOST, "--set", "perWorker.type=ClusterIP")
    (only,) = rules(helm_template, "job-perworker", *inside, *FROM)
    assert only["from"] == PROXIES
    everyone, _ = rules(helm_template, "job-perworker", *inside)
    assert "from" not in everyone
    some, _ = rules(helm_template, "job-perworker", *inside, *FROM, "--set", "networkPolicy.allowFrom={192.0.2.0/24}")
    assert some["from"] == [{"ipBlock": {"cidr": "192.0.2.0/24"}}]


def test_ports_of_such_services_that_no_proxy_serves_stay_open(helm_template):
    inside = ("--set", "perWorker.enabled=true,perWorker.type=ClusterIP,perWorker.ports={worker,ui}", *PORTS)
    behind = "ingress.enabled=true,ingress.shared=false,ingress.port=ui,ingress.perWorker.enabled=true"
    host = "ingress.perWorker.hostTemplate=w{worker}.{job}.example.com"
    everyone, proxies = rules(helm_template, "job-perworker", *inside, "--set", f"{behind},{host}", *FROM)
    assert everyone == {"ports": [{"port": 9000, "protocol": "TCP"}]}
    assert proxies == {"ports": [{"port": 9002, "protocol": "TCP"}], "from": PROXIES}


@pytest.mark.parametrize(
    ("peer", "word"),
    [
        ({}, "proxiesFrom"),
        ({"pods": {}}, "pods"),
        ({"ipBlock": {"cidr": "10.0.0.1/8"}}, "proxiesFrom[0].ipBlock.cidr: 10.0.0.1/8 has bits set"),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, "proxiesFrom"),
        ("10.0.0.0/8", "proxiesFrom"),
    ],
)
def test_peers_that_kubernetes_refuses(newest, peer, word):
    assert word in newest.refuses(*ON, "--set-json", f"networkPolicy.proxiesFrom={json.dumps([peer])}")


def test_proxies_need_the_network_policy(newest):
    off = ("--set", "networkPolicy.enabled=false")
    assert "networkPolicy.proxiesFrom needs networkPolicy.enabled=true" in newest.refuses(*ON, *off, *FROM)


@BOTH
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "ingress.enabled=true"), "ingress.host: the shared Ingress needs one; set ingress.host, or"),
        (("--set", "ingress.host=a.example.com"), "ingress.host: it is set, but ingress.enabled is false; set"),
        (("--set", "ingress.port=worker"), "ingress.port: it is set, but ingress.enabled is false"),
        (("--set", "ingress.className=x"), "ingress.className: it is set, but ingress.enabled is false"),
        (("--set", "ingress.tls.enabled=true"), "ingress.tls: it is set, but ingress.enabled is false"),
        (("--set", "ingress.perWorker.enabled=true"), "ingress.perWorker: it is set, but ingress.enabled is"),
        ((*ON, "--set", "ingress.shared=false"), "ingress: it would make nothing, since shared and perWorker.enabled"),
        ((*ON, "--set", "ingress.port=ui"), "ingress.port: the workers have no port ui; take one of worker"),
        ((*ON, *PORTS, "--set", "ingress.port=beat"), "ingress.port: beat is a port for UDP, and an Ingress leads to"),
        ((*ON, "--set", "protocol=UDP"), "ingress: no exposed port is TCP, and an Ingress leads to HTTP; set"),
        ((*ON, "--set", "ingress.tls.secretName=a"), "ingress.tls.secretName: it has no effect without TLS; set"),
        (
            (*ON, "--set", "ingress.tls.enabled=true,ingress.tls.secretName=a-{worker}"),
            "ingress.tls.secretName: it has a placeholder, and the shared Ingress is no worker's; leave it out",
        ),
        (
            (*ON, "--set", "ingress.perWorker.hostTemplate=w{worker}.b"),
            "ingress.perWorker.hostTemplate: it is set, but ingress.perWorker.enabled is false; set",
        ),
        (
            (*BY_HOST, "--set", "perWorker.enabled=false"),
            "ingress.perWorker.enabled: it leads to the workers' own Services, and there are none; set perWorker",
        ),
        (OWN, "ingress.perWorker: nothing tells one worker from another; set hostTemplate, such as"),
        (
            (*OWN, "--set", "ingress.perWorker.hostTemplate=w.b"),
            "ingress.perWorker: several workers would have one host and path; put {worker} into hostTemplate or",
        ),
        (
            (*OWN, "--set", "workersPerPod=2,ingress.perWorker.hostTemplate=w-{pod}.b"),
            "ingress.perWorker: several workers would have one host and path",
        ),
        (
            (*OWN, "--set", "ingress.perWorker.hostTemplate=w{worker}{ordinal}.b"),
            "ingress.perWorker.hostTemplate: w{worker}{ordinal}.b holds a placeholder that is not known; known are",
        ),
        (
            (*OWN, "--set", "ingress.perWorker.pathTemplate=/{worker}/{x}"),
            "ingress.perWorker.pathTemplate: /{worker}/{x} holds a placeholder that is not known",
        ),
        (
            (*OWN, "--set", "ingress.perWorker.hostTemplate=W{worker}.b"),
            "ingress.perWorker.hostTemplate: filled in it is W1.b, and a host is a DNS name of a-z",
        ),
        (
            (*OWN, "--set", "ingress.perWorker.hostTemplate=10.0.0.{worker}"),
            "ingress.perWorker.hostTemplate: filled in it is 10.0.0.1, and a host is a DNS name of a-z",
        ),
        (
            (*OWN, "--set", "ingress.tls.enabled=true,ingress.perWorker.pathTemplate=/{worker}"),
            "ingress.tls.enabled: a certificate is for a host; set ingress.host or ingress.perWorker.hostTemplate",
        ),
        (
            (*BY_HOST, "--set", "ingress.shared=true,ingress.host=w1.job.example.com"),
            "ingress.host: a worker's own Ingress has or may get the same host and path, w1.job.example.com/; take",
        ),
        (
            (*BY_HOST, *PORTS, "--set", "perWorker.ports={ui},ingress.port=worker"),
            "ingress.port: the workers' own Services have no port worker; add it to perWorker.ports, or take one of ui",
        ),
        (
            (*BY_HOST, *PORTS, "--set", "perWorker.ports={ui},ingress.shared=true,ingress.host=a.example.com"),
            "ingress.port: the workers' own Services have no port worker; add it to perWorker.ports, or take one of ui",
        ),
        (
            (*BY_HOST, *PORTS, "--set", "perWorker.ports={ui,worker},ingress.shared=true,ingress.host=a.example.com"),
            "ingress.port: it is empty, and the first port is worker for the shared Ingress but ui in perWorker.ports; "
            "set ingress.port to the one that both shall lead to",
        ),
    ],
)
def test_contradictions_are_refused_with_path_problem_and_remedy(newest, arguments, sentence, skip):
    assert sentence in newest.refuses(*arguments, *skip)


@BOTH
def test_the_shared_one_needs_one_worker_in_a_pod(newest, skip):
    groups = ("--set-json", 'computeResources=[{"workersPerPod":2}]')
    for more in (("--set", "workersPerPod=2"), groups):
        said = newest.refuses(*ON, *more, *skip)
        assert "ingress.shared" in said and "a port of a Service reaches one port of a pod" in said
    assert ingresses(newest, *BY_HOST, "--set", "workersPerPod=2", *skip)


def test_one_host_for_the_job_and_other_hosts_for_workers_go_together(newest):
    both = (*BY_HOST, "--set", "ingress.shared=true,ingress.host=w.job.example.com")
    assert len(ingresses(newest, *both)) == 3
    assert ingresses(newest, *OWN, "--set", "ingress.perWorker.hostTemplate=w.b,perWorker.count=1")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("host=A.example.com", "a DNS name of a-z"),
        ("host=10.0.0.1:80", "a DNS name of a-z"),
        ("host=10.0.0.1", "host"),
        ("host=*.example.com", "a DNS name of a-z"),
        ("path=workers", "a path that starts with /"),
        ("pathType=prefix", "Prefix"),
        ("tls.secretName=A", "secretName"),
        ("perWorker.pathTemplate=w", "a path that starts with /"),
        ("backend=x", "backend"),
    ],
)
def test_schema_refuses(newest, value, word):
    assert word in newest.refuses(*BY_HOST, "--set", f"ingress.{value}")


@BOTH
@pytest.mark.parametrize(
    ("value", "word"),
    [("host=FOO_bar", "host"), ("host=10.0.0.1", "host"), ("path=foo", "path"), ("perWorker.pathTemplate=foo", "path")],
)
def test_hosts_and_paths_that_kubernetes_refuses(newest, value, word, skip):
    told = newest.refuses(*BY_HOST, "--set", f"ingress.shared=true,ingress.host=a.example.com,ingress.{value}", *skip)
    assert f"ingress.{value.partition('=')[0]}: " in told if skip else word in told


@pytest.mark.parametrize("path", ["/a//b", "/a/../b", "/./b", "/a/..", "/a/.", "/a%2fb", "/a%2Fb"])
def test_paths_of_which_it_is_unclear_where_they_lead_are_refused(newest, path):
    """As the API server does; with ImplementationSpecific it takes whatever begins with a slash."""
    for key, more in (("path", path), ("perWorker.pathTemplate", f"/{{worker}}{path}")):
        both = (*BY_HOST, "--set", f"ingress.shared=true,ingress.host=a.example.com,ingress.{key}={more}")
        assert f"ingress.{key}: {more} has an empty part, ., .. or %2F in it" in newest.refuses(*both)
        assert newest.objects(*both, "--set", "ingress.pathType=ImplementationSpecific")


def test_other_paths_are_taken(newest):
    for path in ("/", "/a/", "/a.b/..c/.d", "/a%20b"):
        assert places(newest, *ON, "--set", f"ingress.path={path}")["job-worker"][1] == path


def test_peers_are_maps_without_the_schema_too(newest):
    peer = ("--set-json", 'networkPolicy.proxiesFrom=[{"ipBlock":"foo"}]')
    told = newest.refuses(*ON, *peer, SKIP)
    assert "networkPolicy.proxiesFrom[0].ipBlock: it is text, and must be a map" in told


def test_the_users_own_ingress_may_have_any_other_name(newest):
    def extra(name):
        one = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": {}}
        return "--set-json", f"extraObjects={json.dumps([one])}"

    assert newest.objects(*ON, *extra("job-ui"))
    for name in ("job-worker", "job-w-3-worker"):
        assert f"Ingress {name} is a name of the chart's own objects" in newest.refuses(*ON, *extra(name))
