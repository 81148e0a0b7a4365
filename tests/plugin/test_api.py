"""The Python API as it is called: types, one text that counts as one, and sentences for what makes no sense."""

import asyncio
import inspect
import math
import os
import re
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import twister2_job
from twister2_job import AsyncJob, Job, UsageError, errors, list_jobs
from twister2_job.cli.options import seconds
from twister2_job.release.parameters import LONGEST, request, value_options

from tests.conftest import CHART, HELM_VERSIONS, REPOSITORY, helm_path, run

METHODS = [name for name, _ in inspect.getmembers(Job, inspect.isfunction) if not name.startswith("_")]

SNIPPET = """\
from pathlib import Path

from twister2_job import AsyncJob, Job, JobAddresses, JobExistsError, JobState, OutOfTimeError, list_jobs

job = Job("job", namespace="data", kubeconfig=Path("config"))
report: JobAddresses = job.install(values="a.yaml", set="a=b", timeout=5)
job.install(values=[Path("a.yaml"), "b.yaml"], set=["a=b"], arguments=("--set-string", "c=d"), chart=Path("chart"))
job.upgrade(values=Path("a.yaml"), force_conflicts=True, rollback_on_failure=True, timeout=2.5)
state: JobState = job.submit(Path("a.jar"), worker_class="a.B", config={"a": 1}, create_namespace=True, set="a=b")
folder: str = job.kill(logs=Path("logs"), timeout=5)
job.pin(file=Path("ports.yaml"), timeout=5)
job.install(timeout="5m")  # wrong
job.install(timout=5)  # wrong
job.install(values=5)  # wrong
job.install(values={"instances": 3})  # wrong
job.install(set={"instances": 3})  # wrong
job.install(set=Path("a"))  # wrong
job.install(chart=None)  # wrong
job.install(publish="no")  # wrong
job.install(force_conflicts="yes")  # wrong
job.install("a.yaml")  # wrong
job.upgrade(timeout="5m")  # wrong
job.upgrade(create_namespace=True)  # wrong
job.upgrade(all_values={})  # wrong
job.pin(fil="ports.yaml")  # wrong
job.pin(timeout="5m")  # wrong
job.unpin(values="a.yaml")  # wrong
job.submit("a.jar", worker_class=5)  # wrong
job.submit("a.jar", wait=True)  # wrong
job.submit("a.jar", timeout="5m")  # wrong
job.wait(timeout="5m")  # wrong
job.kill(timeout="5m")  # wrong
job.rerun(set="a=b")  # wrong
job.rerun(timeout="5m")  # wrong
job.uninstall(timeout="5m")  # wrong
job.addresses(worker=1)  # wrong
number: int = job.kill()  # wrong
Job("job", context="kind")  # wrong
list_jobs(namespaces="data")  # wrong
list_jobs(all_namespaces="yes")  # wrong


async def main() -> None:
    one = AsyncJob("job")
    same: JobAddresses = await one.install(values="a.yaml", set="a=b", timeout=5)
    await one.install(timeout="5m")  # wrong
    await one.install(unknown=1)  # wrong
    await one.upgrade(set={"a": 1})  # wrong
    await one.pin(chart=5)  # wrong
    await one.unpin(timeout="5m")  # wrong
    await one.submit("a.jar", timout=5)  # wrong
    await one.rerun(timout=5)  # wrong
    try:
        await one.install()
    except (JobExistsError, OutOfTimeError) as error:
        print(error.exit_code, error.hint)
"""


def test_mypy_refuses_calls_that_make_no_sense_and_no_others(tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    result = run(
        sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent",
        f"--cache-dir={tmp_path / 'cache'}", "snippet.py",
        cwd=tmp_path, env={**os.environ, "MYPYPATH": str(REPOSITORY / "plugin")},
    )  # fmt: skip
    reported = {int(line) for line in re.findall(r"^snippet\.py:(\d+): error:", result.stdout, re.M)}
    lines = SNIPPET.splitlines()
    expected = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert expected == reported, (result.stdout, result.stderr, [lines[n - 1] for n in expected ^ reported])


def every_error(base=errors.JobError):
    yield base
    for one in base.__subclasses__():
        yield from every_error(one)


def test_every_error_is_imported_from_the_package():
    ours = [error for error in every_error() if error.__module__ == errors.__name__]
    assert len(ours) > 20
    for error in ours:
        assert error.__name__ in twister2_job.__all__
        assert getattr(twister2_job, error.__name__) is error


def test_every_public_name_is_there_for_programs_type_checkers_and_completion():
    text = Path(twister2_job.__file__).read_text()
    checked = text[: text.index("__version__ =")]
    for name in twister2_job.__all__:
        assert getattr(twister2_job, name) is not None and name in dir(twister2_job)
        assert name == "__version__" or re.search(rf"\b{name}\b", checked), name
    with pytest.raises(AttributeError, match="Jobb"):
        _ = twister2_job.Jobb


def test_both_apis_have_the_same_methods_with_the_same_real_parameters():
    assert "install" in METHODS
    for name in METHODS:
        found, same = (inspect.signature(getattr(kind, name)) for kind in (Job, AsyncJob))
        kinds = {parameter.kind for parameter in found.parameters.values()}
        assert found.parameters == same.parameters
        assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}, name
        assert getattr(Job, name).__doc__ and not inspect.iscoroutinefunction(getattr(Job, name))
    assert set(inspect.signature(Job.upgrade).parameters) < set(inspect.signature(Job.install).parameters)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"values": "a.yaml"}, ["--values", "a.yaml"]),
        ({"values": Path("a.yaml")}, ["--values", "a.yaml"]),
        ({"values": ["a.yaml", Path("b.yaml")]}, ["--values", "a.yaml", "--values", "b.yaml"]),
        ({"values": ("a.yaml",)}, ["--values", "a.yaml"]),
        ({"set": "a=b"}, ["--set", "a=b"]),
        ({"set": ["a=b", "c=d,e=f"]}, ["--set", "a=b", "--set", "c=d,e=f"]),
        ({"arguments": "--reset-values"}, ["--reset-values"]),
        ({"arguments": ["--set=a=two words", "--set-string", "--b c=d"]}, None),
        ({"values": "a", "set": "b=c", "arguments": ["--set", "d=e"]}, "--values a --set b=c --set d=e".split()),
        ({"values": [], "set": (), "arguments": []}, []),
    ],
)
def test_one_text_counts_as_one(given, made):
    if made is None:
        with pytest.raises(UsageError, match="two words"):
            request("job", **given)
    else:
        assert request("job", **given).arguments == made


@pytest.mark.parametrize("version", HELM_VERSIONS)
@pytest.mark.parametrize("name", ["plain.yaml", "a,b.yaml", 'a"b.yaml', "two words.yaml", "-dash.yaml"])
def test_helm_reads_the_one_file_that_a_path_names(version, name, tmp_path):
    (tmp_path / name).write_text("instances: 3\n")
    words = value_options(name, (), ())
    result = run(helm_path(version), "template", "job", CHART, *words, cwd=tmp_path)
    assert "replicas: 3" in result.stdout, result.stderr


WRONG = {
    "timeout": ["5m", "300", None, True, -1, -0.5, math.nan, math.inf, 10**400, 10**5000, [5], 1j, b"5"],
    "values": [5, None, {"instances": 3}, b"a.yaml", [5], [None], [b"a"], "", [""], (n for n in "ab"), {"a"}],
    "set": [5, None, {"instances": 3}, b"a=b", [b"a=b"], Path("a"), "", "a=\0", "a=\ud800", [["a=b"]]],
    "arguments": [5, None, "--set a=b", ["-f a.yaml"], ["--set\ta=b"], [3], {"--set": "a=b"}],
    "chart": [5, None, b"chart", ["chart"], "a\0b"],
    "create_namespace": ["no", 1, None],
    "rollback_on_failure": ["no", 1, None],
    "force_conflicts": ["no", 1, None],
    "publish": ["no", 1, None],
}


def refused(call, name):
    """Assert that a call is refused in a sentence that names the argument, whatever Helm and cluster there are."""
    with pytest.raises(UsageError) as caught:
        call()
    assert re.match(rf"{name}\b.* (must be|has|holds) ", str(caught.value)) and len(str(caught.value)) < 250


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_type_is_told_in_a_sentence(name, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for value in WRONG[name]:
        given = {name: value}
        refused(lambda: Job("job").install(**given), name)  # noqa: B023
        refused(lambda: asyncio.run(AsyncJob("job").submit("a.jar", worker_class="a.B", **given)), name)  # noqa: B023
        if name != "create_namespace":
            refused(lambda: Job("job").upgrade(**given), name)  # noqa: B023


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("name", lambda: Job(5)),
        ("namespace", lambda: Job("job", namespace=None)),
        ("kube_context", lambda: list_jobs(kube_context=5)),
        ("kubeconfig", lambda: Job("job", kubeconfig=5)),
        ("say", lambda: Job("job", say=None)),
        ("all_namespaces", lambda: list_jobs(all_namespaces="no")),
        ("file", lambda: Job("job").pin(file=5)),
        ("timeout", lambda: Job("job").pin(timeout="5m")),
        ("rollback_on_failure", lambda: Job("job").unpin(rollback_on_failure=1)),
        ("jar", lambda: Job("job").submit(5, worker_class="a.B")),
        ("worker_class", lambda: Job("job").submit("a.jar", worker_class=None)),
        ("config", lambda: Job("job").submit("a.jar", worker_class="a.B", config="a=b")),
        ("config", lambda: Job("job").submit("a.jar", worker_class="a.B", config={5: 1})),
        ("config", lambda: Job("job").submit("a.jar", worker_class="a.B", config={"a": object()})),
        ("config", lambda: Job("job").submit("a.jar", worker_class="a.B", config={"a": math.nan})),
        ("on_ready", lambda: Job("job").submit("a.jar", worker_class="a.B", on_ready=5)),
        ("detach", lambda: Job("job").rerun(detach="no")),
        ("timeout", lambda: Job("job").rerun(timeout="5m")),
        ("timeout", lambda: Job("job").wait(timeout="5m")),
        ("timeout", lambda: Job("job").kill(timeout="5m")),
        ("logs", lambda: Job("job").kill(logs=5)),
        ("timeout", lambda: Job("job").uninstall(timeout="5m")),
        ("wait", lambda: Job("job").uninstall(wait="no")),
        ("address_type", lambda: Job("job").addresses(address_type=5)),
        ("worker", lambda: Job("job").connect(worker="2")),
        ("port", lambda: Job("job").connect(port=9000)),
    ],
)
def test_a_wrong_type_is_told_in_a_sentence_everywhere(name, call, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    refused(call, name)


@pytest.mark.parametrize(
    "method", ["install", "upgrade", "pin", "unpin", "submit", "rerun", "kill", "wait", "uninstall"]
)
def test_an_unknown_option_is_named_where_it_was_given(method):
    with pytest.raises(TypeError, match="'timout'") as caught:
        getattr(Job("job"), method)(timout=5)
    assert len(caught.traceback) <= 2, "deep inside"
    with pytest.raises(TypeError, match="'timout'"):
        getattr(AsyncJob("job"), method)(timout=5)


@pytest.mark.parametrize("number", [0, 2.5, 300, Fraction(1, 2), LONGEST])
def test_times_in_seconds(number):
    assert request("job", timeout=number).timeout == float(number)


def test_what_helm_can_not_count_is_refused_on_the_command_line_too():
    assert seconds(str(LONGEST)) == LONGEST
    for text in (str(LONGEST + 1), "9" * 400, f"{'9' * 400}h"):
        with pytest.raises(Exception, match="more than"):
            seconds(text)


def test_the_request_has_all_that_was_asked_for():
    asked = {"create_namespace": True, "rollback_on_failure": True, "force_conflicts": True, "timeout": 7}
    made = request("job", chart=Path("chart"), **asked)
    assert (made.name, made.chart, made.values) == ("job", "chart", None)
    assert {name: getattr(made, name) for name in asked} == asked


def test_paths_are_taken_as_paths_everywhere(tmp_path):
    job = AsyncJob("job", kubeconfig=tmp_path / "none")
    assert job.connection.kubeconfig == str(tmp_path / "none")
    with pytest.raises(UsageError, match=r"\.jar"):
        Job("job").submit(tmp_path / "none.jar", worker_class="a.B")
