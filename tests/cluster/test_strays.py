"""What a release does not have and the cluster does: never made, taken back, found, and removed."""

import asyncio
import json
import re

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.release import orphans

from tests.cluster.conftest import BAD, only_newest_helm, refused

ON = ("--set", "nodePort.enabled=true")
NODE_PORT = "nodeport"


def stray(run, command, job, namespace):
    """Leave a node port Service behind by bare Helm: a refused upgrade makes it, and a good one forgets it."""
    chart = command("chart").stdout.strip()
    assert run("helm", "upgrade", job, chart, "-n", namespace, *ON, *BAD).returncode != 0
    assert run("helm", "upgrade", job, chart, "-n", namespace).returncode == 0


def test_an_upgrade_that_kubernetes_would_refuse_is_never_made(command, job, left, run, namespace):
    assert command("install", job).returncode == 0
    before = left()
    result = command("upgrade", job, *ON, *BAD)
    refused(result, 18, f"{job}-0", "volumeMounts", "Nothing was changed: revision 1 runs on")
    assert left() == before and f"{job}-nodeport" not in left()


@only_newest_helm
def test_what_a_refused_upgrade_of_bare_helm_added_is_found_and_removed(command, job, left, run, namespace, kube):
    """A quota is full when Helm comes to the second Service."""
    assert command("install", job, "--set", "instances=1").returncode == 0
    before = [name for name in left() if not name.startswith("sh.helm")]
    kube("-n", namespace, "create", "quota", "few", "--hard=services=2")
    chart = command("chart").stdout.strip()
    wanted = "instances=1,perWorker.enabled=true,perWorker.count=3"
    result = run("helm", "upgrade", job, chart, "-n", namespace, "--set", wanted)
    assert result.returncode != 0
    added = [name for name in left() if name.startswith(f"{job}-w-")]
    assert added, "bare Helm leaves some"
    kube("-n", namespace, "delete", "resourcequota", "few")
    status = command("status", job)
    assert all(name in status.stdout + status.stderr for name in added), status.stderr
    result = command("upgrade", job, "--set", "instances=1")
    assert result.returncode == 0 and "Removed what" in result.stderr, result.stderr
    assert [name for name in left() if not name.startswith("sh.helm")] == before


@only_newest_helm
def test_status_names_and_upgrade_removes_what_bare_helm_left(command, job, left, run, namespace):
    assert command("install", job).returncode == 0
    stray(run, command, job, namespace)
    assert f"{job}-nodeport" in left()
    shown = command("status", job)
    assert f"Service {job}-nodeport" in shown.stderr and "left by a failed upgrade" in shown.stderr, shown.stderr
    assert f"Service {job}-nodeport" in "".join(json.loads(command("status", job, "-o", "json").stdout)["warnings"])
    result = command("upgrade", job, "--reset-values")
    assert result.returncode == 0 and f"Service {job}-nodeport" in result.stderr, result.stderr
    assert f"{job}-nodeport" not in left()
    assert "left by" not in command("status", job).stderr


@only_newest_helm
def test_uninstall_removes_it_too(command, job, left, run, namespace):
    assert command("install", job).returncode == 0
    stray(run, command, job, namespace)
    result = command("uninstall", job, "--wait")
    assert result.returncode == 0 and f"Service {job}-nodeport" in result.stderr, result.stderr
    assert left() == []


@only_newest_helm
def test_after_bare_helm_uninstall_finds_what_is_left_and_so_does_install(command, job, left, run, namespace):
    for way in ("uninstall", "install"):
        assert command("install", job).returncode == 0
        stray(run, command, job, namespace)
        assert run("helm", "uninstall", job, "-n", namespace, "--wait").returncode == 0
        assert f"{job}-nodeport" in left()
        result = command(way, job)
        assert result.returncode == 0 and f"Service {job}-nodeport" in result.stderr, result.stderr
        assert f"{job}-nodeport" not in left()
    assert "no worker is exposed" in command("address", job).stdout


@only_newest_helm
def test_what_somebody_made_on_purpose_stays_and_is_named(command, job, kube, namespace, left):
    """A Service with the job's labels that Helm did not make, one that is another release's, and a claim."""
    assert command("install", job).returncode == 0
    labels = {"app.kubernetes.io/name": "twister2-job", "app.kubernetes.io/instance": job}
    ports = {"ports": [{"port": 80}]}
    foreign = {"meta.helm.sh/release-name": "other", "meta.helm.sh/release-namespace": namespace}
    managed = {**labels, "app.kubernetes.io/managed-by": "Helm"}
    for metadata in (
        {"name": f"{job}-mine", "labels": labels},
        {"name": f"{job}-other", "labels": managed, "annotations": foreign},
    ):
        service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports}
        kube("-n", namespace, "create", "-f", "-", input=json.dumps(service))
    result = command("upgrade", job, *ON)
    assert result.returncode == 0 and f"Service {job}-mine" in result.stderr, result.stderr
    result = command("uninstall", job)
    assert result.returncode == 0 and f"Service {job}-other" in result.stderr, result.stderr
    assert {name for name in left() if name.startswith(job)} == {f"{job}-mine", f"{job}-other"}


@only_newest_helm
def test_a_field_that_somebody_else_has_set_is_named_and_can_be_taken_over(command, job, kube, namespace, release):
    """With Helm 4 fields have owners."""
    assert command("install", job, *ON).returncode == 0
    change = json.dumps({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}})
    kube("-n", namespace, "patch", "statefulset", f"{job}-0", "--type=merge", "-p", change)
    wanted = ("--set", "terminationGracePeriodSeconds=20")
    result = command("upgrade", job, *ON, *wanted)
    refused(result, 18, f"{job}-0", "terminationGracePeriodSeconds", "kubectl-patch", "--force-conflicts")
    result = command("upgrade", job, *ON, *wanted, "--force-conflicts")
    assert result.returncode == 0, result.stderr
    assert release.get("statefulset", f"{job}-0")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 20


@only_newest_helm
def test_a_way_in_that_an_upgrade_gives_up_is_said(command, job):
    assert command("install", job, *ON).returncode == 0
    result = command("upgrade", job, "--set", "instances=1")
    assert result.returncode == 0
    assert re.search(rf"{job}-nodeport \(node port \d+\): this way in is given up", result.stderr), result.stderr


def test_a_refusal_in_the_midst_of_an_upgrade_takes_back_what_was_added(
    command, job, left, kube, namespace, environment, tmp_path, release
):
    """Between the look and the act somebody sets a quota that has room for one Service more."""
    assert command("install", job, "--set", "instances=1").returncode == 0
    before = [name for name in left() if not name.startswith("sh.helm")]
    pods = release.uids()
    slow, helm = tmp_path / "helm", environment["HELM_BIN"]
    quota = f"kubectl -n {namespace} create quota few --hard=services=2"
    slow.write_text(f'#!/bin/sh\nif [ "$1" = upgrade ]; then {quota} >&2 && sleep 1; fi\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    wanted = ("--set", "instances=1,perWorker.enabled=true,perWorker.count=3")
    result = command("upgrade", job, *wanted, env={"HELM_BIN": str(slow)})
    refused(result, 18, "few", "Removed what revision 1 does not have", f"Service {job}-w-0", "revision 2 (failed)")
    assert [name for name in left() if not name.startswith("sh.helm")] == before and release.uids() == pods
    kube("-n", namespace, "delete", "resourcequota", "few")
    assert command("upgrade", job, *wanted).returncode == 0


@only_newest_helm
@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (("--subresource=status", '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}'), False),
        (('{"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}',), True),
        (('{"spec": {"sessionAffinity": "ClientIP"}}',), True),
    ],
    ids=["by its controller", "taken over", "by a user"],
)
def test_what_only_a_controller_changes_meanwhile_is_removed(kube, namespace, cluster_kubeconfig, change, stays):
    kube("-n", namespace, "create", "service", "loadbalancer", "left", "--tcp=9000:9000")
    item = json.loads(kube("-n", namespace, "get", "service", "left", "-o", "json"))
    *options, patch = change
    kube("-n", namespace, "patch", "service", "left", "--type=merge", *options, "-p", patch)
    client, removed = Kubectl(Connection(namespace, kubeconfig=cluster_kubeconfig)), []
    told = asyncio.run(orphans.remove(client, [item], removed))
    assert told == (["Service left stays: it has been changed meanwhile."] if stays else [])
    assert len(removed) == (not stays)
    left = kube("-n", namespace, "get", "service", "left", "--ignore-not-found", "-o", "name").strip()
    assert bool(left) == stays
