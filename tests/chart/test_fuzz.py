"""Generated values without a cluster (see tests/fuzz), and that the fuzzing itself sees what it is there to see."""

import itertools
import shutil

import pytest

from tests.conftest import CHART, HELM_VERSIONS, KUBE_VERSION, helm_path, run
from tests.fuzz.checker import refusal, restored, twice
from tests.fuzz.generator import Case, make_case
from tests.fuzz.renderer import Renderer, as_text
from tests.fuzz.run import Fuzz

CASES = 300
SEED = 20


@pytest.fixture(scope="module")
def renderer():
    """The chart in one process."""
    with Renderer() as found:
        yield found


def test_generated_values_are_rendered_as_given_or_refused_in_a_sentence(renderer):
    fuzz = Fuzz(renderer)
    outcome = fuzz.run(CASES, SEED)
    faults = [found.text() for found in fuzz.shrink(outcome, limit=5)]
    assert not faults, "\n\n".join([f"{len(faults)} kinds of faults", *faults])
    assert outcome.counts["rendered"] > CASES / 4, f"too few values are good: {outcome.counts}"
    assert outcome.counts["refused by the schema"] > 0 and outcome.counts["refused by the chart's rules"] > 0


def test_a_seed_makes_the_same_values():
    assert [make_case(number) for number in range(30)] == [make_case(number) for number in range(30)]


def test_the_renderer_says_what_helm_template_says(renderer):
    """A sample of each outcome: rendered, refused by the schema, by the rules and by Helm's own rule for names."""
    seen = set()
    for number in itertools.count():
        case = make_case(number)
        answer = renderer.render(case)
        outcome = refusal(answer["error"])[0] if "error" in answer else "rendered"
        if (outcome, number % 3) in seen:
            continue
        seen.add((outcome, number % 3))
        skip = ["--skip-schema-validation"] if case.skip_schema else []
        result = run(
            helm_path(HELM_VERSIONS[-1]), "template", case.name, CHART, "--namespace", case.namespace,
            "--kube-version", KUBE_VERSION, *skip, "-f", "-", input=as_text(case.values),
        )  # fmt: skip
        if "error" in answer:
            # The schema's complaints come in another order each time.
            assert result.returncode != 0
            assert all(line.strip() in result.stderr for line in answer["error"].splitlines()), result.stderr
        else:
            assert result.stdout == answer["manifest"], result.stderr
        if len(seen) >= 9 or number > 400:
            assert {outcome for outcome, _ in seen} >= {"rendered", "schema", "rules"}
            return


def small_chart(folder, template):
    """Make a chart of one template."""
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.1.0\n")
    (folder / "templates" / "a.yaml").write_text(template)
    return folder


def test_a_chart_that_eats_memory_is_told_and_the_next_one_renders(tmp_path):
    greedy = small_chart(tmp_path, "a: {{ if .Values.n }}{{ len (until (int .Values.n)) }}{{ end }}")
    with Renderer(chart=greedy, memory=1800) as renderer:
        assert "took more than" in renderer.render(Case("job", "default", {"n": 10**9}))["error"]
        assert renderer.render(Case("job", "default", {"n": 5}))["objects"] == [{"a": 5}]


def test_a_key_that_is_there_twice_is_told(tmp_path):
    with Renderer(chart=small_chart(tmp_path, "a: 1\na: 2\n")) as renderer:
        assert "already set" in renderer.render(Case("job", "default", {}))["faults"][0]


def test_entries_of_one_name_are_told():
    pod = {"containers": [{"name": "a", "env": [{"name": "A"}, {"name": "A"}]}], "volumes": [{"name": "v"}] * 2}
    assert len(list(twice(pod))) == 2
    assert list(twice({"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]}))
    assert not list(twice({"containers": [{"name": "a", "env": [{"name": "A"}, {"name": "B"}]}]}))


def test_raw_errors_are_told_from_sentences():
    rule = "execution error at (twister2-job/templates/workers/role.yaml:2:4): \n"
    assert refusal(f"{rule}instances: it is 0; set instances=1") == ("rules", None)
    assert refusal(f"{rule}instances: it is %!d(string=a)")[1]
    assert refusal('template: a.yaml:1:2: executing "a.yaml" at <.Values.a.b>: nil pointer evaluating {}.b')[1]
    assert refusal("YAML parse error on a.yaml: error converting YAML to JSON")[1]


def test_a_string_that_yaml_reads_as_something_else_is_told(tmp_path):
    """The chart and an object without quotes: the twin with a plain string differs."""
    copy = tmp_path / "twister2-job"
    shutil.copytree(CHART, copy)
    unquoted = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: {{ .Values.job.name }}\n"
    (copy / "templates" / "unquoted.yaml").write_text(unquoted)
    values = {"job": {"class": "a.B", "name": "1e3", "jar": {"url": "http://a/b"}}}
    with Renderer(chart=copy) as renderer:
        faults = Fuzz(renderer).faults(Case("job", "default", values, free={"1e3"}))[1]
    assert any(kind == "a string is changed" and ".data.a: 1000" in text for kind, text in faults), faults


def test_marks_in_json_are_found_behind_its_escapes():
    assert restored({"PLAN": '{"a": "zq00x"}'}, {"zq00x": '"\n'}) == restored({"PLAN": '{"a": "\\"\\n"}'}, {})
