"""Completion: what bash, Helm and kubectl are told, with a kubectl that has a job of three workers."""

import json
import os
import sys
from pathlib import Path

import pytest
import twister2_job

from tests.conftest import HELM_VERSIONS, REPOSITORY, helm_path, run
from tests.plugin.twister2.objects import stateful_set

SOURCE = str(Path(twister2_job.__file__).parent.parent)
KUBECTL = """#!/bin/sh
echo "$*" >>"{folder}/calls"
case "$*" in
  *get-contexts*) echo kind; echo prod;;
  *"get namespaces"*) echo namespace/data; echo namespace/default;;
  *jsonpath*) echo "job wide job";;
  *pods*) cat "{folder}/objects";;
  *) echo '{{"items": []}}';;
esac
"""
FOR_PROGRAMS = "import sys; from twister2_job.cli.completion import for_programs; sys.exit(for_programs())"
BASH = """
eval "$(register-python-argcomplete twister2-job)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete twister2-job
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def environment(tmp_path):
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL.format(folder=tmp_path))
    kubectl.chmod(0o755)
    ports = [{"name": "worker"}, {"name": "ui"}]
    group = stateful_set("job-0", 3, group=0)
    group["spec"]["template"] = {"spec": {"containers": [{"name": "twister2-container-0", "ports": ports}]}}
    (tmp_path / "objects").write_text(json.dumps({"items": [group]}))
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "twister2-job"
    command.write_text(f"#!{sys.executable}\nimport sys\nfrom twister2_job.__main__ import main\nsys.exit(main())\n")
    command.chmod(0o755)
    return {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": SOURCE,
        "TWISTER2_JOB_KUBECTL": str(kubectl),
    }


@pytest.fixture
def complete(environment, tmp_path):
    """Return what Helm and kubectl are told of a command line, without the descriptions."""

    def completed(*words):
        done = run(sys.executable, "-c", FOR_PROGRAMS, *words, env=environment, cwd=tmp_path)
        *lines, directive = done.stdout.splitlines()
        assert done.returncode == 0 and directive == ":4" and not done.stderr, done.stderr
        return [line.partition("\t")[0] for line in lines]

    return completed


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("in", ["install"]),
        ("un", ["unpin", "uninstall"]),
        ("-n data addr", ["address"]),
        ("address --wo", ["--worker"]),
        ("--name", ["--namespace"]),
        ("address job -o ", ["table", "json", "yaml", "plain", "env"]),
        ("address ", ["job", "wide"]),
        ("status w", ["wide"]),
        ("address job --worker ", ["0", "1", "2"]),
        ("forward job --worker 1 --port ", ["worker", "ui"]),
        ("forward job --port=u", ["--port=ui"]),
        ("list -n ", ["data", "default"]),
        ("--kube-context ", ["kind", "prod"]),
        ("install job --kube-context p", ["prod"]),
        ("address job --address-type Int", ["InternalDNS", "InternalIP"]),
        ("upgrade job --reuse", ["--reuse-values"]),
        ("install job --set ", []),
    ],
)
def test_names_options_and_values_are_completed(complete, line, found):
    assert complete(*line.split(" ")) == found


def test_every_command_is_listed_with_what_it_does(environment):
    done = run(sys.executable, "-c", FOR_PROGRAMS, "", env=environment)
    assert "address\tPrint the addresses of a job's workers, best first.\n" in done.stdout
    assert done.stdout.count("\n") == 17


def test_what_the_shell_asks_stays_out_of_kubectls_environment(complete, environment, tmp_path):
    script = Path(environment["TWISTER2_JOB_KUBECTL"])
    script.write_text(script.read_text().replace("case", f'env >>"{tmp_path}/env"\ncase', 1))
    complete("install", "job", "--set", "password=hidden", "-n", "")
    seen = (tmp_path / "env").read_text()
    assert "HOME=" in seen and "hidden" not in seen and "ARGCOMPLETE" not in seen


def test_completing_reads_no_services(complete, tmp_path):
    """A job may have thousands."""
    for words in (["address", ""], ["address", "job", "--worker", ""], ["forward", "job", "-n", "data", "--port", ""]):
        complete(*words)
    calls = (tmp_path / "calls").read_text()
    assert calls.count("statefulsets") == 3 and "services" not in calls


def test_a_folder_can_be_entered(environment, tmp_path):
    (tmp_path / "charts").mkdir()
    words = ("install", "job", "--chart", "char")
    done = run(sys.executable, "-c", FOR_PROGRAMS, *words, env=environment, cwd=tmp_path)
    assert done.stdout.splitlines() == ["charts/", ":6"]


def test_a_closed_output_is_no_traceback(environment):
    done = run("sh", "-c", f'"{sys.executable}" -c "{FOR_PROGRAMS}" addr >&-', env=environment)
    assert not done.stderr


def test_paths_are_completed_where_a_path_is_meant(complete, tmp_path):
    (tmp_path / "values.yaml").touch()
    assert complete("install", "job", "-f", "val") == ["values.yaml"] == complete("kill", "job", "--logs", "val")


def test_names_come_from_the_cluster_and_namespace_that_the_line_names(complete, tmp_path):
    for words in (["-n", "data", "address", ""], ["address", "-n", "data", ""]):
        complete(*words)
        assert (tmp_path / "calls").read_text().splitlines()[-1].endswith("--namespace data")
    complete("address", "job", "--kube-context", "kind", "--worker", "")
    last = (tmp_path / "calls").read_text().splitlines()[-1]
    assert "app.kubernetes.io/instance=job" in last and last.endswith("--context kind")


def test_a_cluster_that_does_not_answer_completes_nothing(complete, environment):
    Path(environment["TWISTER2_JOB_KUBECTL"]).write_text("#!/bin/sh\necho 'Unable to connect' >&2\nexit 1\n")
    assert complete("address", "") == complete("address", "job", "--worker", "") == []
    Path(environment["TWISTER2_JOB_KUBECTL"]).write_text("#!/bin/sh\necho 'a page of a proxy'\n")
    assert complete("address", "job", "--worker", "") == complete("forward", "job", "--port", "") == []
    environment["TWISTER2_JOB_KUBECTL"] = "/not/there"
    assert complete("address", "") == complete("list", "-n", "") == []


@pytest.mark.parametrize(
    ("line", "found"),
    [("twister2-job inst", "install "), ("twister2-job address job --worker 2 --port u", "ui ")],
)
def test_bash_completes_it(environment, line, found):
    done = run("bash", "-c", BASH, "bash", line, env=environment)
    assert done.stdout == f"{found}\n", done.stderr


@pytest.mark.parametrize("version", [HELM_VERSIONS[0], HELM_VERSIONS[-1]])
def test_helm_completes_it(environment, version, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "twister2-job").symlink_to(REPOSITORY / "plugin")
    environment |= {"HELM_PLUGINS": str(tmp_path / "plugins"), "TWISTER2_JOB_PLUGIN_SKIP_VENV": "1"}
    environment["TWISTER2_JOB_PLUGIN_PYTHON"] = sys.executable
    done = run(helm_path(version), "__complete", "twister2-job", "address", "job", "--worker", "", env=environment)
    assert done.stdout == "0\n1\n2\n:4\n", done.stderr


def test_it_is_imported_only_when_a_shell_asks(environment):
    code = "import sys; from twister2_job.__main__ import main; code = main(['list', '--help']); "
    code = f"import atexit; atexit.register(lambda: print('argcomplete' in sys.modules)); {code}"
    done = run(sys.executable, "-c", code, env=environment)
    assert done.returncode == 0 and done.stdout.endswith("\nFalse\n")
