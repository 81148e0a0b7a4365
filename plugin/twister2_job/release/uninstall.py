"""Uninstalls a job: its release, its objects that Helm does not know of, and leftovers of earlier runs."""

from __future__ import annotations

import asyncio
import contextlib
import time

from ..clients.helm import Revision
from ..clients.resources import selector, test_selector
from ..errors import BusyError, JobError, JobNotFoundError, OutOfTimeError
from . import orphans, volume_claims
from .operation import Tools, within
from .validation import check_chart_of, check_name
from .workload import Workload

TRIES = 5
"""How often Helm is asked to remove a release to which others add revisions."""


async def uninstall(tools: Tools, name: str, workload: Workload, *, wait: bool, timeout: float) -> None:
    """Remove a job; see `Lifecycle.uninstall`."""
    check_name(name)
    deadline = time.monotonic() + timeout
    late = f"The uninstall of {name} was not done within {timeout:.0f} s; the same command again goes on with it."
    await within(deadline, _remove(tools, name, workload, deadline), late)
    if wait:
        await _wait_until_gone(tools, name, max(1.0, deadline - time.monotonic()), timeout)


async def _remove(tools: Tools, name: str, workload: Workload, deadline: float) -> None:
    """Remove the release and all other objects of the job."""
    history, sent = await asyncio.gather(tools.helm.history(name), workload.sent(tools, name))
    check_chart_of(name, history)
    if history:
        await _remove_release(tools, name, history, deadline)
        await workload.remove_sent(tools, name, sent, released=True)
    elif sent:
        await workload.remove_sent(tools, name, sent, released=False)
    try:
        removed, problems = await orphans.sweep(tools, name, [], 0)
    except JobError as error:
        if not history:
            raise
        removed, problems = [], [str(error)]
    if removed:
        tools.say(f"Removed what the release did not have: {orphans.names(removed)}.")
    for sentence in problems:
        tools.say(sentence)
    # The pod of `helm test` is not in the release; without the right to delete pods it stays, as with Helm alone.
    test = tools.kubectl.run("delete", "pods", "-l", test_selector(name), "--ignore-not-found", "--wait=false")
    kept, _ = await asyncio.gather(volume_claims.kept(tools.kubectl, name), test)
    if kept:
        tools.say(kept)
    if not (history or sent or removed):
        raise await tools.kubectl.missing(name)


async def _remove_release(tools: Tools, name: str, history: list[Revision], deadline: float) -> None:
    """Have Helm remove the release, and any revision that another run adds to it at the same time.

    A release of this name that is made after the removal is another run's, and stays.
    """
    for _ in range(TRIES):
        if history[-1].status != "uninstalling":  # This run may finish an uninstall that another run has begun.
            history = await tools.wait_for_others(name, history)
        if not history:
            return
        last = history[-1].number
        with contextlib.suppress(JobNotFoundError):
            await tools.helm.uninstall(name, timeout=max(1.0, deadline - time.monotonic()))
        left = await tools.newest(name)
        if not left or left.number <= last:
            return
        history = await tools.helm.history(name)
        check_chart_of(name, history)
    raise BusyError(f"Others change the release {name} all the time.", "Wait for them.")


async def _wait_until_gone(tools: Tools, name: str, seconds: float, timeout: float) -> None:
    """Wait until the job's pods and Services are gone.

    Raises:
        OutOfTimeError: They are not gone in time.
    """
    result = await tools.kubectl.run(
        "wait", "--for=delete", "pods,services", "-l", selector(name), f"--timeout={seconds:.0f}s",
        timeout=seconds + 5,
    )  # fmt: skip
    if result.code and "no matching resources" not in result.err:
        raise OutOfTimeError(
            f"The objects of {name} are not gone after {timeout:.0f} s.",
            f"`kubectl get pods,services -l {selector(name)}` shows them.",
        )
