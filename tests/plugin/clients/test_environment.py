"""What Helm and kubectl inherit: the user's way to the cluster, and nothing that changes their words."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import twister2_job
from twister2_job.clients.connection import Connection
from twister2_job.clients.environment import of_helm, of_kubectl
from twister2_job.clients.kubectl import Kubectl
from twister2_job.exposure.model import JobAddresses
from twister2_job.exposure.publish import publish

from tests.conftest import HELM_VERSIONS, KUBECTL, helm_path

COMMAND = [sys.executable, "-m", "twister2_job"]
SOURCE = str(Path(twister2_job.__file__).parent.parent)
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: a, context: {cluster: a, user: a, namespace: data}}]
users: [{name: a, user: {token: token-of-the-file}}]
"""
KUBERC = """
apiVersion: kubectl.config.k8s.io/v1beta1
kind: Preference
defaults:
- {command: get, options: [{name: output, default: yaml}]}
- {command: patch, options: [{name: dry-run, default: client}]}
- {command: delete, options: [{name: interactive, default: 'true'}]}
"""
real = pytest.mark.skipif(not KUBECTL, reason="there is no kubectl")


@pytest.fixture
def user(tmp_path):
    """The environment of a user with a kubeconfig of a cluster that does not answer."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "tmp").mkdir()
    own = {"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig"), "TMPDIR": str(tmp_path / "tmp")}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "TWISTER2_JOB_KUBECTL": KUBECTL or "", **own}


@pytest.fixture
def ours(user, monkeypatch):
    """The same for this process."""
    for name in [name for name in os.environ if name.startswith(("HELM_", "KUBE", "LC_", "LANG"))]:
        monkeypatch.delenv(name)
    for name, value in user.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def script(path, text):
    """Write a shell script that takes the place of a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@real
def test_a_users_kuberc_changes_nothing(user, tmp_path):
    plain = subprocess.run([KUBECTL, "version", "--client", "-o", "json"], capture_output=True, text=True, check=True)
    if int(json.loads(plain.stdout)["clientVersion"]["minor"].rstrip("+")) < 34:
        pytest.skip("this kubectl knows no kuberc")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "kuberc").write_text(KUBERC)
    words = [KUBECTL, "get", "--raw", "/version"]
    bare = subprocess.run(words, env=user, capture_output=True, text=True, check=False)
    assert "mutually exclusive" in bare.stderr, "this kuberc would break us"
    for place in ({}, {"KUBERC": str(tmp_path / ".kube" / "kuberc")}, {"KUBECTL_KUBERC": "true"}):
        told = subprocess.run(
            [*COMMAND, "address", "job"], env=user | place, capture_output=True, text=True, check=False
        )
        assert told.returncode == 12 and "refuses the connection" in told.stderr, told.stderr


@pytest.mark.parametrize("version", HELM_VERSIONS)
def test_what_makes_helm_talkative_does_not_reach_it(version, user):
    words = [*COMMAND, "install", "job", "--set", "nodePrt.enabled=true"]
    loud = {"HELM_DEBUG": "1", "HELM_COLOR": "always", "GODEBUG": "inittrace=1,gctrace=1,http2debug=2"}
    for more in ({}, loud):
        told = subprocess.run(
            words, env=user | {"HELM_BIN": helm_path(version)} | more, capture_output=True, text=True, check=False
        )
        assert told.returncode == 5 and len(told.stderr.splitlines()) == 1, told.stderr
        assert "nodePrt" in told.stderr and not told.stdout


def test_only_what_changes_words_is_taken_from_the_environment(ours):
    stays = {
        "HELM_NAMESPACE": "n", "HELM_KUBECONTEXT": "c", "HELM_KUBETOKEN": "t", "HELM_DRIVER": "configmap",
        "HELM_MAX_HISTORY": "3", "HELM_BURST_LIMIT": "7", "HELM_QPS": "8", "HELM_PLUGINS": "/p", "HTTPS_PROXY": "p",
        "KUBECONFIG": "k", "AWS_PROFILE": "a", "LANG": "de_DE.UTF-8", "KUBECOLOR_KUBECTL": "k",
        "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false",
    }  # fmt: skip
    goes = {
        "HELM_DEBUG": "1", "HELM_COLOR": "always", "KUBECOLOR_FORCE_COLORS": "auto", "CLICOLOR_FORCE": "1",
        "LANGUAGE": "de", "LC_ALL": "de_DE.UTF-8",
    }  # fmt: skip
    for name, value in {**stays, **goes, "GODEBUG": "x509sha1=1,gctrace=1,netdns=cgo+2,schedtrace=9"}.items():
        ours.setenv(name, value)
    for made in (of_helm(), of_kubectl()):
        assert stays.items() <= made.items()
        assert not {*goes} - {"HELM_DEBUG"} & {*made}
        assert made["GODEBUG"] == "x509sha1=1,netdns=cgo" and made["NO_COLOR"] == "1"
        assert (made["LC_MESSAGES"], made["LC_CTYPE"]) == ("C", "de_DE.UTF-8")
    assert "HELM_DEBUG" not in of_helm()
    assert (of_kubectl()["KUBERC"], of_kubectl()["KUBECTL_KUBERC"]) == ("off", "false")


@real
def test_kubectl_gets_a_token_without_a_file(ours, tmp_path):
    ours.setenv("HELM_KUBETOKEN", "secret-token")
    kubectl = Kubectl(Connection())

    async def work():
        with kubectl.connection.kubectl_environment():
            assert not list((tmp_path / "tmp").iterdir()) or sys.platform != "linux"
            view = ("config", "view", "--raw", "-o", "json")
            return await asyncio.gather(*(kubectl.run(*view) for _ in range(3)))

    for done in asyncio.run(work()):  # Side by side: each opens it for itself.
        config = json.loads(done.out)
        assert {u["name"]: u["user"]["token"] for u in config["users"]} == {
            "a": "token-of-the-file", "twister2-job-token": "secret-token",
        }  # fmt: skip
        assert config["current-context"] == "a"
    assert asyncio.run(kubectl.namespace()) == "data"
    assert not list((tmp_path / "tmp").iterdir())


def test_where_there_is_no_file_in_memory_the_token_is_in_a_private_file_that_goes(ours, tmp_path):
    ours.setenv("HELM_KUBETOKEN", "secret-token")
    ours.delattr(os, "memfd_create", raising=False)
    ours.setattr(tempfile, "tempdir", None)  # It keeps the folder that it found first.
    with Connection().kubectl_environment() as own:
        (path,) = (tmp_path / "tmp").iterdir()
        assert own.env["KUBECONFIG"] == f"{path}{os.pathsep}{tmp_path}/kubeconfig" and not own.descriptors
        assert path.stat().st_mode & 0o777 == 0o600 and "secret-token" in path.read_text()
    assert not path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has files in memory")
def test_a_killed_watch_leaves_neither_children_nor_secrets(user, tmp_path):
    mark = f"watch-{os.getpid()}"
    kubectl = script(
        tmp_path / "kubectl",
        # Answers what is read once, and then stays, as a watch does.
        f'case "$*" in *watch=true*) exec sleep 600.{os.getpid()};; esac\n'
        'case "$*" in *services*) f=services;; *nodes*) f=nodes;; *) f=pods;; esac\n'
        f"cat {tmp_path}/$f.json",
    )
    pod = {"kind": "Pod", "metadata": {"name": "job-0-0", "labels": {}, "annotations": {}}, "spec": {"containers": []}}
    for name, items in (("services", []), ("nodes", []), ("pods", [pod | {"status": {}}])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"items": items}))
    env = user | {"TWISTER2_JOB_KUBECTL": kubectl, "HELM_KUBETOKEN": "secret-token", "MARK": mark}
    env["HELM_NAMESPACE"] = "data"

    def left():
        """Return the command lines of all processes that the command has started."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if f"MARK={mark}".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().decode())
            except OSError:
                pass
        return found

    watch = subprocess.Popen(
        [*COMMAND, "address", "job", "--watch"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 20
        while len([line for line in left() if "sleep" in line]) < 3:
            assert time.monotonic() < end and watch.poll() is None, (left(), watch.poll())
            time.sleep(0.05)
        assert not any("secret-token" in line for line in left())
        assert not list((tmp_path / "tmp").iterdir())
    finally:
        watch.send_signal(signal.SIGKILL)
        watch.communicate()
    end = time.monotonic() + 5
    while left() and time.monotonic() < end:
        time.sleep(0.02)
    assert not left() and not list((tmp_path / "tmp").iterdir())


def test_publishing_makes_no_file(ours, tmp_path):
    kubectl = script(
        tmp_path / "kubectl",
        f'ls "$TMPDIR" > {tmp_path}/files\necho "$*" > {tmp_path}/words\ncat /dev/stdin > {tmp_path}/patch',
    )
    ours.setenv("TWISTER2_JOB_KUBECTL", kubectl)
    report = JobAddresses("job", "data", 1, (), ())
    asyncio.run(publish(Kubectl(Connection("data")), report))
    patch = json.loads((tmp_path / "patch").read_text())
    assert json.loads(patch["data"]["addresses.json"]) == report.to_dict()
    assert "--patch-file=/dev/stdin" in (tmp_path / "words").read_text() and not (tmp_path / "files").read_text()


@real
def test_kubectl_reads_a_patch_from_its_input(ours, tmp_path):
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    words = (
        "patch",
        "--local",
        "-f",
        str(tmp_path / "map.yaml"),
        "--type=merge",
        "--patch-file=/dev/stdin",
        "-o",
        "json",
    )
    patch = json.dumps({"data": {"key": "x" * 900_000}})
    done = asyncio.run(Kubectl(Connection()).run(*words, stdin=patch))
    assert done.code == 0 and len(json.loads(done.out)["data"]["key"]) == 900_000, done.err
