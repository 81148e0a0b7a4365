"""What the API server answers through Helm and kubectl, as recorded, and what holds for every message."""

import ast
import builtins
import re
import time
from pathlib import Path

import pytest
import twister2_job
from twister2_job import errors
from twister2_job.clients.messages import Step, classifier, classify, own_words, translate
from twister2_job.clients.messages import conflicts as field_conflicts
from twister2_job.clients.messages.text import MOST_LINES, hidden, short
from twister2_job.errors import EXIT_CODES, JobError, RefusedError, sentence

from tests.plugin.clients.messages import recorded, test_access, test_rendering
from tests.plugin.clients.messages.recorded import ANSWERS

PACKAGE = Path(twister2_job.__file__).parent


@pytest.mark.parametrize(("rule", "tool", "step", "kind", "said", "text"), ANSWERS)
def test_the_answers_of_the_api_server(rule, tool, step, kind, said, text):
    verdict = classify(text, tool, step)
    assert verdict.rule == rule, verdict
    assert kind is None or type(verdict.error) is kind, verdict
    assert all(word in str(verdict.error) for word in said), str(verdict.error)


def test_no_rule_is_without_a_case():
    """Every case's own test asserts that its rule is the one that speaks."""
    cases = [case[0] for case in ANSWERS] + [case[1] for case in test_rendering.VALUES]
    cases += [case[1] for case in test_rendering.CHARTS] + [rule for rule, _ in test_access.TOLD]
    cases += [case[2] for case in test_access.FAULTS]
    names = [rule.name for rule in classifier.RULES]
    assert set(names) - set(cases) == set() and set(cases) <= set(names)
    assert len(names) == len(set(names))


def test_every_error_class_can_be_told_apart_by_its_exit_code():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JobError)]
    codes = [kind.exit_code for kind in kinds]
    assert len(codes) == len(set(codes)) and set(codes) <= set(EXIT_CODES)


@pytest.mark.parametrize(("rule", "tool", "step", "kind", "said", "text"), ANSWERS)
def test_message_and_hint_are_sentences(rule, tool, step, kind, said, text):
    error = translate(text, tool, step)
    first, _, rest = error.message.partition("\n")
    assert error.message[0].isupper() or error.message.startswith(("eve ", "kubectl ")), error.message
    assert first.endswith(":") if rest else re.search(r"[.!?:][\"'`)]*$", first), error.message
    assert error.hint and (error.hint[0].isupper() or error.hint[0] == "`") and error.hint.endswith("."), error.hint
    assert str(error) == error.message + ("\n" if rest else " ") + error.hint
    assert all(len(line) < 600 for line in str(error).splitlines())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It is so", "It is so."),
        ("It is so.", "It is so."),
        ("Is it so?", "Is it so?"),
        ("It is so:", "It is so:"),
        ("It is 'so'", "It is 'so'."),
        ("It is (so.)", "It is (so.)"),
        ("Two:\n  one\n  two", "Two:\n  one\n  two"),
        ("It is so \n", "It is so."),
        ("", ""),
    ],
)
def test_a_sentence_has_its_full_stop(text, told):
    assert sentence(text) == told and sentence(told) == told


def test_an_error_glues_no_two_sentences_together():
    assert str(JobError("It is so", "Change it")) == "It is so. Change it."
    assert str(JobError("Two:\n  one\n  two", "Change it.")) == "Two:\n  one\n  two\nChange it."
    assert str(JobError("It is so", "\nThe release stays")) == "It is so.\nThe release stays."
    assert str(JobError("It is so.")) == "It is so."
    again = JobError("It is so", "Change it")
    assert str(type(again)(again.message, again.hint)) == str(again)


def test_the_hints_of_the_package_begin_as_sentences():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not re.search(r"Error$", ast.unparse(call.func)) or len(call.args) < 2:
                continue
            if hasattr(builtins, ast.unparse(call.func)):
                continue  # One of Python's own: its second argument is no hint.
            hint = call.args[1].values[0] if isinstance(call.args[1], ast.JoinedStr) else call.args[1]
            if isinstance(hint, ast.Constant) and isinstance(hint.value, str) and hint.value.strip():
                begin = hint.value.strip()[0]
                wrong += [] if begin.isupper() or begin == "`" else [f"{path.name}:{call.lineno}: {hint.value}"]
    assert wrong == []


# The same words, and what decides is who says them in which step.
@pytest.mark.parametrize(
    ("tool", "step", "text", "code"),
    [
        ("helm", Step.RENDER, "Error: open /a/b: no such file or directory", 5),
        ("helm", Step.APPLY, "Error: INSTALLATION FAILED: open /a/b: no such file or directory", 5),
        ("helm", Step.READ, "Error: Kubernetes cluster unreachable: open /a/b: no such file or directory", 12),
        ("helm", Step.APPLY, "Error: kubernetes cluster unreachable: open /a/b: no such file or directory", 12),
        ("kubectl", Step.READ, "error: open /a/b: no such file or directory", 12),
        ("helm", Step.RENDER, 'Error: Get "https://files/a": dial tcp: lookup files: no such host', 5),
        (
            "helm",
            Step.READ,
            'Error: kubernetes cluster unreachable: Get "https://a/version": dial tcp: lookup a: no such host',
            12,
        ),
        ("helm", Step.RENDER, 'Error: Get "https://files/a": x509: certificate signed by unknown authority', 5),
        ("helm", Step.RENDER, "Error: execution error at (c/a.yaml:1:3): no namespace; is forbidden", 5),
        (
            "helm",
            Step.APPLY,
            'Error: INSTALLATION FAILED: admission webhook "w" denied the request: execution error at ()',
            18,
        ),
        (
            "helm",
            Step.APPLY,
            'Error: INSTALLATION FAILED: admission webhook "w" denied the request: x509: exceeded quota: q',
            18,
        ),
        ("helm", Step.APPLY, 'Error: UPGRADE FAILED: Service "a" is invalid: metadata: namespaces "b" not found', 18),
        ("helm", Step.READ, "Error: release: already exists", 18),
    ],
)
def test_who_speaks_in_which_step_decides_before_the_words(tool, step, text, code):
    assert translate(text, tool, step).exit_code == code, translate(text, tool, step)


def test_a_conflict_names_object_field_owner_and_both_ways_out():
    text = (
        "Error: UPGRADE FAILED: conflict occurred while applying object data/j-0 apps/v1, Kind=StatefulSet: "
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1 at '
        "2026-11-29T12:00:00Z: .spec.replicas"
    )
    error = translate(text, "helm", Step.APPLY)
    assert type(error) is RefusedError
    assert error.message.startswith(
        "The field .spec.replicas of StatefulSet j-0 belongs to kubectl (by its subresource scale)"
    )
    assert "--force-conflicts" in error.hint and "the same value in your values" in error.hint


def test_all_conflicts_of_all_objects_and_owners_are_told_each_once():
    found = field_conflicts.conflicts(f"{recorded.UPGRADE}{recorded.OWNERS} && {recorded.OWNERS}")
    assert [(c.object, c.field, c.owner) for c in found] == [
        ("ConfigMap a", ".data.k", "kubectl-patch"),
        ("ConfigMap b", ".data.k", "kubectl-patch"),
        ("ConfigMap b", ".data.l", "other-op"),
    ]
    odd = 'Apply failed with 1 conflict: conflict with "a \\"b\\": c" using v1: .spec.ports[protocol="TCP"].nodePort'
    (one,) = field_conflicts.conflicts(odd)
    assert one.field == '.spec.ports[protocol="TCP"].nodePort' and one.owner == 'a \\"b\\": c'
    paths = "\n".join(f"- .data.k{number}" for number in range(500))
    many = field_conflicts.error(f'Apply failed with 500 conflicts: conflicts with "x" using v1:\n{paths}')
    assert "and 490 fields more" in many.message and len(many.message) < 1000


def test_the_words_of_others_are_told_without_logs_escapes_and_passwords():
    text = "level=WARN msg=x\n"
    text += 'E1129 12:00:00.1 1 a.go:1] "x" err=<\n\tlong\n\n\tmore\n >\nError: \x1b[31mred\x1b[0m\x07 word\n'
    assert own_words(text) == "red word"
    assert own_words('E1129 12:00:00.1 1 a.go:1] "Unhandled Error" err="it is \\"so\\""\n') == 'it is "so"'
    error = translate("Error: failed to fetch https://user:not-a-secret@host/x : 404 Not Found", "helm", Step.RENDER)
    assert "not-a-secret" not in str(error) and "https://user:***@host/x" in str(error)
    assert hidden("https://host:80/a@b") == "https://host:80/a@b"


def test_what_is_long_is_cut_with_both_its_ends():
    text = "begin " + "word " * 500 + "end"
    assert short(text).startswith("begin word") and short(text).endswith("word end") and len(short(text)) <= 200
    assert len(short("x" * 10_000)) <= 200 and short("a  b\nc") == "a b c"
    lines = own_words("Error: " + "\n".join(f"line {number}" for number in range(1000)))
    assert len(lines.splitlines()) == MOST_LINES + 1 and lines.endswith("and 980 lines more")


@pytest.mark.parametrize(
    "part",
    [
        'x "y" ',
        "- at '/a': b\n",
        "conflict with ",
        'a "b" is invalid: ',
        "Error: ",
        "\t",
        '"',
        "x",
        "exec: ",
        "a/",
        "https://",
    ],
)
def test_no_output_takes_long_to_judge(part):
    text = "Error: INSTALLATION FAILED: " + part * (1_000_000 // len(part))
    for tool, step in (("helm", Step.RENDER), ("helm", Step.APPLY), ("kubectl", Step.READ)):
        began = time.monotonic()
        assert len(str(translate(text, tool, step))) < 5000
        assert time.monotonic() - began < 20, (tool, step)  # One rule that is not linear takes minutes.
