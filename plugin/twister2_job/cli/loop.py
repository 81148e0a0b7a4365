"""Runs a command in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ..clients.signals import until_signalled

if TYPE_CHECKING:
    import argparse

    Act = Callable[[argparse.Namespace], Coroutine[Any, Any, int]]


def show_commands() -> None:
    """Print every command that is run, and Helm's warnings, to standard error; standard inputs are not shown."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("twister2-job: %(message)s"))
    log = logging.getLogger("twister2_job")
    log.handlers[:], log.propagate = [handler], False
    log.setLevel(logging.DEBUG)


def run(act: Act, arguments: argparse.Namespace) -> int:
    """Run a command's action in an event loop and return its exit code."""
    if arguments.debug:
        show_commands()
    return asyncio.run(until_signalled(act(arguments)))
