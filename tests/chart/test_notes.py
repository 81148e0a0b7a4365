"""NOTES.txt, as `helm install` prints it (offline only Helm 4 can show it)."""

import os
import shlex

import pytest

from tests.conftest import CHART, HELM_VERSIONS, helm_path, run

HELM_4 = [version for version in HELM_VERSIONS if version.startswith("4.")]


@pytest.fixture(params=HELM_4)
def notes(request, tmp_path):
    def render(*arguments):
        result = run(
            helm_path(request.param), "install", "job", CHART, "--dry-run=client", "--namespace", "data", *arguments,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout.split("NOTES:\n", 1)[1]

    return render


def commands(text):
    """Return the command lines in the notes, each as words; fails if a shell could not read one."""
    lines = [
        line.strip().split(": ", 1)[-1]
        for line in text.splitlines()
        if "kubectl " in line or "twister2-job address" in line
    ]
    return [shlex.split(line) for line in lines]


def test_echo_mode_says_what_runs_and_how_to_change_it(notes):
    text = notes()
    assert "Job job, 2 workers, namespace data." in text
    assert "echo worker" in text and "set image and command" in text and "set job.class and job.jar.url" in text
    assert "Nothing is open to the outside." in text and "--set nodePort.enabled=true" in text


def test_dynamic_node_port_gets_the_command_that_tells_it(notes):
    words = commands(notes("--set", "nodePort.enabled=true"))
    assert [
        "kubectl", "--namespace", "data", "get", "service", "job-nodeport", "-o",
        'jsonpath={.spec.ports[?(@.name=="worker")].nodePort}',
    ] in words  # fmt: skip
    assert ["twister2-job", "address", "job", "--namespace", "data"] in words


def test_fixed_node_port_is_printed(notes):
    assert "worker: 30033" in notes("--set", "nodePort.enabled=true,nodePort.port=30033")


def test_local_policy_is_said(notes):
    text = notes("--set", "nodePort.enabled=true,nodePort.externalTrafficPolicy=Local")
    assert "any node's address that has a ready worker" in text


def test_suspended_is_said(notes):
    assert "suspended" in notes("--set", "suspend=true") and "suspended" not in notes()


def test_command_mode_says_nothing_of_the_echo_worker(notes):
    assert "echo" not in notes("--set", "command={sleep}")


JOB = ("--set", "job.class=org.example.Worker,job.jar.url=http://files.example.com/a.jar")


def test_a_job_is_told_where_its_end_is_seen(notes):
    text = notes(*JOB)
    assert "The workers run org.example.Worker" in text and "echo" not in text
    assert "kubectl --namespace data logs job-jm-0" in text and "twister2-job wait job --namespace data" in text


def test_exposing_a_jobs_worker_port_is_warned_of(notes):
    exposed = (*JOB, "--set", "perWorker.enabled=true")
    assert "WARNING: the exposed port is the workers' own" in notes(*exposed)
    assert "WARNING" not in notes(*exposed, "--set", "additionalPorts[0].name=ui")
    assert "WARNING" not in notes(*JOB)


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe", "startupProbe"])
def test_a_probe_of_a_jobs_workers_is_warned_of(notes, probe):
    for port in ("tcpSocket.port=9000", "httpGet.port=worker", "grpc.port=9000"):
        given = ("--set", f"{probe}.{port}")
        assert "WARNING: a probe connects to the workers' own port" in notes(*JOB, *given)
        assert "WARNING" not in notes(*given)
    for other in ("tcpSocket.port=9001", "exec.command={ls}"):
        assert "WARNING" not in notes(*JOB, "--set", f"{probe}.{other}")


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ("maxUnavailable=1", False),
        ("maxUnavailable=0%", True),
        ("maxUnavailable=0", True),
        ("minAvailable=1", False),
        ("minAvailable=2", True),
        # Kubernetes rounds up: 99% of two pods are two.
        ("minAvailable=99%", True),
        ("minAvailable=50%", False),
        ("minAvailable=050%", False),
        ("minAvailable=08%,instances=1", True),
        ("minAvailable=50%,instances=1", True),
        ("minAvailable=0%,instances=1", False),
        ("minAvailable=99%,instances=100", False),
        ("minAvailable=99%,instances=100,computeResources[0].instances=1", False),
        ("minAvailable=100%", True),
    ],
)
def test_a_budget_that_no_eviction_can_meet_is_told(notes, values, warned):
    text = notes("--set", f"podDisruptionBudget.enabled=true,podDisruptionBudget.{values}")
    assert ("draining a node that has one waits until the job is gone" in text) == warned


def test_rights_that_the_chart_does_not_give_are_named(notes):
    job = "job.class=a.B,job.jar.url=https://example.org/a.jar"
    text = notes("--set", f"{job},rbac.create=false,job.master.serviceAccount.name=master,job.driver=a.D")
    assert "job (workers): list configmaps; patch the configmap job; watch pods\n" in text
    assert "master (job master): list and watch configmaps; patch the configmap job; list statefulsets; patch" in text
    assert "patch the statefulsets/scale job-0\n" in text
    assert "rbac.create" not in notes("--set", job) and "rbac.create" not in notes("--set", "rbac.create=false")


def test_an_ingress_tells_its_urls_and_who_says_whether_it_works(notes):
    own = "perWorker.enabled=true,ingress.perWorker.enabled=true,ingress.perWorker.hostTemplate=w{worker}.example.com"
    text = notes("--set", f"ingress.enabled=true,ingress.host=all.example.com,ingress.tls.enabled=true,{own}")
    assert "any worker, Kubernetes chooses: https://all.example.com/" in text
    assert "worker 0, and the others alike: https://w0.example.com/" in text
    assert ["twister2-job", "address", "job", "--namespace", "data"] in commands(text)


def test_proxies_without_a_way_in_behind_them_are_told(notes):
    proxies = ("--set-json", 'networkPolicy.proxiesFrom=[{"podSelector":{}}]')
    sentence = "networkPolicy.proxiesFrom has no effect yet, since no port is behind a proxy."
    assert sentence in notes(*proxies)
    assert sentence not in notes(*proxies, "--set", "ingress.enabled=true,ingress.host=a.example.com")


@pytest.mark.parametrize(
    "way", ["ingress.enabled=true,ingress.host=a.example.com", "gateway.enabled=true,gateway.parentRefs[0].name=public"]
)
def test_allow_from_behind_proxies_is_told(notes, way):
    allowed = ("--set", "networkPolicy.allowFrom={10.1.0.0/16}")
    sentence = "networkPolicy.allowFrom tells no clients of a proxy apart: workers see the proxy's address"
    assert sentence in notes("--set", way, *allowed)
    assert sentence not in notes("--set", way)
    node = "nodePort.enabled=true,nodePort.externalTrafficPolicy=Local"
    assert sentence not in notes("--set", node, *allowed)
    assert sentence in notes("--set", f"{node},{way}", *allowed)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("ingress.host=a.example.com", "; the name's DNS record is yours to set"),
        ("ingress.host=a.example.com,externalDns.enabled=true", "; external-dns sets the name's DNS record"),
        ("ingress.shared=false,ingress.perWorker.hostTemplate=w{worker}.example.com", "DNS record is yours to set"),
        ("ingress.shared=false,ingress.perWorker.pathTemplate=/w/{worker}", ""),
    ],
)
def test_who_sets_the_dns_record_of_an_ingress_if_it_has_a_name(notes, values, told):
    own = "perWorker.enabled=true,ingress.perWorker.enabled=true," if "ingress.perWorker" in values else ""
    (line,) = [one for one in notes("--set", f"ingress.enabled=true,{own}{values}").splitlines() if "an Ingress" in one]
    assert told in line and ("DNS record" in line) is bool(told) and line.endswith(":")
