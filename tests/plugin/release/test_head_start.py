"""What an install starts before asyncio is there: run once, ended with us, and never fed what can be read only once."""

import os
import sys
import time

import pytest
from twister2_job.release import head_start

from tests.conftest import HELM_VERSIONS, helm_path, run

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: a, context: {cluster: a, user: a, namespace: data}}]
users: [{name: a, user: {token: token-of-the-file}}]
"""
LOGGED = '#!/bin/sh\necho "${{0##*/}} $*" >>{log}\n{then}\n'


@pytest.fixture
def programs(tmp_path):
    """Write programs that log how they are called; return their environment, and what tells the calls of one."""
    log = tmp_path / "log"
    log.touch()

    def write(name, then):
        program = tmp_path / name
        program.write_text(LOGGED.format(log=log, then=then))
        program.chmod(0o755)

    write("helm", f'exec {helm_path(HELM_VERSIONS[-1])} "$@"')
    write("kubectl", "echo 'The connection to the server was refused' >&2; exit 1")
    env = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)

    def calls(start):
        return [line for line in log.read_text().splitlines() if line.startswith(start)]

    return env, write, calls


def install(env, *options, **more):
    return run(sys.executable, "-m", "twister2_job", "install", "job", *options, env={**os.environ, **env}, **more)


def test_each_program_runs_once_and_its_words_are_those_that_are_asked_for(programs):
    env, _, calls = programs
    done = install(env, "--set", "workersPerPod=1", "--kube-context", "a", "--namespace", "b")
    assert done.returncode == 12
    assert len(calls("helm template job ")) == 1 and len(calls("kubectl get services,")) == 1


def test_values_that_are_refused_are_told_though_the_look_hangs(programs):
    env, write, calls = programs
    write("kubectl", "sleep 30")
    begun = time.monotonic()
    done = install(env, "--set", "instances=none")
    assert done.returncode == 5 and "instances" in done.stderr and time.monotonic() - begun < 10
    assert len(calls("helm template")) == 1


def test_what_nobody_takes_is_ended(programs, tmp_path):
    env, write, _ = programs
    write("helm", 'case "$1" in version) echo v3.10.0;; *) echo $$ >>pids; exec sleep 60;; esac')
    write("kubectl", "trap '' TERM; echo $$ >>pids; exec sleep 60")
    begun = time.monotonic()
    done = install(env, "--set", "workersPerPod=1", cwd=tmp_path)
    assert done.returncode == 15 and "3.17" in done.stderr and time.monotonic() - begun < 10
    pids = (tmp_path / "pids").read_text().split()
    assert pids and not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


def test_what_can_be_read_only_once_is_left_to_who_reads_it(programs):
    env, _, calls = programs
    done = install(env, "-f", "-", input="instances: none\n")
    assert done.returncode == 5 and "instances" in done.stderr
    (template,) = calls("helm template")
    assert "/dev/fd/" in template


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--set a=b --set-json a=1 --set-string a=b --set-literal a=b", True),
        ("-f {file} --set a=b", True),
        ("--values {file}", True),
        ("-f -", False),
        ("-f /dev/stdin", False),
        ("-f /proc/self/fd/0", False),
        ("-f {fifo}", False),
        ("-f {folder}", False),
        ("-f {large}", False),
        ("--values={file}", False),
        ("-f{file}", False),
        ("--set-file a={fifo}", False),
        ("--reset-values --set a=b", False),
    ],
)
def test_which_options_name_nothing_but_small_files(tmp_path, options, told):
    paths = {name: tmp_path / name for name in ("file", "fifo", "folder", "large")}
    paths["file"].write_text("instances: 1\n")
    os.mkfifo(paths["fifo"])
    paths["folder"].mkdir()
    with paths["large"].open("wb") as file:
        file.truncate(head_start.SMALL + 1)
    assert head_start._readable_again(options.format(**paths).split()) is told


@pytest.mark.parametrize(
    ("options", "chart", "told"),
    [
        ([], "", True),
        ([], "other", True),
        (["--set", "nodePort.enabled=true"], "", True),
        (["--set", "nodePort.enabled=true,instances=999"], "", True),
        (["--set", "nodePort.enabled=true"], "other", False),
        (["--set", "nodePort.enabled=true,nodePort.port=31000"], "", False),
        (["--set", "perWorker.enabled=true"], "", False),
        (["--set", "persistence.enabled=true"], "", False),
        (["--set", "instances=0"], "", False),
        (["--set", "instances=2\n"], "", False),
        (["--set", "instances=2,"], "", False),
        (["--set", r"instances=2\,nodePort.enabled=true"], "", False),
        (["--set-string", "nodePort.enabled=true"], "", False),
        (["--set", "instances=2", "-f", "a.yaml"], "", False),
    ],
)
def test_which_installs_need_no_rendering_of_their_own(options, chart, told):
    assert head_start.rendered_by_install(options, chart) is told


def test_an_install_that_asks_for_nothing_that_may_lack_is_not_rendered_twice(programs):
    env, _, calls = programs
    done = install(env, "--set", "nodePort.enabled=true,instances=3")
    assert done.returncode == 12 and not calls("helm template") and len(calls("kubectl get services,")) == 1


@pytest.mark.parametrize("name", ["-x", "", "1", "\n"])
def test_a_name_that_no_job_has_starts_nothing(programs, name):
    env, _, calls = programs
    done = run(sys.executable, "-m", "twister2_job", "install", "--", name, env={**os.environ, **env})
    assert done.returncode and "Traceback" not in done.stderr
    assert not calls("helm template") and not calls("kubectl get services")


def test_a_token_is_left_to_who_hands_it_on(programs):
    env, _, calls = programs
    done = install({**env, "HELM_KUBETOKEN": "secret"}, "--set", "workersPerPod=1")
    assert done.returncode == 12, done.stderr
    assert len(calls("kubectl get services,")) == 1 and "secret" not in "".join(calls(""))
