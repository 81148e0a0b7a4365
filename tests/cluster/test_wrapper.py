"""The command on a real cluster: what it prints answers, what is refused leaves nothing, what breaks is repaired."""

import json
import re
import signal
import subprocess
import sys
import time

from tests.cluster.conftest import COMMAND, ask, eventually, only_newest_helm, refused

ON = ("--set", "nodePort.enabled=true")


def test_install_prints_addresses_that_answer(command, job):
    result = command("install", job, *ON, "--set", "instances=3", "-o", "plain")
    assert result.returncode == 0, result.stderr
    addresses = result.stdout.split()
    assert len(addresses) == 8 and f"all {len(addresses)} addresses answer from here" in result.stderr
    for address in addresses:
        host, port = address.rsplit(":", 1)
        assert ask(host.strip("[]"), int(port))["job"] == job
    assert command("address", job, "-o", "plain").stdout.split() == addresses
    assert command("address", job, "-o", "plain", "--first").stdout.split() == addresses[:1]
    status = json.loads(command("status", job, "-o", "json").stdout)
    assert status["ready"] is True and len(status["workers"]) == 3
    listed = json.loads(command("list", "-o", "json").stdout)
    assert [one["name"] for one in listed] == [job]


def test_a_release_of_bare_helm_is_listed_and_read(command, release):
    release.install(*ON)
    assert release.name in command("list").stdout
    assert str(release.node_ports()["worker"]) in command("address", release.name).stdout
    assert command("uninstall", release.name, "--wait").returncode == 0
    refused(command("address", release.name), 8, release.name)


@only_newest_helm
def test_curl_of_the_first_address(command, run, job, namespace):
    assert command("install", job, *ON).returncode == 0
    script = f"curl --silent --fail http://$({COMMAND} address {job} -n {namespace} -o plain --first)"
    assert json.loads(run("bash", "-c", script).stdout)["job"] == job


@only_newest_helm
def test_where_no_address_answers_a_command_is_told_that_does(command, environment, job):
    """A kind or minikube on a Mac, a firewall: here an advertised host that no packet reaches."""
    result = command("install", job, *ON, "--set", "nodePort.advertisedHost=192.0.2.1,workerPort=9100")
    assert result.returncode == 0 and "0 of 1 addresses answer from here" in result.stderr, result.stderr
    told = re.search(r"localhost:9000: (kubectl .*)", result.stderr)[1].split()
    assert told[-1] == "9000:worker"
    told[-1] = ":worker"  # Any free port: another test may use 9000.
    with subprocess.Popen(told, env=environment, stdout=subprocess.PIPE, text=True) as process:
        port = int(re.search(r"127.0.0.1:(\d+)", process.stdout.readline())[1])
        assert ask("127.0.0.1", port)["job"] == job
        process.terminate()


def test_an_existing_job_is_not_touched(command, job):
    assert command("install", job, *ON).returncode == 0
    refused(command("install", job, "--set", "instances=5"), 7, job, "upgrade")
    assert len(json.loads(command("status", job, "-o", "json").stdout)["workers"]) == 2


def test_wrong_values_leave_nothing(command, job, left):
    refused(command("install", job, *ON, "--set", "workersPerPod=2"), 5, "nodePort", "workersPerPod")
    assert left() == []


def test_a_taken_port_leaves_nothing_and_names_the_holder(command, job, left, namespace):
    assert command("install", job, *ON).returncode == 0
    port = json.loads(command("address", job, "-o", "json").stdout)["shared"][0]["number"]
    before = left()
    refused(
        command("install", f"{job}-b", *ON, "--set", f"nodePort.port={port}"),
        9,
        str(port),
        f"{namespace}/{job}-nodeport",
    )
    assert left() == before


def test_a_port_out_of_the_clusters_range_leaves_nothing(command, job, left):
    wider = "nodePort.range.min=20000,nodePort.port=20001"
    refused(command("install", job, *ON, "--set", wider), 10, "20001")
    assert left() == []


def test_a_missing_namespace_is_named_and_not_made(run, job):
    refused(run(COMMAND, "install", job, "--namespace", "not-there"), 19, "not-there", "--create-namespace")


@only_newest_helm
def test_out_of_time_says_why_and_the_release_stays(command, job):
    image = ("--set", "echo.image.repository=registry.invalid/nothing,instances=1")
    result = command("install", job, *image, "--timeout", "8s")
    refused(result, 11, f"pod {job}-0-0", "registry.invalid/nothing", f"uninstall {job}")
    assert job in command("list").stdout


def test_out_of_time_with_rollback_leaves_nothing(command, job, left):
    image = ("--set", "echo.image.repository=registry.invalid/nothing,instances=1")
    refused(command("install", job, *image, "--timeout", "6s", "--rollback-on-failure"), 11, "removed")
    assert eventually(lambda: left() == [])


@only_newest_helm
def test_what_an_upgrade_does_not_give_is_named_and_the_hints_keep_it(command, job):
    """The commands that messages print are followed here as they stand."""
    assert command("install", job, "--set", "podLabels.a=b,instances=1").returncode == 0
    hint = re.search(r"`twister2-job (upgrade [^`]+)`", command("address", job).stdout)[1].split()
    result = command(*hint)
    assert result.returncode == 0 and "Not given" not in result.stderr, result.stderr
    refused(command("address", job, "--worker", "1"), 4, f"The job {job} has no worker 1. It has the workers 0 to 0.")
    missing = command("address", job, "--worker", "0")
    refused(missing, 4, "gives each worker an address of its own")
    assert command(*re.search(r"`twister2-job (upgrade [^`]+)`", missing.stderr)[1].split()).returncode == 0
    assert command("address", job, "--worker", "0").returncode == 0
    result = command("upgrade", job, "--set", "nodePort.enabled=true,instances=1")
    assert result.returncode == 0
    assert "back at the chart's defaults: perWorker, podLabels." in result.stderr, result.stderr


@only_newest_helm
def test_a_crashing_worker_is_named_with_its_last_words(command, job):
    # Without a probe Kubernetes calls a worker ready for the moment between start and crash.
    values = "image.repository=docker.io/library/python,image.tag=3.11-slim-bookworm,instances=1"
    values += ",readinessProbe.tcpSocket.port=worker"
    crash = (
        "--set",
        values,
        "--set-json",
        'command=["python3","-c","print(\\"no more tuples\\"); raise SystemExit(3)"]',
    )
    refused(command("install", job, *crash, "--timeout", "10s"), 11, f"{job}-0-0", "no more tuples")


def test_a_failed_upgrade_leaves_the_job_running_and_says_what_is_live(command, job, release):
    assert command("install", job, *ON).returncode == 0
    uids, port = release.uids(), release.node_ports()
    other = command("install", f"{job}-b", *ON)
    assert other.returncode == 0
    taken = json.loads(command("address", f"{job}-b", "-o", "json").stdout)["shared"][0]["number"]
    refused(command("upgrade", job, *ON, "--set", f"nodePort.port={taken}"), 9, str(taken), "revision 1")
    assert (release.uids(), release.node_ports()) == (uids, port)
    assert command("upgrade", job, *ON, "--set", "instances=3").returncode == 0
    assert uids.items() <= release.uids().items() and release.node_ports() == port


def test_what_kubectl_has_scaled_an_upgrade_sets_again(command, job, release, run, namespace):
    """With Helm 4 fields have owners, and the number of pods is then another's."""
    assert command("install", job).returncode == 0
    for wanted, pods, *scaled in (("suspend=true", 0, 3, 2), ("instances=1", 1, 3)):
        for size in scaled:
            release.kube("-n", namespace, "scale", "statefulset", f"{job}-0", f"--replicas={size}")
        result = command("upgrade", job, "--set", wanted)
        assert result.returncode == 0, result.stderr
        assert release.get("statefulset", f"{job}-0")["spec"]["replicas"] == pods
    assert [one["status"] for one in json.loads(run("helm", "history", job, "-n", namespace, "-o", "json").stdout)] == [
        "superseded", "superseded", "deployed",
    ]  # fmt: skip


@only_newest_helm
def test_the_pod_of_helm_test_is_no_part_of_the_job(command, release, kube, namespace):
    release.install()
    release.helm("test")
    assert release.get("pod", f"{release.name}-test")["status"]["phase"] == "Succeeded"
    release.helm("uninstall")
    assert eventually(lambda: command("address", release.name).returncode == 8, 30)
    release.install()
    release.helm("test")
    result = command("uninstall", release.name, "--wait", "--timeout", "60")
    assert result.returncode == 0, result.stderr
    assert eventually(lambda: kube("-n", namespace, "get", "pods", "-o", "name") == "", 30)


@only_newest_helm
def test_a_change_of_one_element_keeps_the_rest_of_a_list(command, job, release):
    """Helm alone would take the list for a new one with this element."""
    groups = ("--set", "computeResources[0].instances=1,computeResources[0].workersPerPod=2")
    assert command("install", job, *groups).returncode == 0
    result = command("upgrade", job, "--reset-then-reuse-values", "--set", "computeResources[0].instances=2")
    assert result.returncode == 0, result.stderr
    pods = release.pods()
    assert sorted(pods) == [f"{job}-0-0", f"{job}-0-1", f"{job}-1-0", f"{job}-1-1"]
    assert len(pods[f"{job}-1-1"]["spec"]["containers"]) == 2


def test_upgrade_of_nothing(command, job):
    refused(command("upgrade", job), 8, job, "install")


def test_a_killed_install_is_repaired_by_the_next(command, run, environment, job, namespace, left):
    """Both the command and Helm are killed while Helm works: the release stays pending."""
    words = [COMMAND, "install", job, *ON, "--namespace", namespace]
    with subprocess.Popen(
        words, env=environment, start_new_session=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        eventually(lambda: any(name.startswith("sh.helm.release") for name in left()), 20)
        run("pkill", "-KILL", "-s", str(process.pid))
        run("pkill", "-KILL", "-f", f"upgrade {job} ")
        process.send_signal(signal.SIGKILL)
    status = run("helm", "status", job, "--namespace", namespace).stdout
    result = command("install", job, *ON)
    if "pending-install" in status:
        assert result.returncode == 0 and "interrupted" in result.stderr, result.stderr
    else:  # Helm was done before we were: then the job exists, and nobody has waited for its workers yet.
        refused(result, 7, job)
    assert eventually(lambda: command("address", job, "-o", "plain").returncode == 0, 60)


def test_a_pending_release_is_repaired(command, run, kube, job, namespace):
    """The state that a killed Helm leaves, made by hand because a kill rarely hits the moment."""
    assert command("install", job, *ON).returncode == 0
    name = f"sh.helm.release.v1.{job}.v1"
    script = (
        "import base64,gzip,json,sys;s=json.load(sys.stdin);"
        "r=json.loads(gzip.decompress(base64.b64decode(base64.b64decode(s['data']['release']))));"
        "r['info']['status']='pending-install';s['metadata']['labels']['status']='pending-install';"
        "s['data']['release']=base64.b64encode(base64.b64encode(gzip.compress(json.dumps(r).encode()))).decode();"
        "print(json.dumps(s))"
    )
    stored = kube("-n", namespace, "get", "secret", name, "-o", "json")
    kube("replace", "-f", "-", input=run(sys.executable, "-c", script, input=stored).stdout)
    result = command("install", job, *ON)
    assert result.returncode == 0 and "interrupted" in result.stderr, result.stderr


def test_the_documented_role_is_enough(command, job, restricted_kubeconfig, bind_documented_role):
    bind_documented_role()
    mine = ("--kubeconfig", restricted_kubeconfig())
    installed = command("install", job, *ON, *mine)
    assert installed.returncode == 0, installed.stderr
    addresses = json.loads(command("address", job, "-o", "json", *mine).stdout)
    assert {address["source"] for address in addresses["shared"]} == {"podHostIP"} and addresses["warnings"]
    for address in addresses["shared"]:
        assert eventually(lambda address=address: ask(address["host"], address["number"]))["job"] == job
    for words in (["status", job], ["list"], ["upgrade", job, *ON], ["uninstall", job]):
        result = command(*words, *mine)
        assert result.returncode == 0, f"{words}: {result.stderr}"


def test_no_rights_and_a_refused_login(command, job, left, restricted_kubeconfig):
    refused(command("install", job, *ON, "--kubeconfig", restricted_kubeconfig()), 13)
    result = command("install", job, *ON, "--kubeconfig", restricted_kubeconfig("not-a-token"))
    refused(result, 14)
    assert "not-a-token" not in result.stderr
    assert left() == ["user"]


def test_interrupted_install_ends_at_once_and_can_be_repeated(environment, command, job, namespace):
    """SIGTERM, as a supervisor sends it, while the workers are waited for."""
    words = [COMMAND, "install", job, "--namespace", namespace, "--set", "echo.image.repository=registry.invalid/x"]
    with subprocess.Popen(
        words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        time.sleep(4)
        process.terminate()
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143 and time.monotonic() - began < 10 and "Traceback" not in said, said
    assert command("upgrade", job, *ON).returncode == 0 or command("install", job, *ON).returncode == 0


@only_newest_helm
def test_a_job_whose_pods_still_end_is_no_job_any_more(command, job):
    """What it advised before was refused by the next command."""
    assert command("install", job, "--set", "nodePort.enabled=true,drainSeconds=9").returncode == 0
    assert command("uninstall", job).returncode == 0
    for words in (("address", job), ("address", job, "-o", "plain", "--first"), ("check", job), ("status", job)):
        refused(command(*words), 8, f"There is no job {job} in namespace")
