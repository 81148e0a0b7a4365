"""The files of Helm's value options: real pipes, FIFOs, terminals and `<(...)`, and the real Helm that gets them."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time

import pytest
from twister2_job.clients import value_files as module
from twister2_job.clients.connection import Connection
from twister2_job.clients.helm import Helm
from twister2_job.clients.value_files import LIMIT, check_kubeconfig, take
from twister2_job.errors import NoClusterError, OutOfTimeError, ValuesError

from tests.conftest import CHART, OLDEST_AND_NEWEST, helm_path, run

PROGRAM = """
import asyncio, json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
from twister2_job.errors import JobError
from twister2_job.clients.value_files import take
try:
    with asyncio.run(take(sys.argv[1:])) as inputs:
        content = [open(f"/dev/fd/{number}").read() for number in inputs.descriptors]
        print(json.dumps([inputs.arguments, content, inputs.shown(" ".join(inputs.arguments))]))
except JobError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def shell(text, folder, **options):
    """Run a line of bash in which `take ARGUMENTS` is the program; return what that printed."""
    environment = {**os.environ, "PROGRAM": PROGRAM, "PYTHON": sys.executable}
    text = f'take() {{ "$PYTHON" -c "$PROGRAM" "$@"; }}\n{text}'
    result = run("bash", "-c", text, cwd=folder, env=environment, timeout=60, **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def pipe(content):
    """Return the reading end of a pipe that holds `content` and is closed."""
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return reader


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("instances: 1\n")
    (tmp_path / "b,c.yaml").write_text("instances: 2\n")
    (tmp_path / "binary").write_bytes(b"a: 1\n\x00\xff")
    os.mkfifo(tmp_path / "fifo")
    return tmp_path


# What can be read only once.


@pytest.mark.parametrize(
    ("line", "arguments", "content"),
    [
        ("printf 'a: 1' | take -f -", ["-f", "/dev/fd/20"], ["a: 1"]),
        ("printf 'a: 1' | take -f /dev/stdin", ["-f", "/dev/fd/20"], ["a: 1"]),
        ("printf 'a: 1' | take --values=-", ["--values=/dev/fd/20"], ["a: 1"]),
        ("printf 'a: 1' | take -f=/proc/self/fd/0", ["-f=/dev/fd/20"], ["a: 1"]),
        ("ln -s /dev/stdin l; printf 'a: 1' | take -fl", ["-f/dev/fd/20"], ["a: 1"]),
        ("take -f a.yaml,<(echo a: 1)", ["-f", "a.yaml,/dev/fd/20"], ["a: 1\n"]),
        ("take -f <(echo 1) --set-file=k=<(echo 2)", ["-f", "/dev/fd/20", "--set-file=k=/dev/fd/21"], ["1\n", "2\n"]),
        ("(echo a: 1; sleep 0.3; echo b: 2) >fifo & take -f fifo", ["-f", "/dev/fd/20"], ["a: 1\nb: 2\n"]),
        ("(echo a: 1; sleep 0.3; echo b: 2) | take -f -", ["-f", "/dev/fd/20"], ["a: 1\nb: 2\n"]),
        ("printf 'a: 1' >fifo & take -f - <fifo", ["-f", "/dev/fd/20"], ["a: 1"]),
        ("sleep 0.3 >fifo & take -f fifo", ["-f", "/dev/fd/20"], [""]),
        ("take -f - <a.yaml", ["-f", "/dev/fd/20"], ["instances: 1\n"]),
        ("(read -n 5; take -f -) <a.yaml", ["-f", "/dev/fd/20"], ["nces: 1\n"]),
        ("take -f /dev/stdin <<<'a: 1'", ["-f", "/dev/fd/20"], ["a: 1\n"]),
        ("take -f - </dev/null", ["-f", "/dev/fd/20"], [""]),
        ("printf 'a: 1' | take -f-,/dev/stdin --set-file=k=-", ["-f/dev/fd/20,/dev/fd/20", "--set-file=k=/dev/fd/20"],
         ["a: 1"]),
        ("printf x | take --set-file 'a[0].b\\.c={a.yaml,-},k=b\\,c.yaml'",
         ["--set-file", "a[0].b\\.c={a.yaml,/dev/fd/20},k=b\\,c.yaml"], ["x"]),
    ],
)  # fmt: skip
def test_what_can_be_read_only_once_is_read_and_can_be_opened_again(folder, line, arguments, content):
    assert shell(line, folder)[:2] == [arguments, content]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "a.yaml", "--values=a.yaml", "-fa.yaml", '-f="b,c.yaml",a.yaml', "-f", "/dev/null"],
        ["-f", "https://example.org/a.yaml,s3://bucket/-", "--set-file=k=https://example.org/a", "--set-file", "k="],
        ["--set", "-f", "--set-string", "a=/dev/stdin", "--set-json", "--set-file", "--set-literal=-", "-f"],
        ["--reuse-values", "--set-file", "no key", "--", "-f", "-"],
        ["-f", ""],
    ],
)
def test_all_else_stays_as_it_is(folder, arguments):
    with asyncio.run(take(arguments)) as taken:
        assert taken.arguments == arguments and taken.descriptors == ()


def test_messages_have_the_users_own_words(folder):
    shown = shell("printf 1 | take -f - --set-file k=<(echo 2)", folder)[2]
    assert shown.startswith("-f - --set-file k=/dev/fd/6")
    reader = pipe(b"a: 1")
    with asyncio.run(take(["-f", f"/dev/fd/{reader}"])) as taken:
        number = taken.descriptors[0]
        assert (
            taken.shown(f"open /dev/fd/{number}: no, /dev/fd/{number}1")
            == f"open /dev/fd/{reader}: no, /dev/fd/{number}1"
        )
    os.close(reader)


def test_a_terminal_is_read_until_its_end(folder):
    primary, secondary = pty.openpty()
    os.write(primary, b"a: 1\nb: 2\n\x04")
    assert shell("take -f -", folder, stdin=secondary)[1] == ["a: 1\nb: 2\n"]
    os.close(primary)
    os.close(secondary)


def test_a_socket_as_standard_input(folder):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"a: 1")
        ours.shutdown(socket.SHUT_WR)
        assert shell("take -f -", folder, stdin=theirs)[1] == ["a: 1"]


def test_what_was_read_before_is_not_taken_for_empty(folder):
    reader = pipe(b"a: 1")
    asyncio.run(take(["-f", f"/dev/fd/{reader}"])).close()
    with pytest.raises(ValuesError, match="has been read already, and can be read only once"):
        asyncio.run(take(["-f", f"/dev/fd/{reader}"]))
    os.close(reader)


# What Helm makes of it.


def template(version, taken):
    command = [helm_path(version), "template", "job", str(CHART), *taken.arguments]
    return subprocess.Popen(
        command, pass_fds=taken.descriptors, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_helm_reads_it_in_every_run_also_side_by_side(version):
    values, text = pipe(b"instances: 7\nenv:\n- {name: A}\n"), pipe(b"some text")
    with asyncio.run(take(["-f", f"/dev/fd/{values}", f"--set-file=env[0].value=/dev/fd/{text}"])) as taken:
        for processes in ([template(version, taken), template(version, taken)], [template(version, taken)]):
            for process in processes:
                out, err = process.communicate(timeout=60)
                assert "  replicas: 7\n" in out and "some text" in out, err
    os.close(values)
    os.close(text)


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_the_words_in_helms_own_message_are_put_back(version):
    values = pipe(b"instances: [")
    with asyncio.run(take(["-f", f"/dev/fd/{values}"])) as taken:
        _, err = template(version, taken).communicate(timeout=60)
        assert f"failed to parse /dev/fd/{values}:" in taken.shown(err), err
    os.close(values)


def test_on_other_systems_each_mention_has_a_file_without_a_name(monkeypatch):
    """And a pipe that can't be opened anew, of another user's for example, is read as it is."""
    monkeypatch.setattr(sys, "platform", "freebsd")
    values = pipe(b"instances: 7\n" * 3_000)
    with asyncio.run(take(["-f", f"/dev/fd/{values}", "-f", f"/dev/fd/{values}"])) as taken:
        assert len(taken.descriptors) == 2
        assert taken.arguments == [word for number in taken.descriptors for word in ("-f", f"/dev/fd/{number}")]
        for number in taken.descriptors:
            assert os.fstat(number).st_nlink == 0
            assert os.read(number, 2**20) == b"instances: 7\n" * 3_000
    os.close(values)


def test_each_helm_finds_its_values_at_their_beginning(monkeypatch):
    """On systems where opening /dev/fd/N does not begin anew: here what another has read is read by hand."""
    monkeypatch.setenv("HELM_BIN", helm_path(OLDEST_AND_NEWEST[-1]))
    helm = Helm(Connection())
    values = pipe(b"instances: 7\n")
    with asyncio.run(take(["-f", f"/dev/fd/{values}"])) as taken:
        (number,) = helm.descriptors = taken.descriptors
        os.read(number, 2**20)
        assert os.lseek(number, 0, os.SEEK_CUR)
        asyncio.run(helm.template("job", CHART, taken.arguments, upgrade=False))
        assert os.lseek(number, 0, os.SEEK_CUR) == 0
    os.close(values)


def test_what_helm_does_not_inherit_is_gone_with_the_block(folder):
    before = sorted(os.listdir("/proc/self/fd"))
    reader = pipe(b"a: 1")
    with asyncio.run(take(["-f", f"/dev/fd/{reader}"])) as taken:
        assert not os.get_inheritable(taken.descriptors[0])
    os.close(reader)
    with pytest.raises(ValuesError):
        asyncio.run(take(["--set-file", f"k=/dev/fd/{pipe(b'x')}", "-f", "missing"]))
    with pytest.raises(ValuesError):
        asyncio.run(take(["-f", "binary"]))
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1  # The pipe of the test's own.


# What is refused.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("take -f - <&-", "The values file - (standard input) can't be read: standard input is closed."),
        ("take -f /dev/stdin <&-", "standard input is closed"),
        ("take -f /dev/fd/77", "descriptor 77 is closed"),
        ("for n in 3 4 5 6 7; do take -f /dev/fd/$n >last; done; cat last", "descriptor 7 is closed"),
        ("take -f /dev/zero", "The values file /dev/zero is a device. Give a file or a pipe."),
        ("take -f /dev/full", "is a device"),
        ("take -f - </dev/urandom", "- (standard input) is a device"),
        ("take --set-file k=/dev/zero", "The file of --set-file /dev/zero is a device."),
        ("take -f .", "The values file . is a folder."),
        ("take --set-file k=/tmp", "is a folder"),
        ("yes | take -f -", "has more than 16 MiB."),
        ("take -f <(cat /dev/zero)", "has more than 16 MiB."),
        ("yes >fifo & take --set-file k=fifo", "has more than 16 MiB."),
        ("many() { yes '#' | head -c 9000000; }; take -f <(many) -f <(many)", "have more than 16 MiB together."),
        ("truncate -s 10G big; take -f big", "The values file big has more than 16 MiB."),
        ("truncate -s 10G big; take --set-file k=big", "The file of --set-file big has more than 16 MiB."),
        ("take -f missing.yaml", "There is no values file at missing.yaml. Check the path."),
        ("take -f a.yaml/x", "There is no values file at a.yaml/x."),
        ("take -f b,c.yaml", "There is no values file at b. Check the path: a comma ends it."),
        ("take -f ,a.yaml", "There is no values file at ''."),
        ("take --set-file k=missing", "There is no file of --set-file at missing."),
        ("ln -s loop loop; take -f loop", "can't be read: Too many levels of symbolic links."),
        ("take -f $(printf 'a%.0s' {1..300})", "File name too long"),
        ("take -f binary", "The values file binary is no text in YAML: line 2 holds the byte 0x00."),
        ("take -f - <binary", "- (standard input) is no text in YAML"),
        ("take -f <(printf 'a: \\xe9')", "line 1 holds the byte 0xe9"),
        ("take -f 'a\"b.yaml'", "is no list of paths"),
        ("take -f $'-\\n' </dev/null", "is no list of paths"),
        ("take -f /dev/stdout | cat", "is open for writing only"),
    ],
)  # fmt: skip
def test_what_has_no_content_with_an_end_is_refused_in_a_sentence(folder, line, said):
    kind, told = shell(line, folder)
    assert kind == "ValuesError" and said in told, told


def test_binary_content_is_taken_where_it_is_no_values(folder):
    with asyncio.run(take(["--set-file", "k=binary"])) as taken:
        assert taken.arguments == ["--set-file", "k=binary"]


def test_a_socket_by_its_path(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(ValuesError, match="is a socket"):
            asyncio.run(take(["-f", "socket"]))


def test_no_room_and_no_descriptor_left(folder, monkeypatch):
    monkeypatch.setattr(module, "LOWEST", 10**9)
    reader = pipe(b"a: 1")
    with pytest.raises(ValuesError, match="can't be kept for Helm: Invalid argument"):
        asyncio.run(take(["-f", f"/dev/fd/{reader}"]))
    os.close(reader)


def test_the_bound_is_exact(folder):
    (folder / "most").write_bytes(b"#" * LIMIT)
    with asyncio.run(take(["-f", "most"])):
        pass
    (folder / "more").write_bytes(b"#" * (LIMIT + 1))
    with pytest.raises(ValuesError, match="has more than 16 MiB"):
        asyncio.run(take(["-f", "more"]))


# Nobody waits for ever.


def test_a_fifo_without_a_writer_ends_with_the_time(folder):
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match="The values file fifo did not come to its end in time"):
        asyncio.run(take(["-f", "fifo"], deadline=began + 0.3))
    assert 0.3 <= time.monotonic() - began < 2


def test_a_socket_that_says_nothing_ends_with_the_time():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.set_inheritable(True)
        with pytest.raises(OutOfTimeError):
            asyncio.run(take(["-f", f"/dev/fd/{theirs.fileno()}"], deadline=time.monotonic() + 0.3))


def test_a_writer_that_never_closes_ends_with_the_time_and_the_loop_goes_on(folder):
    async def both():
        ticks = 0
        work = asyncio.ensure_future(take(["-f", "fifo"], deadline=time.monotonic() + 0.5))
        while not work.done():
            ticks += 1
            await asyncio.sleep(0.01)
        with pytest.raises(OutOfTimeError):
            await work
        return ticks

    writer = os.open("fifo", os.O_RDWR)
    os.write(writer, b"a: 1\n")
    assert asyncio.run(both()) > 20
    os.close(writer)


def test_a_cancellation_ends_it_and_leaves_nothing_open(folder):
    async def cancelled():
        work = asyncio.ensure_future(take(["-f", "a.yaml", "-f", "fifo"]))
        await asyncio.sleep(0.2)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    before = os.listdir("/proc/self/fd")
    asyncio.run(cancelled())
    assert os.listdir("/proc/self/fd") == before


def has_open(pid, name):
    """Tell whether a process has a file of this name open; it opens and closes others meanwhile."""
    for number in range(20):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{number}").endswith(name):
                return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(folder, number):
    text = PROGRAM.replace("asyncio.run(take(sys.argv[1:]))", "asyncio.run(until_signalled(take(sys.argv[1:])))")
    text = f"from twister2_job.clients.signals import until_signalled\n{text}"
    process = subprocess.Popen([sys.executable, "-c", text, "-f", "fifo"], stderr=subprocess.PIPE)
    until = time.monotonic() + 20
    while not has_open(process.pid, "fifo"):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode != 0 and (number == signal.SIGTERM or b"KeyboardInterrupt" in err)


# The kubeconfig, which every program of a command reads.


def test_a_kubeconfig_that_can_be_read_only_once_is_refused(folder, monkeypatch):
    reader = pipe(b"apiVersion: v1")
    for path in ("fifo", f"/dev/fd/{reader}", "/dev/stdin", "-"):
        with pytest.raises(NoClusterError, match=r"can be read only once, .* Write it to a file"):
            check_kubeconfig(path)
    monkeypatch.setenv("KUBECONFIG", "missing:a.yaml:fifo")
    with pytest.raises(NoClusterError, match=r"The kubeconfig fifo can be read only once.*KUBECONFIG"):
        check_kubeconfig()
    os.close(reader)


def test_a_kubeconfig_that_is_none(folder, monkeypatch):
    missing = "There is no kubeconfig at missing. Check --kubeconfig"
    for path, said in ((".", "is a folder"), ("missing", missing), ("/dev/zero", "is a device")):
        with pytest.raises(NoClusterError, match=said):
            check_kubeconfig(path)
    for value in ("", "missing", "a.yaml:missing", "/dev/null"):
        monkeypatch.setenv("KUBECONFIG", value)
        check_kubeconfig()
        check_kubeconfig("a.yaml")
