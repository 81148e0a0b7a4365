"""Programs that are started before asyncio is imported, which takes as long as they run; `run` takes them from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .children import Child

_started: dict[tuple[str, ...], Child] = {}


def start(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Start a program that changes nothing.

    Raises:
        OSError: It can't be started.
    """
    _started[tuple(argv)] = Child(argv, env=env)


def take(argv: Sequence[str]) -> Child | None:
    """Return the program that was started with these words, if any; the caller has to end it from now on."""
    return _started.pop(tuple(argv), None)


def end() -> None:
    """End the started programs that were not taken."""
    while _started:
        _, child = _started.popitem()
        child.kill()
        child.close()
