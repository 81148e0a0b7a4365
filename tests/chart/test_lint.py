"""Linters over the chart: helm lint, ct lint, and helm-docs, whose table must be the one that is committed."""

import base64
import os
import re
import shutil
import sys
import tarfile
import xml.etree.ElementTree

import pytest
import yaml

from tests.conftest import CHART, HELM_VERSIONS, REPOSITORY, helm_binaries, helm_path, run

TOOLS = helm_binaries.cache_root() / "tools"
KEYS_OF_CT = {
    "remote",
    "target-branch",
    "since",
    "build-id",
    "lint-conf",
    "chart-yaml-schema",
    "validate-maintainers",
    "validate-chart-schema",
    "validate-yaml",
    "skip-helm-dependencies",
    "additional-commands",
    "check-version-increment",
    "all",
    "charts",
    "chart-repos",
    "chart-dirs",
    "excluded-charts",
    "helm-extra-args",
    "helm-extra-set-args",
    "helm-lint-extra-args",
    "helm-repo-extra-args",
    "helm-dependency-extra-args",
    "debug",
    "upgrade",
    "skip-missing-values",
    "skip-clean-up",
    "namespace",
    "release-name",
    "release-label",
    "exclude-deprecated",
    "kubectl-timeout",
    "print-logs",
    "github-groups",
    "use-helmignore",
}


@pytest.mark.parametrize("version", HELM_VERSIONS)
def test_helm_lint_strict(version):
    result = run(helm_path(version), "lint", "--strict", CHART)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", [HELM_VERSIONS[1], HELM_VERSIONS[-1]])
def test_ct_lint(version, tmp_path):
    (tmp_path / "helm").symlink_to(helm_path(version))
    scripts = os.path.dirname(sys.executable)  # yamale and yamllint
    environment = {**os.environ, "PATH": os.pathsep.join([str(tmp_path), scripts, os.environ["PATH"]])}
    command = (TOOLS / "ct", "lint", "--all", "--check-version-increment=false")
    result = run(*command, cwd=REPOSITORY, env=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "All charts linted successfully" in result.stdout
    assert "default-values.yaml" in result.stdout


def test_ct_knows_every_key_of_ct_yaml():
    """An unknown key is ignored by ct without a word."""
    assert set(yaml.safe_load((REPOSITORY / "ct.yaml").read_text())) <= KEYS_OF_CT


WRITTEN = {
    "charts/twister2-job/README.md": (),
    "docs/values.md": (
        "--sort-values-order", "file", "--template-files", "values.md.gotmpl", "--output-file", "../../docs/values.md",
    ),
}  # fmt: skip


@pytest.mark.parametrize("page", WRITTEN)
def test_the_pages_are_what_helm_docs_writes(tmp_path, page):
    """`make docs` writes them anew."""
    shutil.copytree(CHART, tmp_path / "charts" / "twister2-job")
    (tmp_path / "charts" / "twister2-job" / "README.md").unlink()
    (tmp_path / "docs").mkdir()
    run(TOOLS / "helm-docs", *WRITTEN[page], cwd=tmp_path / "charts" / "twister2-job")
    assert (tmp_path / page).read_text() == (REPOSITORY / page).read_text()


def test_every_value_is_documented():
    table = (REPOSITORY / "docs" / "values.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ]
    undocumented = [row[0] for row in rows[1:] if not row[-1] and row[0] != "global"]
    assert [
        key
        for key in undocumented
        if not key.startswith(("podSecurityContext.", "securityContext.", "updateStrategy."))
    ] == []


@pytest.fixture(scope="module", params=[HELM_VERSIONS[0], HELM_VERSIONS[-1]])
def packaged(request, tmp_path_factory):
    """The files of the packaged chart, by their path in it."""
    folder = tmp_path_factory.mktemp("package")
    result = run(helm_path(request.param), "package", CHART, "--destination", folder)
    assert result.returncode == 0, result.stderr
    with tarfile.open(next(folder.glob("*.tgz"))) as file:
        return {one.name.partition("/")[2]: file.extractfile(one).read().decode() for one in file if one.isfile()}


def test_the_package_has_its_license_and_no_tests(packaged):
    """The notice, not the 11 kB of the license: every revision of every release would store it, which are 10 kB."""
    assert "SPDX-License-Identifier: Apache-2.0" in packaged["LICENSE"] and len(packaged["LICENSE"]) < 1000
    assert "https://www.apache.org/licenses/LICENSE-2.0" in packaged["LICENSE"]
    assert not [path for path in packaged if path.startswith("ci/") or path.endswith(".gotmpl")]


def test_the_packaged_readme_leads_to_nothing_outside_of_the_package(packaged):
    links = re.findall(r"\]\(([^)]*)\)", packaged["README.md"])
    assert [link for link in links if not link.startswith("https://") and link not in packaged] == []
    assert "charts/twister2-job" not in packaged["README.md"]


def test_what_the_chart_says_of_itself(packaged):
    found = yaml.safe_load(packaged["Chart.yaml"])
    kind, _, text = found["icon"].partition(";base64,")
    assert kind == "data:image/svg+xml" and len(text) < 400
    assert xml.etree.ElementTree.fromstring(base64.b64decode(text)).tag.endswith("svg")
    assert found["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    links = yaml.safe_load(found["annotations"]["artifacthub.io/links"])
    assert all(one["url"].startswith("https://") for one in [*links, *({"url": url} for url in found["sources"])])
