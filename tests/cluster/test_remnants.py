"""Releases in every state that a broken run can leave them in, and what looks like one and is somebody's job."""

import json
import subprocess
import sys

import pytest

from tests.cluster.conftest import BAD, COMMAND, eventually, only_newest_helm, refused
from tests.conftest import run as run_command

ON = ("--set", "nodePort.enabled=true,instances=1")
MARK = "import json; from twister2_job.release import run_mark; print(json.dumps(run_mark.new(300).labels({revision})))"


@pytest.fixture
def history(run, namespace, job):
    """Return the numbers and states of the release's revisions."""

    def read():
        result = run("helm", "history", job, "-n", namespace, "-o", "json")
        return [(r["revision"], r["status"]) for r in json.loads(result.stdout)] if result.returncode == 0 else []

    return read


@pytest.fixture
def pending(kube, namespace, job):
    """Make a revision pending, as a Helm leaves it that was killed, with the mark of a process that has ended."""

    def change(revision, status):
        name = f"sh.helm.release.v1.{job}.v{revision}"
        script = (
            "import base64,gzip,json,sys;s=json.load(sys.stdin);"
            "r=json.loads(gzip.decompress(base64.b64decode(base64.b64decode(s['data']['release']))));"
            f"r['info']['status']=s['metadata']['labels']['status']='{status}';"
            "s['metadata']['labels'].update(json.loads(sys.argv[1]));"
            "s['data']['release']=base64.b64encode(base64.b64encode(gzip.compress(json.dumps(r).encode()))).decode();"
            "print(json.dumps(s))"
        )
        labels = run_command(sys.executable, "-c", MARK.format(revision=revision)).stdout
        stored = kube("-n", namespace, "get", "secret", name, "-o", "json")
        kube("replace", "-f", "-", input=run_command(sys.executable, "-c", script, labels, input=stored).stdout)

    return change


def test_a_release_that_has_only_failed_is_upgraded(command, job, run, namespace, history):
    chart = command("chart").stdout.strip()
    assert run("helm", "install", job, chart, "-n", namespace, *BAD).returncode != 0
    assert history() == [(1, "failed")]
    refused(command("install", job), 7, "revision 1, failed")
    result = command("upgrade", job, *ON)
    assert result.returncode == 0, result.stderr
    assert history()[-1] == (2, "deployed")


def test_a_kept_name_keeps_its_history_when_an_install_is_refused(command, job, run, namespace, history):
    assert command("install", job, *ON).returncode == 0
    assert run("helm", "uninstall", job, "-n", namespace, "--keep-history", "--wait").returncode == 0
    refused(command("upgrade", job), 8, "install")
    assert command("install", job, *ON, *BAD).returncode == 18
    assert (1, "superseded") in history() or (1, "uninstalled") in history(), history()
    result = command("install", job, *ON)
    assert result.returncode == 0, result.stderr
    assert history()[-1][1] == "deployed" and history()[0][0] == 1


@only_newest_helm
def test_a_killed_install_of_a_kept_name_is_no_live_job(command, job, run, namespace, history, pending):
    assert command("install", job, *ON).returncode == 0
    assert run("helm", "uninstall", job, "-n", namespace, "--keep-history", "--wait").returncode == 0
    assert command("install", job, *ON).returncode == 0
    pending(2, "pending-install")
    refused(command("upgrade", job, *ON), 8, f"install {job}")
    result = command("install", job, *ON)
    assert result.returncode == 0 and "left by an interrupted run" in result.stderr, result.stderr
    assert history()[-1] == (3, "deployed")


@only_newest_helm
@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade"])
def test_of_two_that_see_a_remnant_one_repairs_it(
    command, job, environment, namespace, pending, history, status, release
):
    assert command("install", job, *ON).returncode == 0
    if status == "pending-upgrade":
        assert command("upgrade", job, *ON).returncode == 0
    pending(2 if status == "pending-upgrade" else 1, status)
    verb = "install" if status == "pending-install" else "upgrade"
    words = [COMMAND, verb, job, *ON, "--namespace", namespace]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(words, env=environment, **quiet) for _ in range(2)]
    ends = [(process, *process.communicate(timeout=120)) for process in both]
    codes = sorted(process.returncode for process, *_ in ends)
    assert codes[0] == 0 and codes[1] in ((7, 20) if verb == "install" else (0, 20)), ends
    assert history()[-1][1] == "deployed" and release.pods()


@only_newest_helm
def test_a_job_whose_release_is_kept_elsewhere_is_nobodys_leftover(command, job, run, namespace, release):
    chart = command("chart").stdout.strip()
    there = {"HELM_DRIVER": "configmap"}
    made = run("helm", "install", job, chart, "-n", namespace, *ON, "--wait", env=there)
    assert made.returncode == 0, made.stderr
    uids = release.uids()
    for words in (("install", job, *ON), ("uninstall", job)):
        refused(command(*words), 18, "HELM_DRIVER")
    assert release.uids() == uids and f"{job}-nodeport" in release.services()
    refused(command("install", job, *ON, env=there), 7)
    assert command("upgrade", job, *ON, env=there).returncode == 0
    assert command("uninstall", job, "--wait", env=there).returncode == 0
    assert release.services() == {}


@only_newest_helm
def test_a_job_without_a_release_that_runs_is_not_taken_over(command, job, kube, namespace, release):
    assert command("install", job, *ON).returncode == 0
    kube("-n", namespace, "delete", "secret", "-l", f"owner=helm,name={job}")
    uids = release.uids()
    refused(command("install", job, *ON), 18, f"StatefulSet {job}-0")
    assert release.uids() == uids
    result = command("uninstall", job)
    assert result.returncode == 0 and f"StatefulSet {job}-0" in result.stderr, result.stderr
    assert eventually(lambda: release.pods() == {})


@only_newest_helm
def test_few_revisions_are_enough(command, job, run, namespace, history):
    """With HELM_MAX_HISTORY=1 Helm forgets the failed revision that an upgrade came after."""
    few = {"HELM_MAX_HISTORY": "1"}
    chart = command("chart").stdout.strip()
    assert command("install", job, *ON, env=few).returncode == 0
    assert run("helm", "upgrade", job, chart, "-n", namespace, *BAD, env=few).returncode != 0
    result = command("upgrade", job, *ON, env=few)
    assert result.returncode == 0, result.stderr
    assert history()[-1] == (3, "deployed")


@only_newest_helm
def test_a_namespace_that_an_install_made_stays_when_others_came_into_it(run, kube, job, environment, tmp_path):
    slow, helm, name = tmp_path / "helm", environment["HELM_BIN"], f"test-{job}"
    more = f"kubectl -n {name} create configmap theirs >&2"
    slow.write_text(f'#!/bin/sh\nif [ "$1" = install ]; then {more}; fi\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    words = (COMMAND, "install", job, *ON, *BAD, "--namespace", name, "--create-namespace")
    result = run(*words, env={"HELM_BIN": str(slow)})
    try:
        refused(result, 18, f"The namespace {name} stays", "ConfigMap/theirs")
        assert "theirs" in kube("-n", name, "get", "configmaps")
    finally:
        kube("delete", "namespace", name, "--wait=false")
    other = f"{name}-b"
    result = run(COMMAND, "install", job, *ON, *BAD, "--namespace", other, "--create-namespace")
    assert result.returncode == 18
    assert eventually(lambda: other not in kube("get", "namespaces"), 60)
