"""Programs that were started before asyncio is imported, which takes as long as they do; who runs them takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .children import Child

_started: dict[tuple[str, ...], Child] = {}


def start(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Start a program that only reads.

    Raises:
        OSError: It can't be started.
    """
    _started[tuple(argv)] = Child(argv, env=env)


def taken(argv: Sequence[str]) -> Child | None:
    """Return the program if it was started with these words; it is the caller's from now on."""
    return _started.pop(tuple(argv), None)


def end() -> None:
    """End what was started and that nobody has taken."""
    while _started:
        _, child = _started.popitem()
        child.kill()
        child.close()
