"""Commands that messages suggest lead to the cluster and namespace of the command that printed them."""

import argparse
import ast
import json
import re
import sys
from pathlib import Path

import pytest
import twister2_job
from twister2_job.cli import suggestions
from twister2_job.cli.suggestions import completed, remember

from tests.conftest import run

SOURCES = sorted(Path(twister2_job.__file__).parent.rglob("*.py"))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("HELM_NAMESPACE", "HELM_KUBECONTEXT", "HELM_PLUGIN_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(suggestions, "_given", None)
    monkeypatch.setattr("sys.argv", ["/usr/bin/twister2-job"])


def given(namespace="", context="", kubeconfig=""):
    remember(argparse.Namespace(namespace=namespace, kube_context=context, kubeconfig=kubeconfig))


def test_without_options_a_command_stays_as_it_is():
    given()
    assert completed("`helm history job` lists them.") == "`helm history job` lists them."


KUBECTL = "--context 'a b' --kubeconfig /k"
OTHERS = "--namespace data --kube-context 'a b' --kubeconfig /k"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("twister2-job address job", OTHERS),
        ("helm history job", OTHERS),
        ("helm history namespace", OTHERS),
        ("twister2-job status namespace", OTHERS),
        ("kubectl get pods -l a=b", f"--namespace data {KUBECTL}"),
        ("kubectl delete namespace x", KUBECTL),
        ("kubectl get pvc --namespace y", KUBECTL),
        ("kubectl config get-contexts", "--kubeconfig /k"),
        ("--reset-then-reuse-values", ""),
        ("perWorker.count", ""),
    ],
)
def test_each_program_gets_its_own_options(command, options):
    given("data", "a b", "/k")
    wanted = f"`{command} {options}".rstrip() + "`"
    assert completed(f"Two: `{command}`; `{command}`.") == f"Two: {wanted}; {wanted}."


def test_helms_variables_count_as_given(monkeypatch):
    monkeypatch.setenv("HELM_NAMESPACE", "theirs")
    monkeypatch.setenv("HELM_KUBECONTEXT", "other")
    given()
    assert completed("`kubectl get pods`") == "`kubectl get pods --namespace theirs --context other`"


def test_the_program_is_named_as_it_was_started(monkeypatch):
    given(namespace="data")
    monkeypatch.setattr("sys.argv", ["/usr/bin/kubectl-twister2_job"])
    assert completed("`twister2-job status job`") == "`kubectl twister2-job status job --namespace data`"
    monkeypatch.setenv("HELM_PLUGIN_NAME", "twister2-job")
    assert completed("`twister2-job status job`") == "`helm twister2-job status job --namespace data`"


def test_an_error_of_the_command_line_is_completed(tmp_path):
    path = tmp_path / "my config"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"}))
    where = ("-n", "data", "--kube-context", "none", "--kubeconfig", str(path))
    result = run(sys.executable, "-m", "twister2_job", "address", "job", *where)
    assert (
        result.returncode == 12 and f"`kubectl config get-contexts --kubeconfig '{path}'` lists them." in result.stderr
    )


def texts(tree):
    """Return the texts of a module, docstrings left out, with the fields of f-strings as `{}`."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in documentation or id(node) in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)


COMMAND = re.compile(
    r"(?<![`\w./-])((?:kubectl (?:get|logs|delete|create|describe|patch|rollout)|helm (?:get|history|rollback|uninstall"
    r"|upgrade)|twister2-job (?:install|upgrade|status|uninstall|address|check|wait|rerun|kill|pin|forward)) [^`]*)"
)


def test_messages_quote_every_command_so_that_it_is_completed():
    found = {}
    for path in SOURCES:
        for text in texts(ast.parse(path.read_text())):
            if unquoted := COMMAND.findall(re.sub(r"`[^`]*`", "", text)):
                found.setdefault(path.name, []).extend(unquoted)
    assert set(found) <= {"step.py", "pin.py"}, found  # Names of steps; the first lines of a values file.
    assert COMMAND.findall("Look: kubectl get pods") and not COMMAND.findall("`kubectl get pods`")
