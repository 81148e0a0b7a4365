"""The Helm plugin, installed as a user does it, from the checkout and from the release tarball."""

import os
import sys
import tarfile

import pytest

from tests.cluster.conftest import OFFLINE
from tests.conftest import helm_path
from tests.conftest import run as run_command


@pytest.fixture(params=["checkout", "tarball"])
def plugin_source(request, checkout, tmp_path):
    if request.param == "checkout":
        return str(checkout / "plugin")
    environment = {**os.environ, **OFFLINE, "TWISTER2_JOB_PLUGIN_PYTHON": sys.executable}
    made = run_command("sh", checkout / "plugin" / "scripts" / "package.sh", env=environment)
    assert made.returncode == 0, made.stderr
    with tarfile.open(made.stdout.strip()) as archive:
        archive.extractall(tmp_path / "a folder with spaces", filter="data")
    return str(tmp_path / "a folder with spaces" / "twister2-job")


def test_plugin_reads_addresses(run, release, plugin_source, tmp_path):
    release.install("--set", "nodePort.enabled=true")
    data = {"HELM_DATA_HOME": str(tmp_path / "data")}
    installed = run("helm", "plugin", "install", plugin_source, env=data)
    assert installed.returncode == 0, installed.stderr
    assert "twister2-job" in run("helm", "plugin", "list", env=data).stdout
    words = ("helm", "twister2-job", "address", release.name, "--namespace", release.namespace, "-o", "plain")
    result = run(*words, env=data)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0].endswith(f":{release.node_ports()['worker']}")
    missing = run("helm", "twister2-job", "address", "not-there", "--namespace", release.namespace, env=data)
    assert missing.returncode == 8 and "not-there" in missing.stderr
    assert run("helm", "plugin", "uninstall", "twister2-job", env=data).returncode == 0


@pytest.mark.parametrize("version", ["3.17.2", "3.19.0", "4.1.4", "4.3.1"])
def test_plugin_installs_on_every_helm(version, checkout, tmp_path):
    environment = {**os.environ, **OFFLINE, "HELM_DATA_HOME": str(tmp_path)}
    helm = helm_path(version)
    installed = run_command(helm, "plugin", "install", checkout / "plugin", env=environment)
    assert installed.returncode == 0, installed.stderr
    assert "twister2-job 0.1.0" in run_command(helm, "twister2-job", "--version", env=environment).stdout
    if version == "4.3.1":  # A skipped hook, or a virtual environment that is gone: the launcher makes it anew.
        run_command("rm", "-rf", checkout / "plugin" / ".venv")
        assert "twister2-job 0.1.0" in run_command(helm, "twister2-job", "--version", env=environment).stdout


def test_a_failed_installation_says_how_to_try_again(checkout, tmp_path):
    environment = {**os.environ, **OFFLINE, "HELM_DATA_HOME": str(tmp_path)}
    helm = helm_path("4.3.1")
    install = (helm, "plugin", "install", checkout / "plugin")
    failed = run_command(*install, env={**environment, "PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"})
    assert failed.returncode != 0 and "pip could not install the wrapper" in failed.stdout + failed.stderr
    assert "helm plugin uninstall twister2-job" in failed.stdout + failed.stderr
    assert run_command(helm, "plugin", "uninstall", "twister2-job", env=environment).returncode == 0
    again = run_command(*install, env=environment)
    assert again.returncode == 0, again.stderr
