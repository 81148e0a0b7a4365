"""How programs are run and ended: real processes, with the faults that Helm and kubectl can have."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import twister2_job
from twister2_job.clients import process as process_module
from twister2_job.clients import process_sync
from twister2_job.clients.process import run, stop, stream
from twister2_job.clients.process_sync import running

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(twister2_job.__file__).parent.parent)}
HEAD = """
import asyncio, os, signal, sys, time
from twister2_job.clients import process, signals
from twister2_job.clients.process_sync import running
SLEEP = ["sh", "-c", "echo $$ >> $0; exec sleep 600", sys.argv[1]]
"""
WAYS = {
    "run": "asyncio.run(process.run(SLEEP, lasting=True))",
    "bound": """
from twister2_job.clients import children
children._leash = lambda *_: None  # As in the instant before it.
asyncio.run(process.run(SLEEP, lasting=True))
""",
    "stream": """
async def main():
    async with process.stream(SLEEP) as one, process.stream(SLEEP) as two:
        await asyncio.gather(one.read(), two.read())
asyncio.run(main())
""",
    "session": """
async def main():
    group = ["sh", "-c", "sleep 600 & echo $! >> $0; echo $$ >> $0; wait", sys.argv[1]]
    child = process.Process(group, session=True, lasting=True)
    await child.wait()
asyncio.run(main())
""",
    "read": "asyncio.run(process.run(SLEEP))",
    "running": "with running([SLEEP, SLEEP], timeout=600) as results: results()",
}
COUNT = {"run": 1, "bound": 1, "stream": 2, "session": 2, "read": 1, "running": 2}


def run_all(commands, **options):
    """Return what commands left that run side by side."""
    with running(commands, **options) as results:
        return results()


def alive(pid):
    """Tell whether a process runs; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(what, seconds=10):
    """Wait until `what()` is true; fails if it never is."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return value


def start(code, place, **options):
    """Run code in a Python of its own and return it with the IDs of the children that it writes to `place`."""
    options = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([sys.executable, "-c", HEAD + code, str(place)], **options)


def children(place, count):
    """Return the IDs of `count` children that have written themselves down."""
    return until(lambda: len(pids := place.read_text().split() if place.exists() else []) >= count and pids)


def end(parent):
    """End a process of a test and close its pipes."""
    parent.kill()
    parent.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends children with their parent")
@pytest.mark.parametrize("way", WAYS)
def test_children_end_with_a_parent_that_is_killed(way, tmp_path):
    for attempt in range(5):
        place = tmp_path / f"pids-{attempt}"
        parent = start(WAYS[way], place)
        pids = children(place, COUNT[way])
        if way in ("session", "read", "running"):
            time.sleep(0.3)  # What only reads, or is a child's child, may be without a leash when it has just started.
        parent.kill()
        parent.communicate()
        until(lambda pids=pids: not any(map(alive, pids)), 2)


@pytest.mark.parametrize("way", ["run", "stream", "running"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_children_end_with_a_parent_that_is_told_to_end(way, number, tmp_path):
    code = re.sub(r"asyncio\.run\((.*)\)$", r"asyncio.run(signals.until_signalled(\1))", WAYS[way], flags=re.M)
    code = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n{code}"
    parent = start(code, tmp_path / "pids")
    try:
        pids = children(tmp_path / "pids", COUNT[way])
        time.sleep(0.05)  # So that the parent is where it waits.
        parent.send_signal(number)
        parent.wait(10)
        assert not any(map(alive, pids))
    finally:
        end(parent)


def test_a_childs_end_does_not_wait_for_those_who_hold_its_outputs():
    began = time.monotonic()
    holder = "sleep 60 & echo $!; echo last >&2; exit 7"
    done = asyncio.run(run(["sh", "-c", holder]))
    (again,) = run_all([["sh", "-c", holder]], timeout=30)
    for left in (done, again):
        os.kill(int(left.out), signal.SIGKILL)
        assert (left.code, left.err) == (7, "last\n")
    assert time.monotonic() - began < 8


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace():
    async def hung():
        await run(["sh", "-c", "trap '' TERM; echo $$ > /dev/null; while :; do sleep 0.1; done"], timeout=0.5, grace=1)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(hung())
    assert 1.4 < time.monotonic() - began < 5
    assert process_module.GRACE <= 5


def test_what_a_child_does_after_sigterm_is_waited_for(tmp_path):
    mark = tmp_path / "mark"
    # More than a pipe holds: who is being ended may still print, and must not wait for a reader.
    code = f"trap 'head -c 300000 /dev/zero; echo done > {mark}; exit 1' TERM; echo x; while :; do sleep 0.05; done"
    with pytest.raises(TimeoutError):
        asyncio.run(run(["sh", "-c", code], timeout=0.5))
    assert mark.read_text() == "done\n"


@pytest.mark.parametrize("which", ["", " >&2"])
def test_a_program_that_prints_for_ever_is_ended_with_a_sentence(which, monkeypatch):
    monkeypatch.setattr(process_module, "MOST", 2**20)
    monkeypatch.setattr(process_sync, "MOST", 2**20)
    endless = ["sh", "-c", f"exec yes{which}"]
    with pytest.raises(OSError, match="printed more than"):
        asyncio.run(run(endless, timeout=60))
    with pytest.raises(OSError, match="printed more than"):
        run_all([["true"], endless], timeout=60)


def test_inputs_of_any_size_and_kind_arrive():
    async def work():
        big = "ä" * 2_000_000
        assert (await run(["cat"], stdin=big)).out == big
        assert (await run(["cat"], stdin=b"\xff")).out == "\ufffd"
        assert (await run(["cat"], stdin="")).out == ""
        assert (await run(["true"], stdin=big)).code == 0  # Nobody reads it.
        assert (await run(["cat"])).out == ""

    asyncio.run(work())


def test_descriptors_are_handed_on_and_each_opening_begins_at_the_start(tmp_path):
    (tmp_path / "file").write_text("text")
    with open(tmp_path / "file") as file:
        number = file.fileno()
        read = ["sh", "-c", f"cat /dev/fd/{number}; cat /dev/fd/{number}"]
        assert asyncio.run(run(read, pass_fds=(number,))).out == "texttext"
        assert [left.out for left in run_all([read, read], timeout=9, pass_fds=(number,))] == ["texttext"] * 2
        assert asyncio.run(run(read)).code != 0 and not os.get_inheritable(number)


def test_nothing_is_left_open():
    async def work():
        for _ in range(5):
            await run(["cat"], stdin="x")
            async with stream(["yes"]) as reader:
                await reader.readline()
            with pytest.raises(OSError):
                await run(["/not/there"])
            with pytest.raises(TimeoutError):
                await run(["sleep", "9"], timeout=0.01)
            run_all([["true"], ["true"]], timeout=9)
            with pytest.raises(OSError):
                run_all([["sleep", "9"], ["/not/there"]], timeout=9)
        await asyncio.sleep(0.05)
        return set(os.listdir("/proc/self/fd"))

    async def both():
        return await work(), await work()

    first, second = asyncio.run(both())
    assert len(first) == len(second)
    with pytest.raises(ChildProcessError):  # Every child was collected.
        os.waitpid(-1, os.WNOHANG)


def test_reads_run_side_by_side_within_one_limit():
    began = time.monotonic()
    slow = ["sh", "-c", "sleep 0.7; echo $0", "a"]
    assert [left.out for left in run_all([slow, slow, ["echo", "b"]], timeout=9)] == ["a\n", "a\n", "b\n"]
    assert time.monotonic() - began < 1.3
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run_all([["sleep", "60"], ["true"]], timeout=0.3)
    assert time.monotonic() - began < 2


def test_reading_needs_neither_asyncio_nor_subprocess():
    code = """
import sys
from twister2_job.clients.process_sync import running
with running([["true"]], timeout=9) as results:
    print(results()[0].code, *sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert told.stdout.startswith("0 ") and not {"asyncio", "subprocess"} & set(told.stdout.split())


def test_a_child_can_wait_for_children_of_its_own_also_where_we_ignore_ours(tmp_path):
    child = "import subprocess; print(subprocess.run(['sh', '-c', 'exit 3']).returncode)"
    code = f"""
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print(asyncio.run(process.run([sys.executable, "-c", {child!r}])).out)
"""
    parent = start(code, tmp_path)
    assert parent.communicate(timeout=30)[0].split() == ["3"]


UNDOING = """
async def work():
    try:
        await process.run(SLEEP)
    finally:
        await asyncio.sleep(1)
        print("undone", flush=True)
try:
    asyncio.run(signals.until_signalled(work()))
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_cut_the_undoing_short(second, tmp_path):
    parent = start(UNDOING, tmp_path / "pids")
    try:
        pids = children(tmp_path / "pids", 1)
        parent.send_signal(signal.SIGINT)
        for _ in range(4):
            time.sleep(0.2)
            parent.send_signal(second)
        assert parent.communicate(timeout=10)[0] == "undone\n" and parent.returncode == 130
        assert not any(map(alive, pids))
    finally:
        end(parent)


def test_what_does_not_end_after_a_signal_is_left_and_its_children_are_killed(tmp_path):
    code = """
signals.ENDING = 1
async def work():
    child = process.Process(SLEEP)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
asyncio.run(signals.until_signalled(work()))
"""
    parent = start(code, tmp_path / "pids")
    try:
        pids = children(tmp_path / "pids", 1)
        time.sleep(0.05)
        parent.send_signal(signal.SIGTERM)
        assert "did not end" in parent.communicate(timeout=10)[1] and parent.returncode == 143
        until(lambda: not any(map(alive, pids)), 2)
    finally:
        end(parent)


def test_a_stopped_process_is_gone_when_stop_returns():
    async def work():
        child = process_module.Process(["sleep", "600"])
        await child.connect()
        await stop(child)
        gone = not alive(child.pid)
        child.close()
        return gone

    assert asyncio.run(work())


def test_where_children_cannot_be_spawned_they_run_without_a_leash(monkeypatch):
    for module in (process_module, process_sync):
        monkeypatch.setattr(module, "CAN_SPAWN", False)

    async def work():
        done = await run(["sh", "-c", "cat; exit 4"], stdin="in")
        async with stream(["yes"]) as reader:
            line = await reader.readline()
        with pytest.raises(TimeoutError):
            await run(["sleep", "60"], timeout=0.2)
        return done.code, done.out, line

    assert asyncio.run(work()) == (4, "in", b"y\n")
    assert [left.out for left in run_all([["echo", "a"], ["echo", "b"]], timeout=9)] == ["a\n", "b\n"]
    with pytest.raises(TimeoutError):
        run_all([["sleep", "60"]], timeout=0.2)
