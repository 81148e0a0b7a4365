"""What all tests share: where things are, the Helm binaries, and rendering the chart."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
CHART = REPOSITORY / "charts" / "twister2-job"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

_specification = importlib.util.spec_from_file_location("helm_binaries", REPOSITORY / "devcluster" / "helm_binaries.py")
assert _specification and _specification.loader
helm_binaries = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(helm_binaries)

HELM_VERSIONS = tuple(helm_binaries.BINARIES)
OLDEST_AND_NEWEST = (HELM_VERSIONS[0], HELM_VERSIONS[-1])
KUBE_VERSION = "1.37.0"
_BUILT = helm_binaries.cache_root() / "devcluster" / "bin" / "kubectl"
KUBECTL = str(_BUILT) if _BUILT.exists() else shutil.which("kubectl")
"""The development cluster's kubectl if it was built, else the machine's, else nothing."""

# A shell's `&` starts a command with Ctrl-C ignored, and nohup with SIGHUP, which all that it starts inherits; tests
# interrupt and hang up commands.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)

Objects = list[dict[str, Any]]


@functools.cache
def helm_path(version: str) -> str:
    """Return the path of Helm `version`."""
    return str(helm_binaries.helm(version))


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command with a bound of 10 minutes and return what it printed; never raises for its exit code."""
    options.setdefault("timeout", 600)
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)


@functools.cache
def _template(version: str, name: str, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    home = os.environ.get("TMPDIR", "/tmp")
    return run(
        helm_path(version), "template", name, CHART, "--kube-version", KUBE_VERSION, *arguments,
        env={"PATH": os.environ["PATH"], "HOME": home},
    )  # fmt: skip


class Template:
    """`helm template` of the chart with one version of Helm."""

    def __init__(self, version: str) -> None:
        self.version = version

    def run(self, *arguments: str, name: str = "job") -> subprocess.CompletedProcess[str]:
        """Return the outcome of `helm template NAME CHART ARGUMENTS`."""
        return _template(self.version, name, arguments)

    def objects(self, *arguments: str, name: str = "job") -> Objects:
        """Return the rendered objects; fails if Helm refuses the values."""
        result = self.run(*arguments, name=name)
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.safe_load_all(result.stdout) if document]

    def one(self, kind: str, name: str, *arguments: str, release: str = "job") -> dict[str, Any]:
        """Return the one rendered object of that kind and name."""
        found = select(self.objects(*arguments, name=release), kind, name)
        assert len(found) == 1, f"{len(found)} objects {kind} {name}"
        return found[0]

    def refuses(self, *arguments: str, name: str = "job") -> str:
        """Return Helm's message; fails if Helm accepts the values."""
        result = self.run(*arguments, name=name)
        assert result.returncode != 0, f"Helm {self.version} accepted {arguments}"
        return result.stderr


def select(objects: Objects, kind: str, name: str | None = None) -> Objects:
    """Return the objects of a kind, and of a name if one is given."""
    return [found for found in objects if found["kind"] == kind and name in (None, found["metadata"]["name"])]


@pytest.fixture(scope="session", params=HELM_VERSIONS)
def helm_template(request: pytest.FixtureRequest) -> Template:
    """`helm template` with each of the four Helm versions in turn."""
    return Template(request.param)


@pytest.fixture(scope="session")
def newest() -> Template:
    """`helm template` with the newest Helm, for what doesn't depend on Helm's version."""
    return Template(HELM_VERSIONS[-1])


@pytest.fixture(scope="session")
def all_ci_objects() -> Callable[[Path], Objects]:
    """Render one of the chart's ci values files with the newest Helm."""
    return lambda path: Template(HELM_VERSIONS[-1]).objects("-f", str(path))


def pytest_report_header() -> str:
    """Name the Helm versions in the head of pytest's output."""
    return f"Helm versions: {', '.join(HELM_VERSIONS)}; Python {sys.version.split()[0]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a test that is skipped in CI as failed: what it needs must be there."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome, report.longrepr = "failed", f"CI skips no test: {report.longrepr}"
    return report
