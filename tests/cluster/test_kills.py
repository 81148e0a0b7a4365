"""Commands that are killed or stopped at any moment: the next command repairs or removes what is left."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import COMMAND, eventually, only_newest_helm
from tests.cluster.test_races import ROUNDS

ON = ("--set", "nodePort.enabled=true,instances=1")
WAYS = {
    "kill -9": (signal.SIGKILL,),
    "SIGTERM": (signal.SIGTERM,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
}
points = pytest.mark.parametrize("number", range(ROUNDS))
ways = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def hit(environment, namespace):
    """Start a command, stop it in one of the ways when it is time, and return its exit code and what it said."""

    def stopped(way, when, *words):
        """Stop it `when` seconds after it began, or once `when()` is true; Python's own start is none of ours."""
        process = subprocess.Popen(
            [COMMAND, *words, "--namespace", namespace],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert eventually(lambda: handles_signals(process.pid), 20)
        eventually(when, 60) if callable(when) else time.sleep(when)
        for number in WAYS[way]:
            process.send_signal(number)
            time.sleep(0.05)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said, said
        return process.returncode, said

    return stopped


def handles_signals(pid):
    """Tell whether a process has a handler of its own for SIGTERM, as the command has from its first line on."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


def children_of(job):
    """Return the command lines of processes that work on a job: Helm, kubectl or the command itself."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(job in word for word in words) and ("helm" in words[0] or "kubectl" in words[0]):
            found.append(" ".join(words))
    return found


@only_newest_helm
@points
@ways
def test_an_install_that_is_stopped_anywhere_can_be_repeated(way, number, hit, job, command, left):
    seconds = random.uniform(0, 3.5)
    _, said = hit(way, seconds, "install", job, *ON)
    assert eventually(lambda: children_of(job) == [], 10), f"{way} after {seconds:.2f} s"
    again = command("install", job, *ON)
    if again.returncode == 7:  # It had come so far that the job is there.
        again = command("upgrade", job, *ON)
    assert again.returncode == 0, f"{way} after {seconds:.2f} s: {said}\n{again.stderr}"
    assert command("uninstall", job, "--wait").returncode == 0
    assert eventually(lambda: left() == [], 30), f"{way} after {seconds:.2f} s: {left()}"


@only_newest_helm
@points
@ways
def test_an_upgrade_that_is_stopped_anywhere_can_be_repeated(way, number, hit, job, command, left, release):
    assert command("install", job, *ON).returncode == 0
    port = release.node_ports()
    seconds = random.uniform(0, 3.5)
    _, said = hit(way, seconds, "upgrade", job, *ON, "--set", "perWorker.enabled=true,additionalPorts[0].name=ui")
    assert eventually(lambda: children_of(job) == [], 10), f"{way} after {seconds:.2f} s"
    again = command("upgrade", job, *ON)
    assert again.returncode == 0, f"{way} after {seconds:.2f} s: {said}\n{again.stderr}"
    assert release.node_ports()["worker"] == port["worker"]
    services = [name for name in release.services() if name.startswith(f"{job}-w-")]
    assert services == [], f"{way} after {seconds:.2f} s: {services}"
    assert command("uninstall", job, "--wait").returncode == 0
    assert eventually(lambda: left() == [], 30), f"{way} after {seconds:.2f} s: {left()}"


def test_ctrl_c_in_helm_takes_the_release_back_and_says_so(hit, job, left, environment, tmp_path, command):
    """Helm is held up before it ends, so that the signal comes in the midst of it."""
    slow, helm = tmp_path / "helm", environment["HELM_BIN"]
    slow.write_text(f'#!/bin/sh\nif [ "$1" = install ]; then {helm} "$@"; sleep 30; exit; fi\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    environment["HELM_BIN"] = str(slow)
    code, said = hit("Ctrl-C twice", lambda: f"{job}-nodeport" in left(), "install", job, *ON)
    assert code == 130 and f"Undone: removed the release {job}" in said, said
    assert eventually(lambda: left() == [], 30), left()


@only_newest_helm
def test_ctrl_c_while_workers_are_waited_for_says_that_the_release_stays(hit, job, command, run, namespace):
    image = ("--set", "echo.image.repository=registry.invalid/x")
    deployed = ("helm", "status", job, "-n", namespace)
    code, said = hit("SIGTERM", lambda: "STATUS: deployed" in run(*deployed).stdout, "install", job, *image)
    assert code == 143 and re.search(rf"`twister2-job uninstall {job}[^`]*` removes it", said), said
    assert command("uninstall", job).returncode == 0


@only_newest_helm
@pytest.mark.parametrize("verb", ["install", "upgrade"])
def test_the_time_bounds_helm_too_and_what_it_made_is_taken_back(verb, job, left, environment, tmp_path, command):
    if verb == "upgrade":
        assert command("install", job, *ON).returncode == 0
    before = left()
    slow, helm = tmp_path / "helm", environment["HELM_BIN"]
    held = f'if [ "$1" = {verb} ]; then trap "" TERM; {helm} "$@"; sleep 300; exit; fi'
    slow.write_text(f'#!/bin/sh\n{held}\nexec {helm} "$@"\n')
    slow.chmod(0o755)
    began = time.monotonic()
    result = command(verb, job, *ON, "--set", "perWorker.enabled=true", "--timeout", "5", env={"HELM_BIN": str(slow)})
    assert time.monotonic() - began < 5 + 15
    assert result.returncode == 11, result.stderr
    assert ("Undone: removed" if verb == "install" else "Went back to revision 1") in result.stderr
    if verb == "install":
        assert eventually(lambda: left() == [], 30), left()
    else:
        kept = [name for name in left() if not name.startswith("sh.helm.release")]
        assert kept == [name for name in before if not name.startswith("sh.helm.release")]
        assert command("status", job).returncode == 0
