"""Volumes of real pods: what is written there outlives pods and jobs, claims stay or go as the values say.

The volumes are folders of one node, which the tests make by themselves with a pod that has a hostPath.
"""

import json
import re
import secrets

import pytest
import yaml

from tests.cluster.conftest import COMMAND, alone, eventually, only_newest_helm, refused
from tests.cluster.twister2_images import PACKAGE, jar, values

HOST = """
import os, signal
for number in range(3):
    os.makedirs(f"/host/{name}/{number}")
    os.chmod(f"/host/{name}/{number}", 0o777)
print("made", flush=True)
signal.pause()
""".replace("{name}", "NAME")


@pytest.fixture
def storage(kube):
    """The name of a storage class with three volumes of 1 MiB; what was in them is removed afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    nodes = json.loads(kube("get", "nodes", "-o", "json"))["items"]
    node = next(one for one in nodes if not one["spec"].get("unschedulable") and not one["spec"].get("taints"))
    host = {
        "nodeName": node["metadata"]["name"],
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "host", "image": "docker.io/library/python:3.11-slim-bookworm",
                "command": ["python3", "-c", HOST.replace("NAME", name)],
                "volumeMounts": [{"name": "host", "mountPath": "/host"}],
            }
        ],
        "volumes": [{"name": "host", "hostPath": {"path": "/tmp"}}],
    }  # fmt: skip
    hostname = "kubernetes.io/hostname"
    affinity = {"key": hostname, "operator": "In", "values": [node["metadata"]["labels"][hostname]]}
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{name}-{number}", "labels": {"test": name}},
            "spec": {
                "capacity": {"storage": "1Mi"},
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": name,
                "local": {"path": f"/tmp/{name}/{number}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [affinity]}]}},
            },
        }
        for number in range(3)
    ]
    kube("create", "namespace", name)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "host", "namespace": name}, "spec": host}
    kube("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, *volumes]}))
    assert eventually(lambda: kube("-n", name, "logs", "host") == "made\n", 60)
    yield name
    remove = f"import shutil; shutil.rmtree('/host/{name}', ignore_errors=True)"
    kube("-n", name, "exec", "host", "--", "python3", "-c", remove)
    kube("delete", "persistentvolumes", "-l", f"test={name}", "--wait=false")
    kube("delete", "namespace", name, "--wait=false")


@pytest.fixture
def on(storage):
    """Helm's options that give each pod one of these volumes."""
    return ("--set", f"persistence.enabled=true,persistence.size=1Mi,persistence.storageClass={storage},drainSeconds=0")


@pytest.fixture
def claims(kube, namespace):
    """Return the claims of the namespace: name -> whether it is bound."""

    def found():
        listed = json.loads(kube("-n", namespace, "get", "pvc", "-o", "json"))["items"]
        return {one["metadata"]["name"]: one["status"].get("phase") == "Bound" for one in listed}

    return found


@pytest.fixture
def inside(kube, namespace):
    """Run a line of shell in a pod and return what it printed."""
    return lambda pod, line: kube("-n", namespace, "exec", pod, "--", "sh", "-c", line)


@only_newest_helm
def test_what_a_worker_writes_outlives_its_pod_a_rolling_change_and_the_job(
    command, release, on, claims, inside, job, kube
):
    pods, names = [f"{job}-0-0", f"{job}-0-1"], {f"persistent-volume-{job}-0-{number}" for number in (0, 1)}
    result = command("install", job, *on, "--timeout", "120")
    assert result.returncode == 0, result.stderr
    assert claims() == dict.fromkeys(names, True)
    for pod in pods:
        inside(pod, f"echo {pod} > /persistent/who")

    def all_there():
        return [inside(pod, "cat /persistent/who").strip() for pod in pods] == pods

    before = release.uids()
    kube("-n", release.namespace, "delete", "pod", pods[0])
    kube("-n", release.namespace, "rollout", "status", f"statefulset/{job}-0", "--timeout=60s")
    assert release.uids()[pods[0]] != before[pods[0]] and all_there()

    before = release.uids()
    result = command("upgrade", job, "--reset-then-reuse-values", "--set", "podAnnotations.a=b", "--timeout", "120")
    assert result.returncode == 0, result.stderr
    kube("-n", release.namespace, "rollout", "status", f"statefulset/{job}-0", "--timeout=60s")
    assert not set(before.values()) & set(release.uids().values()) and all_there()

    result = command("uninstall", job, "--wait")
    assert result.returncode == 0, result.stderr
    assert f"the claims {', '.join(sorted(names))}. To delete them: `kubectl delete pvc" in result.stderr
    assert claims() == dict.fromkeys(names, True)

    result = command("install", job, *on, "--set", "persistence.storageClass=other,persistence.size=2Mi")
    refused(result, 5, "persistence.storageClass: the claim persistent-", "persistence.size", "kubectl delete pvc")
    assert claims() == dict.fromkeys(names, True)

    # A job of the same name finds them again; the policy may change while it is there, and then they go with the job.
    result = command("install", job, *on, "--timeout", "120")
    assert result.returncode == 0, result.stderr
    assert all_there()
    before = release.uids()
    delete = ("--set", "persistence.retention.whenDeleted=Delete")
    result = command("upgrade", job, "--reset-then-reuse-values", *delete, "--timeout", "120")
    assert result.returncode == 0 and release.uids() == before, result.stderr
    assert eventually(lambda: kube("-n", release.namespace, "get", "pvc", "-o", "jsonpath={..ownerReferences[*].kind}"))
    result = command("uninstall", job, "--wait")
    assert result.returncode == 0 and "claims" not in result.stderr, result.stderr
    assert eventually(lambda: claims() == {})


@only_newest_helm
def test_an_install_that_is_taken_back_keeps_the_claims_and_the_namespace_around_them(run, job, kube, namespace):
    """The claims stay unbound, so that the time is out; who they belong to is told as it is."""
    there = f"{namespace}-new"
    on = ("--set", "persistence.enabled=true,persistence.storageClass=there-is-none,instances=1")
    undo = ("--create-namespace", "--rollback-on-failure", "--timeout", "6")
    try:
        result = run(COMMAND, "install", job, "--namespace", there, *on, *undo)
        stays = f"The namespace {there} stays, since claims of volumes of this job"
        refused(result, 11, f"removed the release {job}", stays)
        assert f"`kubectl delete namespace {there}" in result.stderr and "others" not in result.stderr
        assert kube("-n", there, "get", "pvc", "-o", "name").split() == [
            f"persistentvolumeclaim/persistent-volume-{job}-0-0"
        ]
    finally:
        kube("delete", "namespace", there, "--ignore-not-found", "--wait=false")


@only_newest_helm
def test_one_claim_is_shared_by_all_pods(release, storage, inside, job, kube):
    size = {"requests": {"storage": "1Mi"}}
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": storage, "resources": size}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "mine"}, "spec": spec}
    kube("-n", release.namespace, "create", "-f", "-", input=json.dumps(claim))
    release.install("--set", "persistence.enabled=true,persistence.existingClaim=mine")
    inside(f"{job}-0-0", "echo here > /persistent/note")
    assert inside(f"{job}-0-1", "cat /persistent/note") == "here\n"
    release.helm("uninstall", "--wait")
    assert release.get("pvc", "mine")["status"]["phase"] == "Bound"


def test_neither_on_nor_off_while_the_job_is_there_and_told_before_a_revision_is_made(release, command, run, job):
    """The claims stay unbound: no pod has to run for this."""
    on = ("--set", "persistence.enabled=true,persistence.storageClass=there-is-none")
    for first, then, why in (((), on, "adds none to it"), (on, (), "takes none from one that is there")):
        release.helm("install", *first)
        uid = release.get("statefulset", f"{job}-0")["metadata"]["uid"]
        result = command("upgrade", job, *then, "--reset-values")
        refused(result, 5, f"persistence.enabled: StatefulSet {job}-0", why, "fix the node ports", "another name")
        assert "Nothing was changed" in result.stderr
        if then:  # Bare Helm is told by the chart; of the other way it hears from the API server alone.
            bare = run("helm", "upgrade", job, "charts/twister2-job", *then, "--namespace", release.namespace)
            assert bare.returncode and "persistence.enabled: Kubernetes adds no claims to a StatefulSet" in bare.stderr
        history = json.loads(run("helm", "history", job, "--namespace", release.namespace, "-o", "json").stdout)
        assert [one["status"] for one in history] == ["deployed"]
        assert release.get("statefulset", f"{job}-0")["metadata"]["uid"] == uid
        release.helm("uninstall", "--wait")


@only_newest_helm
def test_twister2_begins_at_its_checkpoint_of_the_run_before(command, release, on, claims, inside, job, kube, tmp_path):
    """With Twister2's own classes of 0.3.0: they know no RESTORE_JOB, and look for a checkpoint in any case."""
    settings, example = tmp_path / "values.yaml", f"{PACKAGE}.checkpointing.CheckpointingTaskExample"
    config = {
        "twister2.checkpointing.enable": True,
        "twister2.checkpointing.source.frequency": 20000,
        "twister2.persistent.storage.root": "/persistent",  # 0.8.0 needs no telling.
        "parallelism": "2",
    }
    settings.write_text(yaml.safe_dump(values(job={"config": config})))
    worker, master = f"{job}-0-1", f"{job}-jm-0"

    def restored():
        log = kube("-n", release.namespace, "logs", worker, "-c", "twister2-container-0")
        return [int(number) for number in re.findall(r"Restored (?:source|compute|sinks) to +(\d+)", log)]

    with alone("twister2"):
        result = command("submit", job, str(jar()), "--class", example, "--detach", "-f", str(settings), *on)
        assert result.returncode == 0, result.stderr
        assert claims() == {f"persistent-volume-{job}-{pod}": True for pod in ("0-0", "0-1", "jm-0")}
        version = f"od -An -tu1 /persistent/{job}/{job}_task-graph-0"
        assert eventually(lambda: set(inside(master, version).split()) > {"0"}, 90)
        assert inside(worker, "ls -d /persistent/logs"), "what an IPersistentVolume makes when a worker gets one"
        assert restored() == []

        result = command("upgrade", job, "--reset-then-reuse-values", "--set", "job.restore=true")
        assert result.returncode == 0, result.stderr
        assert command("rerun", job, "--detach").returncode == 0
        assert eventually(lambda: len(restored()) == 3 and min(restored()) >= 20000, 90)
        assert [inside(pod, "echo $RESTORE_JOB") for pod in (worker, master)] == ["true\n"] * 2
        assert command("uninstall", job, "--wait").returncode == 0
