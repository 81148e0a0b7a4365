"""The client for code on a real cluster: an exposure if it answers, else a forward that ends with the block."""

import asyncio
import json
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from twister2_job import AsyncJob, Job
from twister2_job.errors import ForwardLostError, JobNotFoundError, LocalPortError, NotExposedError
from twister2_job.reach.forward import Forward, forward

from tests.cluster.conftest import HELM_VERSIONS, ask, eventually
from tests.conftest import REPOSITORY, helm_path, run

pytestmark = pytest.mark.xdist_group("client")  # All share one job.
SHAPE = [
    "instances=2,workersPerPod=2",
    "additionalPorts[0].name=ui",
    "additionalPorts[1].name=beat,additionalPorts[1].protocol=UDP",
]


@pytest.fixture(scope="module")
def kubectl(cluster_kubeconfig):
    def runner(*words, **options):
        result = run("kubectl", "--kubeconfig", cluster_kubeconfig, *words, **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return runner


@pytest.fixture(scope="module")
def where(kubectl, cluster_kubeconfig):
    """A job of two pods with two workers each that is not exposed: what `Job` needs to find it."""
    name, namespace = f"j{secrets.token_hex(4)}", f"test-{secrets.token_hex(4)}"
    kubectl("create", "namespace", namespace)
    kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELM_BIN", helm_path(HELM_VERSIONS[-1]))
        found = {"name": name, "namespace": namespace, "kubeconfig": cluster_kubeconfig}
        Job(**found).install(set=SHAPE, timeout=120)
        yield found
    kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def exposed(where):
    """Expose each worker for one test, with more values if given."""
    job = Job(**where)
    yield lambda *more: job.upgrade(set=[*SHAPE, "perWorker.enabled=true", *more], timeout=60)
    job.upgrade(set=SHAPE, timeout=60)


@pytest.fixture
def uid(kubectl, where):
    """Return the UID of a pod, empty while there is none."""
    return lambda pod: kubectl(
        "-n", where["namespace"], "get", "pod", pod, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"
    )


@pytest.fixture(autouse=True)
def ready(request, where):
    """Whatever a test did to the pods, the next one finds all workers ready."""
    yield
    eventually(lambda: [w.ready for w in Job(**where).status().workers] == [True] * 4, 60)


def processes(where):
    """Return the command lines of the kubectl processes that work for the job."""
    lines = run("ps", "-e", "-ww", "-o", "args=").stdout.splitlines()
    return [line for line in lines if "kubectl" in line and f"{where['name']}-0-" in line]


def refused(host, port):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0


def forward_to(where, **options):
    job = AsyncJob(**where)
    return Forward(job.connection, job.name, **options)


@pytest.mark.parametrize("worker", [2, 3])
def test_a_worker_of_a_job_that_is_not_exposed_is_reached_and_nothing_is_left(where, worker):
    with Job(**where).connect(worker=worker, port="ui") as endpoint:
        host, port = endpoint
        said = ask(host, port)
        assert (said["job"], said["worker"], said["portName"]) == (where["name"], worker, "ui")
        assert (host, endpoint.via) == ("127.0.0.1", "portForward") and len(processes(where)) == 2
    assert refused(host, port) and processes(where) == []


def test_the_documented_snippet_works(where, capsys):
    section = (REPOSITORY / "docs" / "wrapper.md").read_text().split("\n## Connect from code\n")[1]
    snippet = re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)
    assert 'Job("job")' in snippet and "worker=1," in snippet
    exec(snippet.replace('Job("job")', f"Job(**{where!r})"), {})
    assert json.loads(capsys.readouterr().out)["worker"] == 1


def test_without_a_worker_it_is_the_first_ready_one(where):
    with Job(**where).connect() as endpoint:
        said = ask(*endpoint)
        assert (said["worker"], said["portName"]) == (0, "worker")


def test_the_same_with_await(where):
    async def main():
        async with AsyncJob(**where).connect(worker=1) as endpoint:
            reader, writer = await asyncio.open_connection(*endpoint)
            said = json.loads(await reader.readline())
            writer.close()
            await writer.wait_closed()
        return said, endpoint

    said, endpoint = asyncio.run(main())
    assert said["worker"] == 1 and refused(*endpoint) and processes(where) == []


def test_the_synchronous_client_works_inside_a_running_loop(where):
    async def notebook():
        with Job(**where).connect(worker=1) as endpoint:
            return ask(*endpoint)["worker"], endpoint

    worker, endpoint = asyncio.run(notebook())
    assert worker == 1 and refused(*endpoint) and processes(where) == []


def test_an_error_in_the_block_is_the_callers_and_leaves_nothing(where):
    for error in (KeyboardInterrupt, ValueError, ConnectionResetError):
        with pytest.raises(error), Job(**where).connect():
            raise error
        assert processes(where) == []


def test_an_exposure_that_answers_is_used(where, exposed, nodes):
    own = [a for w in exposed().workers if w.id == 3 for a in w.addresses if a.port == "ui"]
    eventually(lambda: ask(own[0].host, own[0].number)["worker"] == 3, 60)
    with Job(**where).connect(worker=3, port="ui") as endpoint:
        assert ask(*endpoint)["worker"] == 3
        assert endpoint.via == "perWorker" and endpoint.address == own[0].address
        assert endpoint.host in [one for listed in nodes.values() for one in listed] and processes(where) == []
    with Job(**where).connect() as endpoint:
        assert endpoint.via == "perWorker" and ask(*endpoint)["portName"] == "worker"
    with Job(**where).connect(worker=2, port="beat") as endpoint, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        assert endpoint.via == "perWorker"
        datagrams.settimeout(5)
        if ":" not in endpoint.host:
            datagrams.sendto(b"?", endpoint)
            assert json.loads(datagrams.recv(65536))["portName"] == "beat"


def test_an_exposure_that_does_not_answer_is_passed_by(where, exposed):
    report = exposed("perWorker.hostTemplate=127.0.0.9")
    assert {(a.host, a.state) for a in report.workers[2].addresses} == {("127.0.0.9", "available")}
    began = time.monotonic()
    with Job(**where).connect(worker=2) as endpoint:
        assert endpoint.via == "portForward" and ask(*endpoint)["worker"] == 2
        assert time.monotonic() - began < 10


def test_a_replaced_pod_answers_at_the_same_port_without_a_broken_connection(where, kubectl, uid):
    """Nobody connects meanwhile, and kubectl alone would only notice at the next connection, by breaking it."""
    pod, said = f"{where['name']}-0-1", []
    before = uid(pod)
    with Job(**where, say=said.append).connect(worker=3, port="ui") as endpoint:
        expected = f"Forwarding {endpoint.address} -> worker 3, port ui (pod {pod})"
        assert said == [expected]
        kubectl("-n", where["namespace"], "delete", "pod", pod)
        eventually(lambda: said.count(expected) == 2, 60)
        assert ask(*endpoint)["worker"] == 3 and uid(pod) not in (before, "")
        assert len(said) == 3 and "pod is gone" in said[1]


def test_a_pod_that_dies_under_a_connection_is_found_again(where, kubectl, uid):
    pod = f"{where['name']}-0-0"
    before = uid(pod)
    with Job(**where).connect(worker=0) as endpoint:
        kubectl("-n", where["namespace"], "delete", "pod", pod, "--wait=false")

        def again():
            answer = ask(*endpoint)  # From the old pod or the new one, or an error in between.
            return uid(pod) not in (before, "") and answer["worker"] == 0

        eventually(again, 60)


def test_a_forward_that_stays_broken_says_which_pod_and_why(where, kubectl):
    pod = f"{where['name']}-0-1"

    async def main():
        async with forward_to(where, worker=2, limit=0.5) as way:
            await asyncio.to_thread(kubectl, "-n", where["namespace"], "delete", "pod", pod, "--wait=false")
            await way.ended()

    with pytest.raises(ForwardLostError, match=rf"worker 2 \(pod {pod}\) broke .* 0.5 s: .*(pod is gone|{pod})"):
        asyncio.run(main())
    assert processes(where) == []


def test_a_worker_that_is_gone_for_good_is_told_instead_of_the_refused_connection(where, kubectl):
    said = []

    def scale(replicas):
        words = ("scale", "statefulset", f"{where['name']}-0", f"--replicas={replicas}")
        kubectl("-n", where["namespace"], *words)

    try:
        gone = pytest.raises(NotExposedError, match=r"no worker 2.*workers are 0, 1\.")
        with gone, Job(**where, say=said.append).connect(worker=2) as endpoint:
            scale(1)
            eventually(lambda: "Lost" in said[-1])
            time.sleep(2)  # It is given up at the first try to make it again, which nobody is told before they connect.
            ask(*endpoint)
        assert processes(where) == []
    finally:
        scale(2)


def test_a_given_local_port_is_used_and_a_busy_one_is_told(where):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]

        async def main():
            async with forward_to(where, local=busy) as way:
                return way.port

        with pytest.raises(LocalPortError, match=f"Local port {busy} is used by another program"):
            asyncio.run(main())
        taken.close()
        assert asyncio.run(main()) == busy
    assert processes(where) == []


@pytest.mark.parametrize(
    ("worker", "port", "error", "said"),
    [
        (9, "ui", NotExposedError, "no worker 9.*workers are 0, 1, 2, 3"),
        (3, "web", NotExposedError, "Worker 3 .*no port web.*ports are worker, ui, beat"),
        (3, "ui-1", NotExposedError, "no port ui-1"),
        (3, "beat", NotExposedError, "beat .*UDP.*perWorker"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(where, worker, port, error, said):
    with pytest.raises(error, match=said), Job(**where).connect(worker=worker, port=port):
        pass


def test_no_such_job(where):
    with pytest.raises(JobNotFoundError, match="no job nobody"), Job(**{**where, "name": "nobody"}).connect():
        pass


def test_forward_runs_until_it_is_cancelled(where):
    said = []

    async def main():
        job = AsyncJob(**where)
        work = forward(job.connection, job.name, worker=1, port="", local=0, say=said.append)
        task = asyncio.ensure_future(work)
        while not said:
            await asyncio.sleep(0.05)
        answer = await asyncio.to_thread(ask, "127.0.0.1", int(said[0].split(" ")[1].rsplit(":", 1)[1]))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return answer["worker"], task.cancelled()

    assert asyncio.run(main()) == (1, True)
    assert said[0].endswith(f"-> worker 1, port worker (pod {where['name']}-0-0)") and processes(where) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_command_ends_with_its_kubectl(where, number, code):
    command = str(Path(sys.executable).parent / "twister2-job")
    words = [command, "forward", where["name"], "-n", where["namespace"], "--kubeconfig", where["kubeconfig"]]
    with subprocess.Popen([*words, "--port", "ui"], stderr=subprocess.PIPE, text=True) as process:
        found = re.search(r"Forwarding 127.0.0.1:(\d+) -> worker 0, port ui", process.stderr.readline())
        assert ask("127.0.0.1", int(found[1]))["portName"] == "ui"
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
    assert process.returncode == code and "Traceback" not in said and processes(where) == []


def test_the_documented_role_is_enough_and_its_token_stays_off_the_command_line(where, kubectl, monkeypatch):
    namespace = where["namespace"]
    kubectl("-n", namespace, "create", "serviceaccount", "user")
    documented = (REPOSITORY / "docs" / "wrapper.md").read_text()
    role = re.search(r"```yaml\n(.*?kind: Role\n.*?)```", documented, re.DOTALL).group(1)
    kubectl("-n", namespace, "create", "-f", "-", input=role)
    kubectl(
        "-n",
        namespace,
        "create",
        "rolebinding",
        "user",
        "--role=twister2-job-user",
        f"--serviceaccount={namespace}:user",
    )
    token = kubectl("-n", namespace, "create", "token", "user").strip()
    monkeypatch.setenv("HELM_KUBETOKEN", token)
    monkeypatch.setenv("KUBECONFIG", where["kubeconfig"])
    with Job(where["name"], namespace=namespace).connect(worker=2) as endpoint:
        assert ask(*endpoint)["worker"] == 2
        assert len(processes(where)) == 2 and not any(token in line for line in processes(where))
