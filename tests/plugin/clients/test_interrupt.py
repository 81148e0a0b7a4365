"""Ctrl-C while the Python API works: as quick in a notebook as in a script, and what was begun is undone."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from twister2_job.clients import interrupt
from twister2_job.clients.interrupt import run_sync

from tests.conftest import helm_path

# How the call is made: by a script, by a cell of a notebook (its loop runs), below asyncio.run (which
# handles Ctrl-C from Python 3.11 on), and by a cell with `await`, whose kernel has a handler of its own.
CALLERS = {
    "script": "call()",
    "cell": """
async def main():
    call()
asyncio.new_event_loop().run_until_complete(main())
""",
    "asyncio.run": """
async def main():
    call()
asyncio.run(main())
""",
    "task": """
async def part():
    call()
async def main():
    await asyncio.gather(part(), asyncio.sleep(600))
asyncio.run(main())
""",
    "await in a cell": """
loop = asyncio.new_event_loop()
def handle_sigint(*args):
    loop.call_soon_threadsafe(print, "the kernel knows")
handle_sigint.__module__ = "ipykernel.kernelbase"
signal.signal(signal.SIGINT, handle_sigint)
async def main():
    call()
loop.run_until_complete(main())
""",
}

UNDONE = """
from twister2_job.clients.interrupt import run_sync
from twister2_job.clients.process import run
async def work():
    try:
        await run(["sh", "-c", "touch began; exec sleep 600"])
    except asyncio.CancelledError:
        await asyncio.shield(run(["sh", "-c", "touch undoing; sleep 2; touch undone"]))
        raise
def call():
    run_sync(work())
"""


def eventually(holds, limit=20):
    until = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


class Script:
    """A Python program in a process of its own, which gets Ctrl-C as from a terminal."""

    def __init__(self, text, folder, **environment):
        head = "import asyncio, os, signal, sys, threading, time\nfrom pathlib import Path\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", head + text], cwd=folder, env={**os.environ, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def ended(self, limit):
        """Return code and outputs; fails if it has not ended within so many seconds."""
        try:
            out, err = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            pytest.fail(f"still runs {limit} s after Ctrl-C")
        return self.process.returncode, out, err


def sleeping(folder):
    """Make a Helm that hangs in all but `version`, and a kubectl that hangs; each notes its process ID."""
    hang = 'echo $$ > "$(dirname "$0")/pid-$$"\nexec sleep 600\n'
    helm, kubectl = folder / "helm", folder / "kubectl"
    helm.write_text(f'#!/bin/sh\n[ "$1" = version ] && exec {helm_path("3.19.0")} "$@"\n{hang}')
    kubectl.write_text(f"#!/bin/sh\n{hang}")
    for program in (helm, kubectl):
        program.chmod(0o755)
    return {"HELM_BIN": str(helm), "TWISTER2_JOB_KUBECTL": str(kubectl)}


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("call", ["Job('job').install()", "Job('job').connect().__enter__()", "list_jobs()"])
def test_ctrl_c_ends_a_call_at_once_and_its_children(caller, call, tmp_path):
    head = f"from twister2_job import Job, list_jobs\ndef call():\n    {call}\n"
    script = Script(head + CALLERS[caller], tmp_path, **sleeping(tmp_path))
    eventually(lambda: list(tmp_path.glob("pid-*")))
    time.sleep(0.5)
    script.interrupt()
    code, _, err = script.ended(8)
    assert code == -signal.SIGINT and err.rstrip().endswith("KeyboardInterrupt"), err
    children = [int(path.read_text()) for path in tmp_path.glob("pid-*")]
    assert not [pid for pid in children if alive(pid)]


@pytest.mark.parametrize("caller", CALLERS)
def test_a_second_ctrl_c_does_not_cut_the_undoing(caller, tmp_path):
    script = Script(UNDONE + CALLERS[caller], tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    eventually((tmp_path / "undoing").exists)
    for _ in range(3):
        script.interrupt()
        time.sleep(0.1)
    code, _, err = script.ended(10)
    assert (tmp_path / "undone").exists() and code == -signal.SIGINT, err


@pytest.mark.parametrize("caller", ["script", "cell"])
def test_work_that_never_ends_is_given_up_by_a_later_ctrl_c(caller, tmp_path):
    stubborn = """
from twister2_job.clients import interrupt
interrupt.PATIENCE = 0.5
async def work():
    while True:
        Path("began").touch()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            Path("deaf").touch()
def call():
    try:
        interrupt.run_sync(work())
    except KeyboardInterrupt:
        print("given up", flush=True)
        os._exit(0)
"""
    if caller == "script":  # asyncio.run cancels what it leaves, and would wait for it: here for ever.
        stubborn = stubborn.replace("while True", "for _ in range(2)")
    script = Script(stubborn + CALLERS[caller], tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    eventually((tmp_path / "deaf").exists)
    time.sleep(1)
    script.interrupt()
    code, out, err = script.ended(5)
    assert (code, out) == (0, "given up\n"), err


@pytest.mark.parametrize("caller", ["script", "cell"])
def test_ctrl_c_is_not_lost_when_the_work_ends_or_fails_meanwhile(caller, tmp_path):
    for end, cause in (("return 1", ""), ("raise JobError('Undoing it failed.')", "Undoing it failed.")):
        script = Script(
            "from twister2_job import JobError\nfrom twister2_job.clients.interrupt import run_sync\n"
            "async def work():\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(0.2)\n    " + end + "\n"
            "def call():\n    run_sync(work())\n" + CALLERS[caller],
            tmp_path,
        )
        code, _, err = script.ended(10)
        assert code == -signal.SIGINT and cause in err, err


@pytest.mark.parametrize("caller", ["script", "cell"])
def test_a_meaning_that_the_user_gave_to_ctrl_c_stays(caller, tmp_path):
    text = """
from twister2_job.clients.interrupt import run_sync
signal.signal(signal.SIGINT, lambda *_: Path("asked").touch())
async def work():
    Path("began").touch()
    while not Path("asked").exists():
        await asyncio.sleep(0.05)
    return "finished in order"
def call():
    print(run_sync(work()))
"""
    script = Script(text + CALLERS[caller], tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    assert script.ended(10)[:2] == (0, "finished in order\n")


def test_an_exception_of_the_users_own_handler_ends_the_work_too(tmp_path):
    text = """
class Stop(Exception):
    pass
def stop(*_):
    raise Stop
signal.signal(signal.SIGINT, stop)
"""
    script = Script(text + UNDONE + CALLERS["cell"], tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    code, _, err = script.ended(10)
    assert code == 1 and err.rstrip().endswith("Stop") and (tmp_path / "undone").exists(), err


def test_a_nested_call_of_a_callback_is_interrupted(tmp_path):
    nested = UNDONE + "inner = call\nasync def outer():\n    inner()\ndef call():\n    run_sync(outer())\n"
    script = Script(nested + CALLERS["script"], tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    assert script.ended(10)[0] == -signal.SIGINT and (tmp_path / "undone").exists()


async def _answer():
    await asyncio.sleep(0.01)
    return threading.current_thread()


def test_a_thread_of_the_users_own_may_call_with_and_without_a_loop():
    found = []

    async def main():
        found.append(run_sync(_answer()))

    def both():
        found.append(run_sync(_answer()))
        asyncio.run(main())

    for daemon in (False, True):
        thread = threading.Thread(target=both, daemon=daemon)
        thread.start()
        thread.join(10)
        assert not thread.is_alive() and found.pop().daemon == daemon and found.pop() is thread


@pytest.mark.parametrize("fails", [False, True])
def test_the_handler_of_ctrl_c_is_as_before_afterwards(fails):
    async def work():
        if fails:
            raise ValueError("as it was")
        return 5

    before = signal.getsignal(signal.SIGINT)
    if fails:
        with pytest.raises(ValueError, match="as it was"):
            run_sync(work())
    else:
        assert run_sync(work()) == 5
    assert signal.getsignal(signal.SIGINT) is before


def test_there_is_time_to_undo():
    assert interrupt.PATIENCE >= 15


def test_undoing_that_takes_long_goes_on_when_the_user_waits_no_longer(tmp_path):
    text = "from twister2_job.clients import interrupt\ninterrupt.PATIENCE = 0.2\n" + UNDONE
    after = "async def main():\n    try:\n        call()\n    except KeyboardInterrupt:\n        print(5, flush=True)\n"
    script = Script(text + after + "asyncio.new_event_loop().run_until_complete(main())\n", tmp_path)
    eventually((tmp_path / "began").exists)
    script.interrupt()
    eventually((tmp_path / "undoing").exists)
    time.sleep(0.5)
    script.interrupt()
    assert script.process.stdout.readline() == "5\n" and not (tmp_path / "undone").exists()
    assert script.ended(10)[0] == 0 and (tmp_path / "undone").exists()
