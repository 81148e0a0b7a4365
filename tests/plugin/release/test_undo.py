"""Taking back what a run has made: the newest first, to its end, and bounded in time."""

import asyncio
import os
import signal
import subprocess
import sys
import time

from twister2_job.errors import NoClusterError
from twister2_job.release.undo import Undo


def step(done, what, *, error=None, seconds=0.0):
    async def take_back(_):
        await asyncio.sleep(seconds)
        if error:
            raise error
        done.append(what)
        return what

    return take_back


def test_the_newest_goes_first_and_what_fails_holds_nothing_up():
    order, undo = [], Undo()
    undo.add(step(order, "namespace"))
    undo.add(step(order, "jar", error=NoClusterError("No answer.")))
    undo.add(step(order, "release"))
    assert asyncio.run(undo.run(5)) == (["release", "namespace"], ["No answer."])
    assert order == ["release", "namespace"]
    assert asyncio.run(undo.run(5)) == ([], []), "nothing is taken back twice"


def test_any_error_in_a_step_leaves_the_others_their_turn():
    order, undo = [], Undo()
    undo.add(step(order, "namespace"))
    undo.add(step(order, "release", error=KeyError("metadata")))
    assert asyncio.run(undo.run(5)) == (["namespace"], ["KeyError: 'metadata'."])


def test_what_was_not_made_is_not_told():
    undo = Undo()
    undo.add(step([], ""))
    assert asyncio.run(undo.run(5)) == ([], [])


def test_it_goes_on_when_the_user_presses_ctrl_c_again_and_again():
    order, undo = [], Undo()
    undo.add(step(order, "release", seconds=0.3))

    async def impatient():
        task = asyncio.ensure_future(undo.run(5))
        for _ in range(4):
            await asyncio.sleep(0.05)
            task.cancel()
        return await task

    assert asyncio.run(impatient()) == (["release"], [])


def test_it_has_an_end():
    undo, began = Undo(), time.monotonic()
    undo.add(step([], "namespace"))
    undo.add(step([], "release", seconds=60))
    done, failed = asyncio.run(undo.run(1))
    assert time.monotonic() - began < 5 and done == ["namespace"]
    assert failed == ["It took longer than 1 s."]


def test_a_second_ctrl_c_of_the_terminal_does_not_reach_what_takes_back(tmp_path):
    """A terminal sends the signal to every process of the command."""
    code = f"""
import asyncio, signal
from twister2_job.clients.process import run
from twister2_job.release.undo import Undo
signal.signal(signal.SIGINT, lambda *_: None)
async def step(seconds):
    print("begun", flush=True)
    return str((await run(["sh", "-c", "sleep 1; echo done >{tmp_path}/f"])).code)
undo = Undo()
undo.add(step)
print(asyncio.run(undo.run(10)))
"""
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "(['0'], [])\n"
    assert (tmp_path / "f").read_text() == "done\n"
