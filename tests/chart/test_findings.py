"""kube-score and checkov over what the ci values render: each finding is mended, or answered in findings.yaml."""

import json

import pytest
import yaml

from tests.conftest import CI_VALUES, HELM_VERSIONS, REPOSITORY, Template, helm_binaries, run

TOOLS = helm_binaries.cache_root() / "tools"
ANSWERS = yaml.safe_load((REPOSITORY / "tests" / "chart" / "findings.yaml").read_text())
# kube-score's grades: 1 critical, 5 warning, 7 almost good, 10 good.
GOOD = 10


@pytest.fixture(scope="module")
def renderings(tmp_path_factory):
    """A folder with the rendering of each ci values file."""
    folder = tmp_path_factory.mktemp("renderings")
    for values in CI_VALUES:
        (folder / f"{values.stem}.yaml").write_text(Template(HELM_VERSIONS[-1]).run("-f", str(values)).stdout)
    return folder


def kube_score(folder):
    """Return what kube-score finds, as check -> kinds of objects."""
    found = {}
    for path in sorted(folder.iterdir()):
        result = run(TOOLS / "kube-score", "score", "--output-format", "json", "--kubernetes-version", "v1.37", path)
        scored = json.loads(result.stdout)
        assert scored, result.stderr
        for one in scored:
            for check in one["checks"]:
                if not check["skipped"] and check["grade"] < GOOD:
                    found.setdefault(check["check"]["id"], set()).add(one["type_meta"]["kind"])
    return found


def checkov(folder):
    """Return what checkov finds, as check -> kinds of objects."""
    result = run(
        TOOLS / "checkov" / "bin" / "checkov", "--framework", "kubernetes", "--directory", folder,
        "--output", "json", "--compact", "--quiet", "--skip-download",
    )  # fmt: skip
    report = json.loads(result.stdout)
    assert report["summary"]["parsing_errors"] == 0 and report["summary"]["failed"], result.stderr
    found = {}
    for one in report["results"]["failed_checks"]:
        found.setdefault(one["check_id"], set()).add(one["resource"].split(".")[0])
    return found


@pytest.mark.parametrize("tool", [kube_score, checkov], ids=["kube-score", "checkov"])
def test_every_finding_is_answered_and_every_answer_is_to_a_finding(tool, renderings, request):
    found = {check: sorted(kinds) for check, kinds in tool(renderings).items()}
    answers = ANSWERS[request.node.callspec.id]
    assert {check: one["kinds"] for check, one in answers.items()} == found
    assert all(len(one["reason"]) > 30 for one in answers.values())
