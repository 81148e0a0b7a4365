"""Runs several programs that change nothing, in parallel and without asyncio, whose import takes longer than a read."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from .children import CAN_SPAWN, LINGER, MOST, Child, Result, result, too_much_output

_CHECK_EVERY = 0.25
"""Seconds between two checks whether a program with open outputs has ended."""


@contextlib.contextmanager
def running(
    commands: Sequence[Sequence[str]],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float,
    pass_fds: Sequence[int] = (),
) -> Iterator[Callable[[], list[Result]]]:
    """Start all commands at once, and yield a function that returns their results in order; none has an input.

    The block can do other work before it calls that function. When the block ends, also by an error, Ctrl-C or SIGTERM,
    commands that still run are killed: they change nothing.

    Args:
        commands: The program's path and arguments of each command.
        env: The whole environment of all; None means ours.
        timeout: Seconds that all together may take.
        pass_fds: Descriptors, above 2, that they inherit under the same numbers.

    Yields:
        A function that returns exit codes and outputs; a code other than 0 is not an error here.

    Raises:
        OSError: One can't be started, or prints more than `MOST` bytes; `filename` is its path.
        TimeoutError: They took longer than `timeout`.
    """
    until = time.monotonic() + timeout
    if not CAN_SPAWN:
        yield lambda: [_alone(command, env, until) for command in commands]
        return
    children: list[Child] = []
    try:
        for command in commands:
            children.append(Child(command, env=env, pass_fds=pass_fds))
        yield lambda: _read(commands, children, until)
    finally:
        for child in children:
            child.kill()
            child.close()


def _read(commands: Sequence[Sequence[str]], children: Sequence[Child], until: float) -> list[Result]:
    """Read all outputs to their ends."""
    poll = select.poll()
    outputs: dict[int, bytearray] = {}
    texts: list[tuple[bytearray, bytearray]] = []
    owners: dict[int, int] = {}
    for index, child in enumerate(children):
        assert child.stderr
        texts.append((bytearray(), bytearray()))
        for file, text in zip((child.stdout, child.stderr), texts[-1], strict=True):
            outputs[file.fileno()], owners[file.fileno()] = text, index
            poll.register(file.fileno(), select.POLLIN)
    ended: dict[int, float] = {}
    while owners:
        now = time.monotonic()
        if now >= until:
            raise _late(commands[min(owners.values())])
        for index in set(owners.values()):
            if index not in ended and children[index].poll() is not None:
                ended[index] = now
            if now - ended.get(index, now) > LINGER:
                for fd in [fd for fd, owner in owners.items() if owner == index]:
                    poll.unregister(fd)
                    del owners[fd]
        for fd, _ in poll.poll(1000 * min(_CHECK_EVERY, until - now)):
            if chunk := os.read(fd, 2**18):
                outputs[fd] += chunk
                if len(outputs[fd]) > MOST:
                    raise too_much_output(commands[owners[fd]][0])
            else:
                poll.unregister(fd)
                del owners[fd]
    for command, child in zip(commands, children, strict=True):  # Its outputs end an instant before it does.
        while child.poll() is None:
            if time.monotonic() >= until:
                raise _late(command)
            time.sleep(0.0001)
    return [result(child.code or 0, *text) for child, text in zip(children, texts, strict=True)]


def _late(command: Sequence[str]) -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "it took too long", command[0])


def _alone(command: Sequence[str], env: Mapping[str, str] | None, until: float) -> Result:
    """Run one command on a system without `posix_spawn`, which `Child` needs."""
    import subprocess

    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=max(0.0, until - time.monotonic()),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _late(command) from None
    return result(done.returncode, done.stdout, done.stderr)
