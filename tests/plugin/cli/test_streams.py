"""The command's standard streams: closed, full, without a reader, in an encoding that lacks letters."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import twister2_job

SOURCE = str(Path(twister2_job.__file__).parent.parent)
COMMAND = f"{sys.executable} -m twister2_job"
POD = {"kind": "Pod", "metadata": {"name": "job-0-0", "labels": {}, "annotations": {}}, "spec": {"containers": []}}


@pytest.fixture
def shell(tmp_path):
    """Run a line of bash, in which `$t` is the command and kubectl a script that knows one pod."""
    kubectl, helm = tmp_path / "kubectl", tmp_path / "helm"
    for name, items in (("services", []), ("nodes", []), ("pods", [POD | {"status": {}}])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"items": items}))
    kubectl.write_text(
        '#!/bin/sh\necho "$0 said this" >&2\n'
        f'case "$*" in *services*) f=services;; *nodes*) f=nodes;; *) f=pods;; esac\ncat {tmp_path}/$f.json\n'
    )
    # Uninstalls and says so in the file.
    helm.write_text(
        "#!/bin/sh\ncase $1 in"
        """ history) echo '[{"revision": 1, "status": "deployed", "chart": "twister2-job-0.1.0"}]';;"""
        f" uninstall) echo gone > {tmp_path}/done;; esac\n"
    )
    for program in (kubectl, helm):
        program.chmod(0o755)
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "HELM_NAMESPACE": "data", "HELM_BIN": str(helm),
        "t": COMMAND, "TWISTER2_JOB_KUBECTL": str(kubectl), "PYTHONPATH": SOURCE,
    }  # fmt: skip

    def runner(line, **more):
        return subprocess.run(
            ["bash", "-c", line], env=env | more, capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return runner


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&-", "2>/dev/full"])
def test_messages_never_get_into_the_output(shell, closed):
    told = shell(f"$t address job -o json {closed}")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["job"] == "job"
    refused = shell(f"$t install Job {closed}")
    assert refused.returncode == 6 and not refused.stdout


@pytest.mark.parametrize(
    "words", ["address job", "address job -o json", "chart", "--help", "--version", "address --help"]
)
@pytest.mark.parametrize(("to", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")])
def test_an_output_that_cannot_be_written_is_told(shell, words, to, why):
    told = shell(f"$t {words} {to}")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.splitlines()[-1] == f"twister2-job: the output can't be written: {why}."
    assert "fault" not in told.stderr and "Traceback" not in told.stderr and "Exception" not in told.stderr


def test_all_streams_closed_is_no_crash(shell):
    assert shell("$t address job <&- >&- 2>&-").returncode == 1
    assert shell("$t uninstall job <&- >&- 2>&-").returncode == 0


@pytest.mark.parametrize("to", [">/dev/full", ">&-", "2>/dev/full", "2>&-"])
def test_the_work_is_done_where_nothing_can_be_said(shell, to, tmp_path):
    told = shell(f"$t uninstall job {to}")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "done").read_text() == "gone\n"


def test_a_reader_that_has_enough_is_no_error(shell):
    told = shell("set -o pipefail; $t address --help | head -1")
    assert told.returncode == 0 and not told.stderr and told.stdout.startswith("usage")


def test_a_change_goes_on_without_its_output(shell):
    code = """
import sys
from twister2_job import __main__
from twister2_job.cli import loop
def run(act, arguments):
    for _ in range(3):
        print('x' * 100000, flush=True)
    print('worked', file=sys.stderr)
    return 0
loop.run = run
sys.exit(__main__.main([sys.argv[1], 'job']))
"""
    for command, goes_on in (("install", True), ("submit", True), ("address", False)):
        told = shell(f'{sys.executable} -c "$code" {command} >/dev/full', code=code)
        assert told.returncode == 1 and ("worked" in told.stderr) is goes_on, told.stderr
        assert "can't be written" in told.stderr and ("is done" in told.stderr) is goes_on
        told = shell(f'set -o pipefail; {sys.executable} -c "$code" {command} | true', code=code)
        assert told.returncode == 0 and ("worked" in told.stderr) is goes_on, told.stderr


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1", "utf-8:strict"])
def test_letters_that_the_encoding_lacks_are_spelt_out(shell, encoding):
    code = """
from twister2_job import __main__
from twister2_job.cli import loop
loop.run = lambda act, arguments: print(arguments.name) or 0
__main__.main(['status', '\\u4e16\\udcff'])
"""
    told = shell(f'{sys.executable} -c "$code"', code=code, PYTHONIOENCODING=encoding)
    assert "udcff" in told.stdout and not told.stderr
    refused = shell("$t install $'\\xe4\\xb8\\x96\\xff'", PYTHONIOENCODING=encoding)
    assert refused.returncode == 6 and "fault" not in refused.stderr


def test_exit_codes_of_programs_are_seen_where_the_end_of_children_is_ignored(shell):
    told = shell("trap '' CHLD; exec $t address job -o json")
    assert told.returncode == 0 and json.loads(told.stdout)["job"] == "job", told.stderr


def test_ctrl_c_given_several_times_shows_no_traceback(shell, tmp_path):
    (tmp_path / "kubectl").write_text('#!/bin/sh\ntouch "$STARTED"\nexec sleep 60\n')
    for number in range(12):
        line, started = "trap - INT; exec $t address job", tmp_path / f"started-{number}"
        process = subprocess.Popen(
            ["bash", "-c", line],
            start_new_session=True,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "t": COMMAND,
                "STARTED": str(started),
                "HOME": str(tmp_path),
                "TWISTER2_JOB_KUBECTL": str(tmp_path / "kubectl"),
                "PYTHONPATH": SOURCE,
            },
        )
        while not started.exists():
            time.sleep(0.01)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.01 * number)
        _, told = process.communicate(timeout=20)
        assert process.returncode == 130 and told.count("\n") == 1 and "interrupted" in told, told
