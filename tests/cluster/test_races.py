"""Two commands on one job at the same time: nobody's job is lost, and every exit code is true.

TWISTER2_JOB_ROUNDS says how many rounds of each race and how many points of each kill are tried; default 2.
"""

import json
import os
import random
import re
import subprocess
import time

import pytest

from tests.cluster.conftest import COMMAND, eventually, only_newest_helm

ROUNDS = int(os.environ.get("TWISTER2_JOB_ROUNDS", "2"))
rounds = pytest.mark.parametrize("number", range(ROUNDS))
ON = ("--set", "nodePort.enabled=true")


@pytest.fixture
def start(environment, namespace):
    """Start a command in the test's namespace, and read what it says until it ends."""

    def begin(*words):
        return subprocess.Popen(
            [COMMAND, *words, "--namespace", namespace],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return begin


def end(process):
    """Return the exit code of a process and what it said."""
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err and "fault of twister2-job" not in err, err
    return process.returncode, out + err


@pytest.fixture
def release_of(run, namespace):
    """Return the release's history; empty if there is none."""

    def history(job):
        result = run("helm", "history", job, "-n", namespace, "-o", "json")
        return json.loads(result.stdout) if result.returncode == 0 else []

    return history


def replicas(release):
    return release.get("statefulset", f"{release.name}-0")["spec"]["replicas"]


@rounds
def test_of_two_installs_one_makes_the_job_and_the_other_names_it(number, start, job, release, release_of, command):
    one = start("install", job, "--set", "instances=1")
    time.sleep(random.choice((0, 0, 0.1, 0.3, 0.6, 1.0)))
    two = start("install", job, "--set", "instances=2")
    results = [(*end(one), 1), (*end(two), 2)]
    winners = [size for code, _, size in results if code == 0]
    assert len(winners) == 1, results
    (loser,) = [(code, said) for code, said, _ in results if code]
    assert loser[0] == 7 and f"The job {job} exists already: revision 1" in loser[1], results
    assert [r["status"] for r in release_of(job)] == ["deployed"]
    assert replicas(release) == winners[0]
    assert command("uninstall", job, "--wait").returncode == 0


@rounds
def test_an_install_and_an_uninstall_end_clearly_for_both(number, start, job, release_of, left, command):
    one = start("install", job, "--set", "instances=1")
    time.sleep(random.uniform(0, 4))
    two = start("uninstall", job)
    (installed, said), (removed, answer) = end(one), end(two)
    there = [r["status"] for r in release_of(job)]
    if removed == 0:
        assert there == [] and installed in (0, 8), (said, answer)
        if installed == 8:
            assert "was uninstalled by another run" in said, said
        assert eventually(lambda: left() == [], 30)
    else:
        assert removed in (8, 20) and installed == 0 and there == ["deployed"], (said, answer)
        assert command("uninstall", job, "--wait").returncode == 0


@rounds
def test_of_two_upgrades_none_is_lost_without_a_word(number, start, job, release, release_of, command):
    assert command("install", job, "--set", "instances=1").returncode == 0
    one = start("upgrade", job, "--set", "instances=2")
    time.sleep(random.choice((0, 0, 0.1, 0.3, 0.6, 1.0)))
    two = start("upgrade", job, "--set", "instances=3")
    results = [(*end(one), 2), (*end(two), 3)]
    history = release_of(job)
    assert history[-1]["status"] == "deployed", (history, results)
    assert {code for code, *_ in results} <= {0, 20} and any(code == 0 for code, *_ in results), results
    overwrote = [said for code, said, _ in results if code == 20 and "overwritten" in said]
    assert len(history) == 1 + sum(code == 0 for code, *_ in results) + len(overwrote), (history, results)
    assert replicas(release) in (2, 3)
    for said in overwrote:
        revision = int(re.search(rf"helm rollback {job} (\d+)", said)[1])
        assert revision == history[-1]["revision"] - 1
    assert command("uninstall", job, "--wait").returncode == 0


@only_newest_helm
@rounds
def test_an_upgrade_and_an_uninstall_end_clearly_for_both(number, start, job, release_of, left, command):
    assert command("install", job, "--set", "instances=1").returncode == 0
    one = start("upgrade", job, *ON, "--set", "instances=2")
    time.sleep(random.uniform(0, 3))
    two = start("uninstall", job)
    (upgraded, said), (removed, answer) = end(one), end(two)
    if removed == 0:
        assert upgraded in (0, 8) and release_of(job) == [], (said, answer)
        assert eventually(lambda: left() == [], 30)
    else:
        assert removed == 20 and upgraded == 0 and release_of(job)[-1]["status"] == "deployed", (said, answer)
        assert command("uninstall", job, "--wait").returncode == 0


@only_newest_helm
@rounds
def test_of_two_uninstalls_both_end_clearly(number, start, job, release_of, left, command):
    assert command("install", job, "--set", "instances=1").returncode == 0
    one = start("uninstall", job)
    time.sleep(random.uniform(0, 0.3))
    two = start("uninstall", job)
    ended = [end(one), end(two)]
    assert sorted(code for code, _ in ended) in ([0, 0], [0, 8]), ended
    assert release_of(job) == [] and eventually(lambda: left() == [], 30)


@only_newest_helm
def test_an_upgrade_that_overwrites_another_says_so(command, job, run, namespace, environment, tmp_path):
    """The other one comes between the look and the act: here by a Helm that is slow to begin its own upgrade."""
    assert command("install", job, "--set", "instances=1").returncode == 0
    slow = tmp_path / "helm"
    chart = command("chart").stdout.strip()
    helm = environment["HELM_BIN"]
    quick = f"{helm} upgrade {job} {chart} -n {namespace} --set instances=1,env[0].name=A,env[0].value=theirs"
    slow.write_text(f'#!/bin/sh\nif [ "$1" = upgrade ]; then {quick} >/dev/null || exit 9; fi\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    result = command("upgrade", job, "--set", "instances=2", env={"HELM_BIN": str(slow)})
    assert result.returncode == 20, result.stderr
    assert "made revision 2 meanwhile" in result.stderr and f"helm rollback {job} 2" in result.stderr
    assert run("helm", "rollback", job, "2", "-n", namespace).returncode == 0


@only_newest_helm
def test_an_install_that_loses_at_the_last_moment_leaves_the_winners_job(
    command, job, environment, namespace, release, tmp_path, release_of
):
    """Another install comes between the look and the act: here bare Helm's."""
    slow, helm = tmp_path / "helm", environment["HELM_BIN"]
    chart = command("chart").stdout.strip()
    quick = f"{helm} install {job} {chart} -n {namespace} --set instances=3"
    slow.write_text(f'#!/bin/sh\nif [ "$1" = install ]; then {quick} >/dev/null || exit 9; fi\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    result = command("install", job, "--set", "instances=1", env={"HELM_BIN": str(slow)})
    assert result.returncode == 7 and "revision 1" in result.stderr, result.stderr
    assert replicas(release) == 3 and [r["status"] for r in release_of(job)] == ["deployed"]


@only_newest_helm
def test_an_install_whose_job_is_removed_while_it_waits_ends_at_once(start, job, command, release_of):
    process = start("install", job, "--set", "echo.image.repository=registry.invalid/x,instances=1")
    eventually(lambda: [r["status"] for r in release_of(job)] == ["deployed"], 60)
    assert command("uninstall", job).returncode == 0
    began = time.monotonic()
    code, said = end(process)
    assert code == 8 and "was uninstalled by another run" in said and time.monotonic() - began < 15, said
