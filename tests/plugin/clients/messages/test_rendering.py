"""What the real Helm says about values and charts, offline, and the error that is made of it."""

import io
import tarfile

import pytest
from twister2_job.clients.messages import Step, classify
from twister2_job.errors import ChartError, HelmMissingError, ValuesError

from tests.conftest import CHART, HELM_VERSIONS, OLDEST_AND_NEWEST
from tests.plugin.faults import Server, closed_port, environment, helm

META = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
NEEDS = "dependencies: [{name: d, version: 1.0.0, repository: https://x.invalid}]\n"
CLOSED = f"http://127.0.0.1:{closed_port()}/values.yaml"

# Options of values for the packaged chart; {} is the folder of the test. Rule, class, words.
VALUES = [
    (["-f", "{}/not there.yaml"], "values file", ValuesError, ["not there.yaml can't be read", "no such file"]),
    (["-f", "{}"], "values file", ValuesError, ["is a directory"]),
    (["-f", "{}/good.yaml/x"], "values file", ValuesError, ["not a directory"]),
    (["-f", "/" + "a" * 300], "values file", ValuesError, ["file name too long"]),
    (["-f", "/dev/fd/63"], "values file", ValuesError, ["/dev/fd/63"]),
    (["-f", "ftp://x/y"], "values file", ValuesError, ["ftp://x/y"]),
    (["-f", "{}/a b.yaml"], "values are no YAML", ValuesError, ["a b.yaml is no valid YAML: line 1", "Correct {}/a b"]),
    (["-f", "{}/list.yaml"], "values are no YAML", ValuesError, ["keys and values"]),
    (["-f", "{}/scalar.yaml"], "values are no YAML", ValuesError, ["keys and values"]),
    (["-f", "{}/binary.yaml"], "values are no YAML", ValuesError, ["control characters"]),
    (["-f", CLOSED], "values URL", ValuesError, [CLOSED, "connection refused"]),
    (["-f", "https://does-not-exist.invalid/api/v1/x"], "values URL offline", ValuesError, ["does-not-exist.invalid"]),
    (["-f", "http://{server}/x"], "values URL answers", ValuesError, ["/x can't be fetched: 404"]),
    (["-f", "oci://127.0.0.1:1/x"], "values in a registry", ValuesError, []),
    (["--set", "a"], "option of values", ValuesError, ['--set: key "a" has no value. Correct --set.']),
    (["--set", "a={{b"], "option of values", ValuesError, ["--set: list must terminate"]),
    (["--set", "a[-1]=1"], "option of values", ValuesError, ["negative -1 index"]),
    (["--set-literal", "a"], "option of values", ValuesError, ["--set-literal: key"]),
    (["--set-file", "a=/not there"], "option of values", ValuesError, ["--set-file: open /not there: no such file"]),
    (["--set-file", "a={}"], "option of values", ValuesError, ["--set-file: read", "is a directory"]),
    (["--set-file", f"a={CLOSED}"], "option of values", ValuesError, ["--set-file: Get", "connection refused"]),
    (["--set-json", "a={{"], "option of values", ValuesError, ["--set-json: the value of a is no JSON"]),
    (["--set-json", "token=not-a-secret"], "option of values", ValuesError, ["the value of token is no JSON"]),
    (["--set-json", '{{"a":'], "option of values", ValuesError, ["--set-json: the value is no JSON"]),
    (["--set", "nodePrt.enabled=true"], "schema refuses values", ValuesError, ["nodePrt", "Correct the values"]),
    (["--set", "instances=abc"], "schema refuses values", ValuesError, ["instances", "integer"]),
    (["--skip-schema-validation", "--set", "nodePort.enabled=true,workersPerPod=2"], "template refuses values",
     ValuesError,
     ["workersPerPod: it is 2"]),
    (["--skip-schema-validation", "--set", "nodePort=abc"], "template refuses values", ValuesError,
     ["nodePort: it is text, and must be a map"]),
    (["--none"], "program is of another version", HelmMissingError, ["unknown flag: --none"]),
]  # fmt: skip

# Files of a chart, or the name of one of the files below. Rule, words.
CHARTS = [
    ("good.yaml", "chart", ["good.yaml", "YAML file"]),
    ("text.tgz", "chart", ["does not appear to be a gzipped archive"]),
    ("empty.tgz", "chart", ["archive"]),
    ("nothing.tgz", "chart", ["Chart.yaml"]),
    ("missing", "chart", ["not found"]),
    ({"x": ""}, "chart", ["Chart.yaml"]),
    ({"Chart.yaml": "a: [\n"}, "chart", ["cannot load Chart.yaml"]),
    ({"Chart.yaml": "apiVersion: v2\nname: c\n"}, "chart", ["version is required"]),
    ({"Chart.yaml": META, "values.yaml": "a: [\n"}, "chart", ["cannot load values.yaml"]),
    ({"Chart.yaml": META + "type: library\n"}, "chart", ["library charts are not installable"]),
    ({"Chart.yaml": META + NEEDS}, "chart", ["missing in charts/"]),
    ({"Chart.yaml": META, "values.schema.json": "{"}, "schema is broken", ["values.schema.json", "unexpected EOF"]),
    ({"Chart.yaml": META, "values.schema.json": '{"type": 5}'}, "schema is broken", ["values.schema.json"]),
    ({"Chart.yaml": META + 'kubeVersion: ">=99"\n'}, "chart needs another Kubernetes", ["kubeVersion: >=99"]),
    ({"Chart.yaml": META, "templates/a.yaml": "{{ if }}"}, "template", ["missing value for if"]),
    ({"Chart.yaml": META, "templates/a.yaml": "a: {{ .Values.a.b.c }}"}, "template", ["nil pointer"]),
    ({"Chart.yaml": META, "templates/a.yaml": 'a: {{ include "x" . }}'}, "template", ['no template "x"']),
    ({"Chart.yaml": META, "templates/a.yaml": "a: b: c"}, "template", ["mapping values"]),
    ({"Chart.yaml": META, "templates/a.yaml": "text"}, "template", ["a.yaml"]),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.yaml").write_text("instances: 1\n")
    (tmp_path / "a b.yaml").write_text("a: [\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "scalar.yaml").write_text("text\n")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "text.tgz").write_text("text")
    tarfile.open(tmp_path / "empty.tgz", "w:gz").close()
    with tarfile.open(tmp_path / "nothing.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("c/x")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return tmp_path


@pytest.fixture(scope="module")
def server():
    one = Server()
    yield one
    one.close()


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
@pytest.mark.parametrize(
    ("words", "rule", "kind", "said"), VALUES, ids=[f"{case[1]} {n}" for n, case in enumerate(VALUES)]
)
def test_wrong_values_are_told_as_values(folder, server, version, words, rule, kind, said):
    words = [word.format(folder, server=server.host) for word in words]
    verdict = classify(helm(version, "template", "job", CHART, *words, env=environment(folder)), "helm", Step.RENDER)
    assert (verdict.rule, type(verdict.error)) == (rule, kind), verdict
    assert all(word.format(folder) in str(verdict.error) for word in said), verdict.error
    assert "not-a-secret" not in str(verdict.error)


@pytest.mark.parametrize("version", HELM_VERSIONS)
@pytest.mark.parametrize(("chart", "rule", "said"), CHARTS, ids=[f"{case[1]} {n}" for n, case in enumerate(CHARTS)])
def test_a_broken_chart_is_told_as_the_chart(folder, version, chart, rule, said):
    path = folder / (chart if isinstance(chart, str) else "chart")
    for name, text in {} if isinstance(chart, str) else chart.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    said_by_helm = helm(version, "template", "job", path, env=environment(folder))
    verdict = classify(said_by_helm, "helm", Step.RENDER, chart=str(path))
    assert (verdict.rule, type(verdict.error)) == (rule, ChartError), verdict
    assert all(word in verdict.error.message for word in said), verdict.error


def test_the_same_words_of_install_are_told_the_same_way(folder):
    """Where nothing was rendered before, `helm install` is the first to find them; it asks the cluster only then."""
    for version in HELM_VERSIONS:
        for words, rule in ((["-f", f"{folder}/a b.yaml"], "values are no YAML"), (["--set", "a"], "option of values")):
            env = environment(folder, KUBECONFIG=f"{folder}/none")
            verdict = classify(helm(version, "install", "job", CHART, *words, env=env), "helm", Step.APPLY)
            assert verdict.rule == rule, (version, verdict)


def test_what_no_rule_knows_is_about_the_chart_since_helm_works_offline():
    verdict = classify("Error: something new\n", "helm", Step.RENDER)
    assert not verdict.rule and type(verdict.error) is ChartError and "something new" in verdict.error.message


def test_a_chart_file_that_may_not_be_read_is_the_chart_and_no_values_file():
    """Helm has the same words for both (and as root every file may be read)."""
    said = "Error: open /a/chart.tgz: permission denied\n"
    assert type(classify(said, "helm", Step.RENDER, chart="/a/chart.tgz").error) is ChartError
    assert type(classify(said, "helm", Step.RENDER, chart="/a/other.tgz").error) is ValuesError
