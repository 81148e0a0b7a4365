"""The command line without a cluster: messages, exit codes, versions, start-up time."""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from twister2_job import __version__
from twister2_job.cli.options import seconds
from twister2_job.cli.parser import parse, parser
from twister2_job.cli.registry import COMMANDS, GROUPS, command_in
from twister2_job.errors import EXIT_CODES, JobError

from tests.conftest import CHART, HELM_VERSIONS, REPOSITORY, helm_path, run

COMMAND = str(Path(sys.executable).parent / "twister2-job")


@pytest.fixture(params=HELM_VERSIONS)
def command(request, tmp_path):
    """Run the command with one Helm, with no cluster to be found."""

    def runner(*words, **environment):
        clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HELM_BIN": helm_path(request.param), **environment}
        return run(COMMAND, *words, env=clean)

    return runner


def refused(result, code, *words):
    """Assert the exit code and the words of the one sentence, and that it is no traceback."""
    assert result.returncode == code, result.stderr
    assert all(word in result.stderr for word in words), result.stderr
    assert "Traceback" not in result.stderr and not result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "nodePort.enabled=true,workersPerPod=2"], 5, ["nodePort", "workersPerPod"]),
        (["--set", "nodePort.enabled=true,nodePort.port=80"], 5, ["30000 to 32767"]),
        (["--set", "nodePrt.enabled=true"], 5, ["nodePrt"]),
        (["-f", "/not/there.yaml"], 5, ["/not/there.yaml"]),
        (["--chart", "/not/there"], 17, ["/not/there", "--chart"]),
        (["--kubeconfig", "/not/there"], 12, ["/not/there"]),
        ([], 12, ["cluster"]),
    ],
)
def test_install_is_refused_with_a_sentence(command, words, code, said):
    refused(command("install", "job", *words), code, *said)


@pytest.mark.parametrize("name", ["Job", "1job", "my.job", "a" * 50, "job-"])
def test_names_that_are_no_job_names(command, name):
    refused(command("install", name), 6, name)


def test_no_helm(command):
    refused(command("install", "job", HELM_BIN="/not/there", PATH="/nowhere"), 15, "Helm")


def test_no_kubectl(command):
    refused(command("address", "job", PATH="/nowhere"), 16, "kubectl")


def test_a_server_that_is_not_there(command, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
        "clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {token: secret-token}}]\n"
    )
    for words in (["install", "job"], ["address", "job"], ["status", "job"], ["list"], ["uninstall", "job"]):
        result = command(*words, "--kubeconfig", str(path))
        refused(result, 12)
        assert "secret-token" not in result.stderr


def test_wrong_command_lines(command):
    assert command().returncode == 2
    assert command("install").returncode == 2
    assert command("fly", "job").returncode == 2
    assert command("install", "job", "--timeout", "soon").returncode == 2


def test_chart_prints_a_chart(command):
    assert (Path(command("chart").stdout.strip()) / "Chart.yaml").is_file()


@pytest.mark.parametrize(
    ("text", "value"), [("300", 300), ("5m", 300), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25)]
)
def test_durations(text, value):
    assert seconds(text) == value


def test_all_versions_agree():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    plugin = yaml.safe_load((REPOSITORY / "plugin" / "plugin.yaml").read_text())["version"]
    project = re.search(r'^version = "(.*)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert project and {chart, plugin, project.group(1)} == {__version__}


def every_error(base=JobError):
    for one in base.__subclasses__():
        yield one
        yield from every_error(one)


def test_every_error_has_an_exit_code_of_its_own_in_the_table():
    codes = [error.exit_code for error in every_error()]
    assert len(codes) == len(set(codes)) and set(codes) <= set(EXIT_CODES)


def test_the_documented_exit_codes_are_those_of_the_code():
    text = (REPOSITORY / "docs" / "wrapper.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


def commands(names=()):
    found = parser(names)
    return next(a for a in found._actions if isinstance(a, argparse._SubParsersAction)).choices


def test_every_command_and_every_option_is_documented():
    text = (REPOSITORY / "docs" / "wrapper.md").read_text()
    missing = [
        name
        for name in commands()
        if not re.search(rf"`(?:twister2-job )?{name}\b|^(?:\$ )?twister2-job {name}\b", text, re.M)
    ]
    options = {word for one in commands().values() for action in one._actions for word in action.option_strings}
    missing += [word for word in sorted(options - {"-h", "--help"}) if not re.search(rf"{word}(?![-a-z])", text)]
    assert not missing


def documented_commands():
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    for page in pages:
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(), re.M | re.S):
            for line in re.findall(r"^(?:\$ )?twister2-job (.+)$", block.replace("\\\n", " "), re.M):
                yield pytest.param(line, id=f"{page.name}: {line[:40]}")


@pytest.mark.parametrize("line", list(documented_commands()))
def test_every_documented_command_is_one(line):
    parse(shlex.split(line, comments=True))


def test_only_the_parser_of_the_command_that_was_given_is_made():
    assert list(commands(["wait", "job"])) == ["wait"]
    assert list(commands(["--debug", "-n", "a", "wait", "job"])) == ["wait"]
    assert list(commands(["fly"])) == list(commands()) == list(COMMANDS)


def test_options_of_all_commands_stand_before_the_command_or_after_it():
    given = ["-n", "a", "--kube-context=b", "--kubeconfig", "c", "--debug"]
    assert parse([*given, "list"]) == parse(["list", *given])
    assert parse(["-n", "a", "list", "-n", "b"]).namespace == "b"
    assert parse(["list"]).namespace == "" and parse(["list"]).debug is False
    assert [getattr(command_in(words.split()), "name", None) for words in ("-na wait", "-n wait kill x", "x wait")] == [
        "wait", "kill", None,
    ]  # fmt: skip


def test_the_help_lists_every_command_once_in_its_group():
    text = parser().format_help()
    sections = dict(re.findall(r"^([\w ]+):\n((?:  .*\n)+)", text, re.M))
    listed = {group: re.findall(r"^  (\w+)", sections[group], re.M) for group in GROUPS}
    assert listed == {group: [r.name for r in COMMANDS.values() if r.group == group] for group in GROUPS}
    assert sum(map(len, listed.values())) == len(COMMANDS)


def test_reading_addresses_imports_nothing_heavy():
    modules = [f"twister2_job.{name}" for name in "cli.addresses cli.loop exposure.addresses clients.kubectl".split()]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = set(run(sys.executable, "-c", code).stdout.split())
    assert not {"pyhelm3", "pydantic", "yaml", "rich"} & loaded and "twister2_job.cli.addresses" in loaded


def test_a_refused_value_is_told_in_one_line_without_the_schemas_branches(command):
    said = command("install", "job", "--set", "nodePort.enabled=true,workersPerPod=2").stderr.strip()
    assert len(said.splitlines()) == 1 and said.startswith("twister2-job: workersPerPod: ")
    assert "Must validate" not in said and "allOf" not in said
