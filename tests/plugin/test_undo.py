"""Taking back what a run has made: the newest first, to its end, and bounded in time."""

import asyncio
import time

from twister2_job.errors import NoClusterError
from twister2_job.undo import Undo


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
