"""The jar of a job: what is refused, how it is cut and sent, and what is removed. kubectl is a script here."""

import asyncio
import base64
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import zipfile

import pytest
from twister2_job.clients.connection import Connection
from twister2_job.clients.kubectl import Kubectl
from twister2_job.errors import BusyError, NoRightsError, OutOfTimeError, UsageError
from twister2_job.release import run_mark
from twister2_job.release.run_mark import RUN, TIMEOUT
from twister2_job.release.storage import rows
from twister2_job.twister2 import jar
from twister2_job.twister2.jar import PIECE, Pieces, present, remove_leftovers

from tests.conftest import run

CLASS = "org.example.Main"
MARK = run_mark.new(60)


def write(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return str(path)


def read_jar(*arguments, **options):
    return asyncio.run(jar.read_jar(*arguments, **options))


def silent(text):
    raise AssertionError(text)


def test_a_jar_with_the_class_is_taken_without_a_word(tmp_path):
    path = write(tmp_path / "a.jar", "org/example/Main.class")
    assert read_jar(path, CLASS, silent) == (tmp_path / "a.jar").read_bytes()


def test_a_class_that_is_not_in_the_jar_is_told(tmp_path):
    said = []
    read_jar(write(tmp_path / "a.jar", "META-INF/MANIFEST.MF"), CLASS, said.append)
    assert len(said) == 1 and CLASS in said[0] and "must be in the image" in said[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("job.py", b"print()", "Python jobs don't run on Kubernetes"),
        ("job.pyz", b"print()", "Python jobs don't run on Kubernetes"),
        ("a.jar", b"no zip at all", "is no jar"),
        ("a.jar", b"", "is no jar"),
        ("a.jar", None, "There is no jar at"),
    ],
)
def test_what_is_no_jar_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_jar(str(tmp_path / name), CLASS, silent)


@pytest.mark.parametrize(
    ("names", "said"), [(["job.py", "lib/a.py"], "Python jobs don't run"), (["readme.txt"], "holds no class")]
)
def test_a_zip_without_classes_is_refused(tmp_path, names, said):
    with pytest.raises(UsageError, match=said):
        read_jar(write(tmp_path / "a.zip", *names), CLASS, silent)


@pytest.mark.parametrize(
    ("path", "said"), [(".", "is a folder"), ("/dev/full", "is a device"), ("~nobody/x", "no jar at")]
)
def test_a_path_that_is_no_file_is_called_what_it_is(path, said):
    with pytest.raises(UsageError, match=said):
        read_jar(path, CLASS, silent)


def test_a_jar_that_is_too_large_names_its_remedy(tmp_path):
    path = tmp_path / "a.jar"
    with path.open("wb") as file:
        file.truncate(jar.LIMIT + 1)
    with pytest.raises(UsageError, match=r"more than 16 MiB, the most that ConfigMaps are for\. .*URL"):
        read_jar(str(path), CLASS, silent)
    assert len(asyncio.run(jar.read(str(path), "package", "", limit=2**30))) == jar.LIMIT + 1
    with pytest.raises(UsageError, match=r"The package .* has more than 1024 MiB\. Do that"):
        os.truncate(path, 2**30 + 1)
        asyncio.run(jar.read(str(path), "package", "Do that.", limit=2**30))


SUBMIT = """
run() { ulimit -v 2000000; timeout --preserve-status "$@" 2>&1; echo $?; }
submit() { run 20 "$PYTHON" -m twister2_job submit job "$@" --class org.example.Main; }
submit_until() { run -s "$1" 4 "$PYTHON" -m twister2_job submit job "$2" --class org.example.Main; }
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("submit - <a.jar", "fails as it was told"),
        ("cat a.jar | submit -", "fails as it was told"),
        ("submit <(cat a.jar)", "fails as it was told"),
        ("mkfifo fifo; cat a.jar >fifo & submit fifo", "fails as it was told"),
        ("submit - </dev/null", "- is no jar"),
        ("submit - <&-", "(standard input) can't be read: standard input is closed. Give a file or a pipe.\n2\n"),
        ("yes | submit -", "The jar - (standard input) has more than 16 MiB, the most that ConfigMaps are for."),
        ("submit <(yes)", "has more than 16 MiB"),
        ("submit /dev/full", "The jar /dev/full is a device. Give a file or a pipe.\n2\n"),
        ("submit - </dev/zero", "The jar - (standard input) is a device."),
        ("mkfifo fifo; submit_until INT fifo", "interrupted"),
        ("mkfifo fifo; submit_until TERM fifo", "143\n"),
    ],
)  # fmt: skip
def test_a_jar_from_a_pipe_is_read_once_and_within_its_bound(tmp_path, line, said):
    """Up to the first thing that needs a cluster: Helm and kubectl are scripts that only fail."""
    write(tmp_path / "a.jar", "org/example/Main.class")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho Error: fails as it was told >&2; exit 1\n")
    program.chmod(0o755)
    environment = {
        **os.environ,
        "HELM_BIN": str(program),
        "TWISTER2_JOB_KUBECTL": str(program),
        "PYTHON": sys.executable,
    }
    result = run("bash", "-c", SUBMIT + line, cwd=tmp_path, env=environment, timeout=60)
    assert said in result.stdout and "fault of twister2-job" not in result.stdout


def test_a_pipe_that_nobody_writes_to_ends_with_the_time(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OutOfTimeError, match=r"The jar .*fifo did not come to its end in time"):
        read_jar(str(tmp_path / "fifo"), CLASS, silent, deadline=time.monotonic() + 0.2)


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_jar_is_refused_or_taken_but_breaks_nothing(tmp_path, seed):
    path = tmp_path / "a.jar"
    write(path, *(f"org/example/C{n}.class" for n in range(5)))
    good, chance = path.read_bytes(), random.Random(seed)
    for _ in range(200):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            read_jar(str(path), CLASS, lambda text: None)
        except UsageError as error:
            assert "is no jar" in str(error)


# Sending: each kubectl leaves its command line and what it read.

SCRIPT = """#!/bin/sh
folder="{folder}"
n=$(mktemp -u XXXXXXXX)
echo "$*" >>"$folder/runs"
case "$1" in
  create) cat >"$folder/sent.$n"; . "$folder/create";;
  get) cat "$folder/$2";;
  delete|patch) . "$folder/$1";;
esac
"""


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl that does as told; `runs()` are its command lines, `sent()` what it was given to create."""

    class Fake(Kubectl):
        def does(self, verb, script):
            (tmp_path / verb).write_text(script)

        def runs(self, verb):
            lines = (tmp_path / "runs").read_text().splitlines() if (tmp_path / "runs").exists() else []
            return [line for line in lines if line.startswith(verb)]

        def sent(self):
            return [json.loads(path.read_text()) for path in tmp_path.glob("sent.*")]

    path = tmp_path / "kubectl"
    path.write_text(SCRIPT.format(folder=tmp_path))
    path.chmod(0o755)
    for verb in ("create", "delete", "patch", "configmaps", "service"):
        (tmp_path / verb).write_text("")
    monkeypatch.setenv("TWISTER2_JOB_KUBECTL", str(path))
    return Fake(Connection())


def test_pieces_hold_the_jar_in_order_and_no_command_line_does(kubectl):
    content = bytes(range(256)) * (3 * PIECE // 256) + b"rest"
    pieces = Pieces(kubectl, "job", content, MARK)
    asyncio.run(pieces.make())
    sent = sorted(kubectl.sent(), key=lambda one: one["metadata"]["name"])
    assert [one["metadata"]["name"] for one in sent] == pieces.names == [f"job-jar-{MARK.id}-{n}" for n in range(4)]
    assert b"".join(base64.b64decode(one["binaryData"]["jar"]) for one in sent) == content
    assert all(len(base64.b64decode(one["binaryData"]["jar"])) <= PIECE and one["immutable"] for one in sent)
    assert pieces.sha256 == hashlib.sha256(content).hexdigest()
    assert sent[3]["metadata"]["labels"] == {
        "app.kubernetes.io/name": "twister2-job",
        "app.kubernetes.io/instance": "job",
        "app.kubernetes.io/managed-by": "twister2-job",
        "twister2-job/jar": "3",
        **MARK.labels(),
    }
    assert set(kubectl.runs("create")) == {"create -f - -o name"}


def test_at_most_four_are_sent_side_by_side(kubectl, tmp_path):
    at = f"{tmp_path}/at"
    kubectl.does("create", f"touch {at}.$n; sleep 0.2; ls {at}.* | wc -l >>{tmp_path}/most; rm -f {at}.$n")
    asyncio.run(Pieces(kubectl, "job", bytes(10 * PIECE), MARK).make())
    counts = [int(line) for line in (tmp_path / "most").read_text().split()]
    assert len(counts) == 10 and 2 <= max(counts) <= 4


def test_a_refused_piece_is_an_error_and_all_are_removed(kubectl, tmp_path):
    refuse = "echo 'Error: configmaps is forbidden' >&2; exit 1"
    kubectl.does("create", f"if grep -q jar-{MARK.id}-1 {tmp_path}/sent.$n; then {refuse}; fi")
    pieces = Pieces(kubectl, "job", bytes(3 * PIECE), MARK)
    with pytest.raises(NoRightsError):
        asyncio.run(pieces.make())
    asyncio.run(pieces.remove())
    (line,) = kubectl.runs("delete")
    assert set(pieces.names) <= set(line.split()) and "--ignore-not-found" in line


def test_pieces_of_two_runs_never_meet(kubectl):
    mine, theirs = (Pieces(kubectl, "job", b"x", run_mark.new(60)) for _ in range(2))
    assert set(mine.names).isdisjoint(theirs.names)
    asyncio.run(mine.remove())
    assert not set(theirs.names) & set(kubectl.runs("delete")[0].split())


def test_the_jobs_service_becomes_the_owner(kubectl, tmp_path):
    (tmp_path / "service").write_text("the-uid")
    pieces = Pieces(kubectl, "job", bytes(2 * PIECE), MARK)
    asyncio.run(pieces.own())
    (line,) = kubectl.runs("patch")
    assert line.startswith(f"patch configmap {pieces.names[0]} {pieces.names[1]} --type=merge")
    owner = json.loads(line.partition("-p ")[2].partition(" -o name")[0])["metadata"]["ownerReferences"]
    assert owner == [{"apiVersion": "v1", "kind": "Service", "name": "job", "uid": "the-uid"}]


def row(name, age="3s", labels=None):
    return f"{name}   1   {age}   {','.join(f'{k}={v}' for k, v in (labels or {}).items()) or '<none>'}\n"


def leftovers(kubectl, said, monkeypatch, seconds=2.0):
    monkeypatch.setattr(jar, "DELETION_WAIT", seconds)
    found = asyncio.run(present(kubectl, "job"))
    asyncio.run(remove_leftovers(kubectl, "job", found, said.append))


def test_a_table_tells_names_labels_and_ages():
    found = rows(row("configmap/a", "2m5s", {"x": "y", "a/b": "c"}) + row("b", "3d4h"), 1_000_000.0)
    assert [(r.name, r.labels, r.since) for r in found] == [
        ("configmap/a", {"x": "y", "a/b": "c"}, 1_000_000.0 - 125),
        ("b", {}, 1_000_000.0 - 3 * 86400 - 4 * 3600),
    ]


def test_what_a_killed_submit_of_this_machine_left_is_removed_at_once(kubectl, tmp_path, monkeypatch):
    ended = subprocess.run(
        [sys.executable, "-c", "from twister2_job.release import run_mark; print(run_mark.new(300).text)"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (tmp_path / "configmaps").write_text(row("job-jar-7", labels={RUN: ended, TIMEOUT: "300"}))
    said = []
    leftovers(kubectl, said, monkeypatch)
    assert [line.split()[2] for line in kubectl.runs("delete")] == ["job-jar-7"]
    assert len(said) == 1 and "Removed the jar" in said[0]


def test_what_is_older_than_its_submit_could_take_is_removed(kubectl, tmp_path, monkeypatch):
    labels = {**MARK.labels(), RUN: MARK.text.replace(MARK.text.split(".")[1], "0" * 8)}
    (tmp_path / "configmaps").write_text(row("job-jar-7", "76s", labels))
    leftovers(kubectl, [], monkeypatch)
    assert len(kubectl.runs("delete")) == 1


def test_what_goes_by_itself_is_waited_for(kubectl, monkeypatch, tmp_path):
    """The pieces of a job that was just uninstalled, which Kubernetes collects."""
    (tmp_path / "configmaps").write_text(row("job-jar-7", labels=MARK.labels()))
    found = asyncio.run(present(kubectl, "job"))
    (tmp_path / "configmaps").write_text("")
    monkeypatch.setattr(jar, "DELETION_WAIT", 2.0)
    asyncio.run(remove_leftovers(kubectl, "job", found, lambda text: None))
    assert kubectl.runs("delete") == []


def test_pieces_of_somebody_who_goes_on_are_left_alone(kubectl, tmp_path, monkeypatch):
    (tmp_path / "configmaps").write_text(row("job-jar-0", labels=MARK.labels()))
    with pytest.raises(BusyError, match="Another submit of job is going on"):
        leftovers(kubectl, [], monkeypatch)
    (tmp_path / "configmaps").write_text(row("job-jar-0", "20m"))
    (tmp_path / "service").write_text("service/job")
    with pytest.raises(BusyError, match="not wholly uninstalled"):
        leftovers(kubectl, [], monkeypatch)
    assert kubectl.runs("delete") == []


def test_without_pieces_nobody_waits(kubectl):
    asyncio.run(remove_leftovers(kubectl, "job", [], silent))
    assert kubectl.runs("") == []
