"""The commands of the documentation, run as they stand: every ```sh block of a page, one after the other."""

import os
import re
import sys
from pathlib import Path

import pytest

from tests.cluster import gateways
from tests.cluster.conftest import HELM_VERSIONS, alone
from tests.cluster.test_ingress import needs_ingress
from tests.conftest import REPOSITORY

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# These are make's own targets and run as such: `make test` is what runs us, test_demo.py runs `make demo`.
MAKE = re.compile(r"^make (demo|test)\b(?!-)")
# What bare Helm does is tried with the oldest Helm as well.
RUNS = [
    ("docs/chart.md", HELM_VERSIONS[0]),
    ("docs/chart.md", HELM_VERSIONS[-1]),
    ("docs/wrapper.md", HELM_VERSIONS[-1]),
    ("docs/twister2.md", HELM_VERSIONS[-1]),
    ("docs/persistence.md", HELM_VERSIONS[-1]),
    ("docs/load-balancers.md", HELM_VERSIONS[-1]),
    ("docs/gateway.md", HELM_VERSIONS[-1]),
    ("docs/ingress.md", HELM_VERSIONS[-1]),
    ("README.md", HELM_VERSIONS[-1]),
]


@pytest.fixture
def own_kubeconfig(run, kube, namespace, tmp_path, cluster_kubeconfig):
    """A kubeconfig whose current namespace is the test's, as a reader's would be."""
    path = tmp_path / "kubeconfig"
    path.write_text(Path(cluster_kubeconfig).read_text())
    path.chmod(0o600)
    kube("--kubeconfig", str(path), "config", "set-context", "--current", f"--namespace={namespace}")
    return str(path)


@pytest.mark.parametrize(("page", "helm"), RUNS, indirect=["helm"])
def test_every_command_works(run, kube, helm, own_kubeconfig, page, checkout, tmp_path):
    if page == "docs/gateway.md":
        gateways.needed(kube)
    if page == "docs/ingress.md":
        needs_ingress(kube)
    blocks = [block for block in BLOCK.findall((REPOSITORY / page).read_text()) if not MAKE.match(block)]
    assert len(blocks) >= 2
    virtual_environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", str(virtual_environment))
    scripts = os.path.dirname(sys.executable)
    environment = {
        "KUBECONFIG": own_kubeconfig,
        "PATH": os.pathsep.join([f"{virtual_environment}/bin", os.path.dirname(helm), scripts, os.environ["PATH"]]),
        "HELM_DATA_HOME": str(tmp_path / "helm"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    # The demos have a test of their own, test_demo.py.
    script = "set -euo pipefail\n" + re.sub("^make demo.*$", "", "\n".join(blocks), flags=re.MULTILINE)
    with alone("twister2" if "twister2" in page else page):  # Pages fix node ports; Twister2 wants time.
        result = run("bash", "-c", script, cwd=checkout, env=environment, timeout=300)
    assert result.returncode == 0, f"{page}: {result.stdout[-2000:]}\n{result.stderr[-2000:]}"
