"""`--debug` shows the commands that are run, and nothing that is a secret; the real Helm runs, kubectl is a script."""

import os
import sys
from pathlib import Path

import pytest
import twister2_job

from tests.conftest import HELM_VERSIONS, helm_path, run
from tests.plugin.faults import closed_port, kubeconfig, script


@pytest.fixture
def command(tmp_path):
    """Run the command with a kubeconfig of a cluster that is not there."""
    path = kubeconfig(tmp_path / "kubeconfig", f"https://127.0.0.1:{closed_port()}", user={"token": "not-a-secret-1"})
    kubectl = script(tmp_path / "kubectl", "echo The connection to the server x was refused >&2; exit 1")

    def runner(*words, **options):
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "KUBECONFIG": path,
            "HELM_BIN": helm_path(HELM_VERSIONS[-1]),
            "HELM_KUBETOKEN": "not-a-secret-2",
            "TWISTER2_JOB_KUBECTL": kubectl,
            "PYTHONPATH": str(Path(twister2_job.__file__).parent.parent),
        }
        return run(sys.executable, "-m", "twister2_job", *words, env=env, **options)

    return runner


def shown(result):
    return [line for line in result.stderr.splitlines() if line.startswith("twister2-job: run: ")]


def test_debug_shows_every_command_as_one_can_paste_it(command):
    result = command("status", "job", "--debug", "-n", "my data")
    assert any("helm history job --output json --namespace 'my data'" in line for line in shown(result)), result.stderr
    assert command("list", "--debug").returncode == 12


def test_debug_shows_kubectl_and_a_program_that_fails(command):
    result = command("address", "job", "--debug")
    assert any("/kubectl get " in line for line in shown(result)), result.stderr
    assert result.returncode == 12 and not result.stdout


def test_debug_shows_no_secret(command, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("env: [{name: A, value: not-a-secret-3}]\n")
    for words in (
        ["install", "job", "-f", str(values)],
        ["install", "job", "-f", "https://u:not-a-secret-4@127.0.0.1:1/x"],
    ):
        result = command(*words, "--debug")
        assert shown(result) and "not-a-secret" not in result.stdout + result.stderr


def test_the_rules_for_messages_are_read_when_a_program_has_failed_and_not_before():
    code = (
        "import sys, twister2_job.release.lifecycle, twister2_job.job; "
        "print([m for m in sys.modules if m.startswith('twister2_job') and m.endswith('classifier')])"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(twister2_job.__file__).parent.parent)}
    assert run(sys.executable, "-c", code, env=env).stdout.strip() == "[]"


def test_without_debug_no_command_is_shown(command):
    assert shown(command("status", "job")) == []
