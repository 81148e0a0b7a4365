"""The chart in an umbrella chart, under another name, on a real cluster."""

import json
import shutil

import pytest

from tests.cluster.conftest import only_newest_helm
from tests.conftest import CHART

UMBRELLA = """
apiVersion: v2
name: umbrella
version: 1.0.0
dependencies:
  - {name: twister2-job, version: 0.1.0, repository: "", alias: work}
"""
QUICK = ("--set", "work.instances=1,work.drainSeconds=0")


@pytest.fixture
def umbrella(tmp_path):
    """Return a function that makes an umbrella chart; `old` is one whose selectors follow the alias."""

    def make(old):
        chart = tmp_path / ("old" if old else "new")
        inner = shutil.copytree(CHART, chart / "charts" / "twister2-job")
        (chart / "Chart.yaml").write_text(UMBRELLA)
        if old:
            labels = inner / "templates" / "_labels.tpl"
            text = labels.read_text()
            name = '"name" "twister2-job"'
            assert text.count(name) == 1
            labels.write_text(text.replace(name, '"name" .root.Chart.Name'))
        return str(chart)

    return make


@only_newest_helm
def test_a_running_job_whose_selector_has_the_alias_is_told_before_a_revision_is_made(release, umbrella):
    """A StatefulSet's selector can't change, so Kubernetes would refuse the upgrade in its midst."""
    words = (release.name, "--namespace", release.namespace)

    def helm(verb, *arguments):
        return release.run("helm", verb, *words, *arguments)

    installed = helm("install", umbrella(old=True), *QUICK)
    assert installed.returncode == 0, installed.stderr
    selector = release.get("statefulset", f"{release.name}-0")["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/name"] == "work"
    new = umbrella(old=False)
    result = helm("upgrade", new, *QUICK)
    assert result.returncode and "the alias work: the running job has it as its label" in result.stderr, result.stderr
    assert f"helm uninstall {release.name} --namespace {release.namespace} and install it" in result.stderr
    assert [one["revision"] for one in json.loads(helm("history", "-o", "json").stdout)] == [1]
    # As it says; and afterwards the same alias stands in no upgrade's way.
    assert helm("uninstall", "--wait").returncode == 0
    for verb in ("install", "upgrade"):
        result = helm(verb, new, *QUICK)
        assert result.returncode == 0, result.stderr
