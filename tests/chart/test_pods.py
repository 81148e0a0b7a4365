"""Pods: where they run, how they find names, whose images they run; the job master's and the test's own."""

import pytest

from tests.conftest import OLDEST_AND_NEWEST, Template, select

JOB = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
BOTH = pytest.mark.parametrize("helm", [Template(version) for version in OLDEST_AND_NEWEST], ids=OLDEST_AND_NEWEST)


def specs(helm, *words):
    """Return the pod specs of workers and job master."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in select(helm.objects(*JOB, *words), "StatefulSet")
    }


@BOTH
def test_scheduler_names_and_hosts_are_those_of_all_pods(helm):
    words = (
        "--set", "schedulerName=mine,dnsPolicy=None,dnsConfig.nameservers={192.0.2.1}", "--set-json",
        'hostAliases=[{"ip":"192.0.2.7","hostnames":["a.example.com"]}]',
    )  # fmt: skip
    for spec in specs(helm, *words).values():
        assert spec["schedulerName"] == "mine" and spec["dnsPolicy"] == "None"
        assert spec["dnsConfig"] == {"nameservers": ["192.0.2.1"]}
        assert spec["hostAliases"] == [{"ip": "192.0.2.7", "hostnames": ["a.example.com"]}]
    assert not any("dnsPolicy" in spec or "schedulerName" in spec for spec in specs(helm).values())
    assert "dnsConfig.nameservers" in helm.refuses("--set", "dnsPolicy=None")


@BOTH
def test_the_job_master_has_a_place_of_its_own(helm):
    of_all = ("--set", "nodeSelector.a=all,podAnnotations.note=all,podAnnotations.other=b")
    own = ("--set", "job.master.nodeSelector.a=own,job.master.podAnnotations.note=own")
    more = (
        "--set-json", 'job.master.tolerations=[{"operator":"Exists"}]', "--set-json",
        'job.master.affinity={"nodeAffinity":{}}',
    )  # fmt: skip
    found = specs(helm, *of_all, *own, *more)
    assert (found["job-0"]["nodeSelector"], found["job-jm"]["nodeSelector"]) == ({"a": "all"}, {"a": "own"})
    assert "tolerations" not in found["job-0"] and found["job-jm"]["tolerations"] == [{"operator": "Exists"}]
    assert "affinity" not in found["job-0"] and found["job-jm"]["affinity"] == {"nodeAffinity": {}}
    assert specs(helm, *of_all)["job-jm"]["nodeSelector"] == {"a": "all"}
    notes = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["annotations"]
        for one in select(helm.objects(*JOB, *of_all, *own), "StatefulSet")
    }
    assert notes == {"job-0": {"note": "all", "other": "b"}, "job-jm": {"note": "own", "other": "b"}}


@BOTH
@pytest.mark.parametrize(
    ("repository", "image"),
    [
        ("docker.io/library/python", "r.example.com:5000/m/library/python:v1"),
        ("localhost/python", "r.example.com:5000/m/python:v1"),
        ("python", "r.example.com:5000/m/python:v1"),
        ("library/python", "r.example.com:5000/m/library/python:v1"),
    ],
)
def test_an_umbrella_charts_registry_has_every_image(helm, repository, image):
    words = ("--set", f"global.imageRegistry=r.example.com:5000/m,echo.image.repository={repository},echo.image.tag=v1")
    found = helm.objects(*words)
    (test,) = select(found, "Pod")
    (workers,) = select(found, "StatefulSet")
    assert test["spec"]["containers"][0]["image"] == image
    assert workers["spec"]["template"]["spec"]["containers"][0]["image"] == image
    for spec in specs(helm, *words).values():
        assert all(
            one["image"].startswith("r.example.com:5000/m/twister2/")
            for one in spec["containers"] + spec["initContainers"]
        )


@BOTH
def test_an_umbrella_charts_pull_secrets_are_beside_ours(helm):
    words = (
        "--set-json",
        'global.imagePullSecrets=["a",{"name":"b"}]',
        "--set-json",
        'imagePullSecrets=[{"name":"a"}]',
    )
    (test,) = select(helm.objects(*words), "Pod")
    for spec in [test["spec"], *specs(helm, *words).values()]:
        assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


@BOTH
def test_the_pod_of_helm_test_is_asked_for_and_has_its_own_place(helm):
    assert not select(helm.objects("--set", "tests.enabled=false"), "Pod")
    words = (
        "--set",
        "tests.resources.requests.cpu=20m,tests.nodeSelector.a=b",
        "--set-json",
        'tests.tolerations=[{"key":"c"}]',
    )
    (test,) = select(helm.objects(*words), "Pod")
    spec = test["spec"]
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "20m", "memory": "32Mi"}}
    assert spec["nodeSelector"] == {"a": "b"} and spec["tolerations"] == [{"key": "c"}]


SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}}


def resources(helm, *words):
    """Return the resources of each worker's container, and of the test's; None if it has none."""
    found = helm.objects(*words)
    pods = [one["spec"]["template"]["spec"] for one in select(found, "StatefulSet")]
    return [pod["containers"][0].get("resources") for pod in [*pods, *(one["spec"] for one in select(found, "Pod"))]]


@BOTH
def test_the_charts_own_programs_ask_for_little(helm):
    assert resources(helm) == [SMALL, SMALL]
    none = ("--set", "echo.resources.requests=null,tests.resources.requests=null")
    assert resources(helm, *none) == [None, None]
    own = {"limits": {"memory": "1Gi"}}
    more = ("--set", "resources.limits.memory=1Gi", "--set-json", 'computeResources=[{"resources":{}}]')
    assert resources(helm, *more) == [own, SMALL, SMALL]
    assert resources(helm, "--set", "command={a}") == [None, SMALL]
    assert resources(helm, "--set", "echo.resources.limits.memory=64Mi")[0] == {**SMALL, "limits": {"memory": "64Mi"}}


@BOTH
@pytest.mark.parametrize("block", ["echo", "tests"])
@pytest.mark.parametrize("limit", ["memory=1e3", "memory=31Mi", "memory=33M", "cpu=9m", "cpu=0.009", "cpu=9000000n"])
def test_a_limit_below_the_charts_own_request_is_told(helm, block, limit):
    """Kubernetes refuses it, and whoever sets the limit alone does not see the request."""
    told = helm.refuses("--set", f"{block}.resources.limits.{limit}")
    name, _, amount = limit.partition("=")
    assert f"{block}.resources.limits.{name}: " in told and f"; raise it, or set {block}.resources.requests." in told
    both = f"{block}.resources.limits.{limit},{block}.resources.requests.{name}={amount}"
    assert helm.objects("--set", both)


@BOTH
@pytest.mark.parametrize("limit", ["memory=32Mi", "memory=1e9", "memory=34M", "cpu=10m", "cpu=1"])
def test_limits_above_it_are_taken(helm, limit):
    assert helm.objects("--set", f"tests.resources.limits.{limit},tests.resources.limits.a=1")


@BOTH
def test_old_revisions_and_the_time_to_be_ready(helm):
    (workers,) = select(helm.objects("--set", "revisionHistoryLimit=2,minReadySeconds=5"), "StatefulSet")
    assert (workers["spec"]["revisionHistoryLimit"], workers["spec"]["minReadySeconds"]) == (2, 5)


@BOTH
def test_advertised_ports_that_count_up(helm):
    on = ("--set", "perWorker.enabled=true,perWorker.hostTemplate=h.example.com,additionalPorts[0].name=ui")
    base = ("--set", "perWorker.advertisedPortBase.worker=7000,perWorker.advertisedPortBase.ui=8000")
    words = (*on, *base, "--set", "perWorker.overrides.1.advertisedPort=443")
    notes = {
        one["metadata"]["name"]: one["metadata"].get("annotations", {})
        for one in select(helm.objects(*words, "--set", "instances=3"), "Service")
    }
    for worker in range(3):
        found = notes[f"job-w-{worker}"]
        assert found["twister2-job/advertised-port-worker"] == str(7000 + worker)
        assert found["twister2-job/advertised-port-ui"] == str(8000 + worker)
        assert found.get("twister2-job/advertised-port") == ("443" if worker == 1 else None)
    told = helm.refuses("--set", "perWorker.enabled=true,perWorker.advertisedPortBase.worker=7000")
    assert "perWorker.advertisedPortBase: it has no effect without a host" in told
    assert "ends at 65536" in helm.refuses(*on, "--set", "perWorker.advertisedPortBase.worker=65535")
    assert "it is no exposed port" in helm.refuses(*on, "--set", "perWorker.advertisedPortBase.none=7000")
    assert "advertisedPortBase" in helm.refuses("--set", "perWorker.advertisedPortBase.worker=7000")
