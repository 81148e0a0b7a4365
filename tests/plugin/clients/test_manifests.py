"""What Helm renders is read as Kubernetes reads it."""

import pytest
from twister2_job.clients.manifests import documents
from twister2_job.errors import ChartError

from tests.conftest import HELM_VERSIONS, Template


def test_text_that_yaml_has_other_ideas_of_stays_text():
    values = '[{"name":"A","value":"="},{"name":"B","value":"2026-11-29"},{"name":"C","value":"12:30:00"}]'
    told = Template(HELM_VERSIONS[-1]).run("--set-json", f"env={values}").stdout
    (pods,) = [d for d in documents(told) if d["kind"] == "StatefulSet"]
    env = pods["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [e["value"] for e in env if e["name"] in "ABC"] == ["=", "2026-11-29", "12:30:00"]


def test_what_is_no_yaml_is_told_in_a_sentence():
    with pytest.raises(ChartError, match="is no YAML"):
        documents("a: [1, 2")
