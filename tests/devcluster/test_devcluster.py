"""The development cluster keeps its promises. The tests run in the order they stand in, and test_teardown.py last."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, helm_binaries
from tests.devcluster.conftest import (
    DEVCLUSTER,
    NAMESPACE,
    WEB_PODS,
    Cluster,
    Machine,
    devcluster,
    eventually,
    fetch_in_pod,
    fetch_inside,
    get,
    inside,
    is_ours,
    kubectl,
    machine,
    node_port_addresses,
    pod_addresses,
    pod_spec,
    through_port_forward,
)

OTHER_WAY = "make demo CLUSTER=current"
Pods = dict[str, dict[str, Any]]


def sentence(text: str) -> str:
    """Return the one line that was said; fails on a traceback or on several lines."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    return lines[0]


# What is said where it can't run, or doesn't run.


def run_changed(change: str) -> subprocess.CompletedProcess[str]:
    """Run `devcluster up` on a machine that a line of Python makes look different."""
    code = f"""
import sys, platform, pathlib
sys.path.insert(0, {str(REPOSITORY / "devcluster")!r})
from cluster import cli, settings
{change}
sys.exit(cli.main(["up"]))
"""
    return subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("import os; os.geteuid = lambda: 1000", "root"),
        ("platform.system = lambda: 'Darwin'", "Linux"),
        ("settings.CGROUPS = pathlib.Path('/nowhere')", "cgroup v1"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence_with_the_other_way(change: str, what: str) -> None:
    done = run_changed(change)
    assert done.returncode == 1
    said = sentence(done.stderr)
    assert what in said
    assert OTHER_WAY in said


def test_an_unprivileged_user_is_told_about_root() -> None:
    python = "/usr/bin/python3"  # Not sys.executable: that may lie where only root may go.
    if not Path(python).exists():
        pytest.skip("needs /usr/bin/python3, which every user may run")
    done = subprocess.run(
        [python, str(DEVCLUSTER), "up"], user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
        timeout=30, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 1
    assert "root" in sentence(done.stderr)


def test_a_cluster_that_is_down_says_so(clean_machine: Machine) -> None:
    status = devcluster("status")
    assert status.returncode == 3
    assert "down" in status.stdout
    for words in (["exec", "--", "true"], ["kubeconfig"], ["logs"], ["node", "kill", "node-1"]):
        done = devcluster(*words)
        assert done.returncode == 1, words
        assert "devcluster up" in sentence(done.stderr)


def test_down_of_nothing_succeeds(clean_machine: Machine) -> None:
    assert devcluster("down").returncode == 0
    assert machine() == clean_machine


# A crash in the middle.


@pytest.mark.parametrize("seconds", [0.7, 3.0, 6.0])
def test_after_a_killed_up_down_leaves_nothing(clean_machine: Machine, seconds: float) -> None:
    command = [sys.executable, str(DEVCLUSTER), "up"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        time.sleep(seconds)
        assert starting.poll() is None, "the cluster was up too soon for this test"
        starting.kill()
    done = devcluster("down")
    assert done.returncode == 0, done.stderr
    assert machine() == clean_machine


# Up.


def test_up_is_quick(cluster: Cluster) -> None:
    assert cluster.seconds < 40, "20 s are promised; twice that is for a machine that is busy with other things"


def test_a_second_up_meanwhile_says_that_another_is_at_work(cluster: Cluster) -> None:
    assert cluster.second_up.returncode == 1
    assert "nother devcluster command" in sentence(cluster.second_up.stderr)


def test_status_names_all_nodes_with_their_addresses(cluster: Cluster) -> None:
    assert devcluster("status").returncode == 0
    status = json.loads(devcluster("status", "-o", "json").stdout)
    assert status["up"] is True
    assert status["addons"] == []
    assert [node["name"] for node in status["nodes"]] == ["node-1", "node-2", "node-3"]
    external = 0
    for node in status["nodes"]:
        assert node["running"] and node["ready"]
        internal = [one["address"] for one in node["addresses"] if one["type"] == "InternalIP"]
        assert sorted(":" in address for address in internal) == [False, True], "one address of each family"
        external += any(one["type"] == "ExternalIP" for one in node["addresses"])
    assert external == 1


def test_up_again_changes_nothing(web: Pods) -> None:
    again = devcluster("up", seconds=60)
    assert again.returncode == 0, again.stderr
    after = {pod["metadata"]["name"]: pod for pod in get("pods", "-l", "app=web")["items"]}
    assert {name: pod["metadata"]["uid"] for name, pod in after.items()} == {
        name: pod["metadata"]["uid"] for name, pod in web.items()
    }
    assert all(pod["status"]["containerStatuses"][0]["restartCount"] == 0 for pod in after.values())


# exec.


def test_exec_passes_input_output_folder_and_exit_code(cluster: Cluster, tmp_path: Path) -> None:
    done = devcluster("exec", "--", "sh", "-c", "cat; pwd; echo $0 >&2; exit 7", "a b", input="in\n", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"in\n{tmp_path}\n", "a b\n")


def test_exec_has_kubectl_and_the_kubeconfig(cluster: Cluster) -> None:
    path = devcluster("kubeconfig").stdout.strip()
    assert inside("sh", "-c", "echo $KUBECONFIG").strip() == path
    assert Path(path).stat().st_mode & 0o077 == 0, "an administrator's key is for root alone"
    assert "v1.37.2" in inside("kubectl", "version")


def test_exec_has_the_helm_and_the_wrapper_that_make_has_installed(cluster: Cluster) -> None:
    bare = {**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    assert "v4.3.1" in inside("helm", "version", env=bare)
    assert "twister2-job 0.1.0" in inside("twister2-job", "--version", env=bare)


def test_a_gateway_where_its_kinds_are_missing_is_refused_and_undone_before_an_upgrade_too(cluster: Cluster) -> None:
    """The cluster of these tests has no Gateway API: the add-ons come later."""
    open_it = ("--set", "gateway.enabled=true,gateway.parentRefs[0].name=web")
    words = ("--set", "drainSeconds=0", "--namespace", "bare")
    new = ("twister2-job", "install", "bare", *words, "--create-namespace")
    refused = devcluster("exec", "--", *new, *open_it)
    assert refused.returncode == 18 and "TCPRoute" in refused.stderr and "CRD" in refused.stderr, refused.stderr
    kubectl("wait", "--for=delete", "namespace/bare", "--timeout=60s")
    inside(*new)
    refused = devcluster("exec", "--", "twister2-job", "upgrade", "bare", *open_it, *words)
    assert refused.returncode == 18 and "TCPRoute" in refused.stderr and "CRD" in refused.stderr, refused.stderr
    revision = json.loads(inside("twister2-job", "status", "bare", "--namespace", "bare", "-o", "json"))["release"]
    assert (revision["status"], revision["revision"]) == ("deployed", 1)
    inside("twister2-job", "uninstall", "bare", "--namespace", "bare", "--wait")


def test_nothing_leads_out_of_the_cluster(cluster: Cluster) -> None:
    assert "default" not in inside("ip", "route") + inside("ip", "-6", "route")


# Pods and their network.


def test_pods_run_on_all_nodes(web: Pods) -> None:
    assert {pod["spec"]["nodeName"] for pod in web.values()} == {"node-1", "node-2", "node-3"}


def test_pods_reach_each_other_across_nodes_by_headless_name(web: Pods) -> None:
    names = {f"web-{number}.web:8080": f"web-{number}" for number in range(WEB_PODS)}
    assert fetch_in_pod("web-0", *names) == names


def test_pods_reach_each_other_across_nodes_in_both_families(web: Pods) -> None:
    expected = pod_addresses()
    assert len(expected) == 2 * WEB_PODS
    assert fetch_in_pod("web-1", *expected) == expected


def test_a_name_that_was_asked_for_too_early_is_found_as_soon_as_its_pod_is_there(web: Pods) -> None:
    assert "no answer" in fetch_in_pod("web-0", "late.web:8080")["late.web:8080"]
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "late", "labels": {"app": "web"}},
        "spec": pod_spec(["python3", "-m", "http.server", "8080", "--bind", "::", "--directory", "/etc"])
        | {"hostname": "late", "subdomain": "web"},
    }
    kubectl("create", "-f", "-", input=json.dumps(manifest))
    try:
        kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=30s")
        eventually(
            "the name of the late pod",
            lambda: fetch_in_pod("web-0", "late.web:8080")["late.web:8080"] == "late",
            5,
        )
    finally:
        kubectl("delete", "pod", "late")


def test_node_ports_answer_on_every_address_of_every_node(web: Pods) -> None:
    addresses = node_port_addresses()
    assert len(addresses) == 8, "two of each of three nodes, and two ExternalIPs"
    answers = eventually(
        "the node port on all addresses",
        lambda: (found := fetch_inside(*addresses)) and all(one in web for one in found.values()) and found,
        15,
    )
    assert set(answers) == set(addresses)


def test_node_ports_answer_pods_on_every_address_of_every_node(web: Pods) -> None:
    addresses = node_port_addresses()
    for pod in web:  # One a node.
        answers = fetch_in_pod(pod, *addresses)
        assert {address: answer for address, answer in answers.items() if answer not in web} == {}, pod


# kubectl's long connections, permissions, storage, images.


def test_exec_into_a_pod_passes_input(web: Pods) -> None:
    assert kubectl("exec", "-i", "web-2", "--", "sh", "-c", "cat", input="hello") == "hello"


def test_logs_show_what_a_pod_printed(web: Pods) -> None:
    fetch_in_pod("web-0", "web-1.web:8080")
    assert "GET /hostname" in kubectl("logs", "web-1")


def test_port_forward_reaches_a_pod(web: Pods) -> None:
    assert through_port_forward("web-2") == "web-2"


def test_rbac_is_enforced(web: Pods) -> None:
    account = f"--as=system:serviceaccount:{NAMESPACE}:default"
    done = devcluster("exec", "--", "kubectl", "-n", NAMESPACE, "get", "pods", account)
    assert done.returncode != 0
    assert "forbidden" in done.stderr


def test_a_claim_keeps_its_data_from_pod_to_pod(web: Pods) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    kubectl("create", "-f", "-", input=json.dumps(claim))
    for number, command in enumerate(("echo kept > /data/file", "cat /data/file")):
        spec = pod_spec(["sh", "-c", command], volumeMounts=[{"name": "data", "mountPath": "/data"}])
        del spec["containers"][0]["securityContext"]  # A host-path volume belongs to root.
        spec |= {"restartPolicy": "Never", "nodeName": f"node-{number + 1}"}
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"data-{number}"}, "spec": spec}
        eventually("the claim's volume", lambda: get("pvc", "data")["status"]["phase"] == "Bound", 30)
        kubectl("create", "-f", "-", input=json.dumps(manifest))
        kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/data-{number}", "--timeout=30s")
    assert kubectl("logs", "data-1") == "kept\n"


def test_load_brings_an_image_to_every_node_once(web: Pods, tmp_path: Path) -> None:
    source = next((helm_binaries.cache_root() / "devcluster" / "images").glob("python*.tar"))
    target = tmp_path / "image.tar"
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content
            data = content.read()
            if member.name == "manifest.json":
                data = json.dumps([json.loads(data)[0] | {"RepoTags": ["example.test/loaded:1"]}]).encode()
                member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    done = devcluster("load", str(target))
    assert done.returncode == 0, done.stderr
    assert "example.test/loaded:1 is now in node-1, node-2, node-3" in sentence(done.stderr)
    assert "in every node already" in sentence(devcluster("load", str(target)).stderr)
    for number in (1, 2, 3):
        spec = pod_spec(["python3", "-c", "print('loaded')"], image="example.test/loaded:1", imagePullPolicy="Never")
        spec |= {"restartPolicy": "Never", "nodeName": f"node-{number}"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"loaded-{number}"}, "spec": spec}
        kubectl("create", "-f", "-", input=json.dumps(pod))
    for number in (1, 2, 3):
        kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/loaded-{number}", "--timeout=30s")


def test_load_of_what_is_no_archive_says_so(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    for path in ("/no/such/file.tar", str(tmp_path / "text")):
        done = devcluster("load", path)
        assert done.returncode == 1
        assert path in sentence(done.stderr)


def test_logs_of_every_program(cluster: Cluster) -> None:
    assert devcluster("logs").returncode == 0
    assert "node-3-kubelet" in sentence(devcluster("logs", "nonsense").stderr), "the names that there are"
    assert devcluster("logs", "kube-apiserver", "--lines", "1").stdout.count("\n") == 1


# A node dies and comes back.


def test_a_killed_node_is_gone_and_comes_back(web: Pods) -> None:
    def programs() -> int:
        return sum(is_ours(process.split(" ", 1)[1]) for process in machine().processes)

    before = programs()
    victim = next(name for name, pod in web.items() if pod["spec"]["nodeName"] == "node-3")
    assert devcluster("node", "kill", "node-3").returncode == 0
    status = json.loads(devcluster("status", "-o", "json").stdout)
    assert {node["name"]: node["running"] for node in status["nodes"]} == {
        "node-1": True,
        "node-2": True,
        "node-3": False,
    }
    # Its containerd, kubelet, kube-proxy, shims and pods are gone with it.
    eventually("the end of the node's programs", lambda: programs() <= before - 5, 10)
    assert devcluster("status").returncode in (0, 3)  # Kubernetes itself notices only after 40 to 60 s.
    began = devcluster("node", "start", "node-3")
    assert began.returncode == 0, began.stderr
    kubectl("wait", "--for=condition=Ready", "node/node-3", "--timeout=90s")

    def answers() -> bool:
        status = get("pod", victim)["status"]
        assert status["containerStatuses"][0]["restartCount"] >= 1, "not restarted yet"
        address = f"{victim}.web:8080"
        other = next(name for name in web if name != victim)
        return fetch_in_pod(other, address)[address] == victim

    eventually("the answer of the pod on the node that came back", answers, 90)


def test_there_is_no_other_node(cluster: Cluster) -> None:
    done = devcluster("node", "kill", "node-9")
    assert done.returncode == 1
    assert "node-9" in sentence(done.stderr)
