"""Reads inputs that the user names by a path: files, pipes, standard input, `<(...)`; once, and with a limit of size.

Nothing here blocks the event loop: it waits for a FIFO without a writer, or a terminal, so that Ctrl-C, a cancellation
or a deadline ends the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import JobError, OutOfTimeError

BLOCK = 2**18
"""Bytes that are read at a time; between two blocks the event loop may do other work."""

_spent: set[tuple[int, int]] = set()
# Inherited pipes and sockets that were read: a second read would get nothing, or only the rest.


@dataclass(frozen=True)
class Source:
    """An input that a path names; it is not read yet.

    Attributes:
        path: The path as the user wrote it; `-` is standard input.
        what: A name for it in messages: "values file", "jar".
        error: The class of its errors.
        status: The result of `os.stat`.
        descriptor: The descriptor of this process that the path names, also through links; None for other paths.
    """

    path: str
    what: str
    error: type[JobError]
    status: os.stat_result
    descriptor: int | None

    def __str__(self) -> str:
        """Return a phrase for it, as the subject of a sentence."""
        return _subject(self.path, self.what)

    @property
    def once(self) -> bool:
        """Tell whether it can be read only once, or by this process only, since it is not a stored file.

        That includes files of /proc: many have another content for each process.
        """
        if self.descriptor is None and stat.S_ISREG(self.status.st_mode):
            return os.path.realpath(self.path).startswith(("/proc/", "/sys/"))
        return self.descriptor is not None or not _is_null(self.status)

    @property
    def key(self) -> tuple[int, int]:
        """Return a key that is equal for two paths of the same file."""
        return self.status.st_dev, self.status.st_ino

    @property
    def _ends_for_good(self) -> bool:
        mode = self.status.st_mode
        return self.descriptor is not None and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


def source_of(
    path: str, what: str, error: type[JobError], hint: str = "Check the path.", instead: str = "Give a file or a pipe."
) -> Source:
    """Return the source that a path names; nothing is read, and a device or FIFO is not opened.

    Args:
        path: The path; `-` is standard input.
        what: A name for it in messages.
        error: The class of its errors.
        hint: What to do if the path does not exist.
        instead: What to do if it can't be read.

    Raises:
        JobError: Of class `error`: it is missing, or has no content with an end.
    """
    number = 0 if path.strip() == "-" else descriptor(path)
    try:
        status = os.stat(path) if number is None else os.fstat(number)
    except (FileNotFoundError, NotADirectoryError):
        raise error(f"There is no {what} at {path or repr(path)}.", hint) from None
    except (OSError, ValueError, OverflowError) as problem:
        if number is not None:
            raise _closed(path, what, error, number, instead) from None
        why = getattr(problem, "strerror", "") or str(problem)
        raise error(f"{_subject(path, what)} can't be read: {why}.", "Check the path and its permissions.") from None
    # The number of a closed standard input, or of any other closed descriptor, may be one of our own files by now.
    foreign = number == 0 and sys.__stdin__ is None
    if number and stat.S_ISSOCK(status.st_mode):
        foreign = not os.get_inheritable(number)
    if foreign:
        raise _closed(path, what, error, number or 0, instead)
    if why := _unreadable(status, number):
        raise error(f"{_subject(path, what)} is {why}.", instead)
    return Source(path, what, error, status, number)


def descriptor(path: str) -> int | None:
    """Return the descriptor of this process that a path names, directly or through links; None for other paths."""
    with contextlib.suppress(OSError, ValueError):
        for _ in range(40):
            folder, name = os.path.split(path)
            if name.isascii() and name.isdigit():
                real = os.path.realpath(folder)
                if real == "/dev/fd" or re.fullmatch(rf"/proc/{os.getpid()}(/task/\d+)?/fd", real):
                    return int(name)
            path = os.path.join(folder, os.readlink(path))
    return None


async def read(source: Source, limit: int, *, deadline: float | None = None, remedy: str = "", most: str = "") -> bytes:
    """Return the whole content of a source, if it is small enough and comes in time.

    Args:
        source: The source to read.
        limit: The most bytes that it may have.
        deadline: On the clock of `time.monotonic`; None means no limit.
        remedy: What to do if it is too large.
        most: The reason of the limit, for that message: "the most that ConfigMaps are for".

    Raises:
        OutOfTimeError: It did not come to its end in time.
        JobError: Of the source's class: it is too large, was read before, or can't be read.
    """
    if source.key in _spent and source._ends_for_good:
        raise source.error(f"{source} has been read already, and can be read only once.", "Name it only once.")
    found, ended = bytearray(), False
    regular = stat.S_ISREG(source.status.st_mode)
    try:
        if regular and source.status.st_size > limit:
            raise _too_large(source, limit, remedy, most)
        with _opened(source) as (number, receive, polls):
            # Until the first writer opens a FIFO, reading it looks like its end.
            waits = polls or (source.descriptor is None and stat.S_ISFIFO(source.status.st_mode))
            while len(found) <= limit:
                if waits:
                    await _readable(number, source, deadline)
                else:
                    _check_time(source, deadline)
                    await asyncio.sleep(0)
                try:
                    block = receive(min(BLOCK, limit + 1 - len(found)))
                except BlockingIOError:
                    waits = True
                    continue
                if ended := not block:
                    return bytes(found)
                waits = polls
                found += block
        raise _too_large(source, limit, remedy, most)
    except OSError as problem:
        why = problem.strerror or str(problem)
        raise source.error(f"{source} can't be read: {why}.", "Check the path and its permissions.") from None
    finally:
        if source._ends_for_good and (found or ended):
            _spent.add(source.key)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[tuple[int, Callable[[int], bytes], bool]]:
    """Yield a descriptor of our own, a function that reads from it, and whether that may block without a wait."""
    number, mode = source.descriptor, source.status.st_mode
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    own, polls = -1, False
    if number is None:
        own = os.open(source.path, flags)
    elif sys.platform == "linux" and not (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        # A new open of it is non-blocking for us only, not for other processes that share it. A pipe or terminal of
        # another user (under sudo) can't be opened again.
        with contextlib.suppress(OSError):
            own = os.open(f"/proc/self/fd/{number}", flags)
    if own < 0:
        assert number is not None
        own, polls = os.dup(number), not (stat.S_ISREG(mode) or stat.S_ISSOCK(mode))
    try:
        yield own, _receiver(source, own), polls
    finally:
        os.close(own)


def _receiver(source: Source, own: int) -> Callable[[int], bytes]:
    """Return a function that reads the next bytes of a descriptor."""
    number, mode = source.descriptor, source.status.st_mode
    if number is not None and stat.S_ISSOCK(mode):
        import socket

        def receive(size: int) -> bytes:
            other = socket.socket(fileno=own)
            try:
                return other.recv(size, socket.MSG_DONTWAIT)
            finally:
                other.detach()

        return receive
    if number is not None and stat.S_ISREG(mode) and hasattr(os, "pread"):
        # From its beginning, or for `-` from the shell's position in it, which pread does not change for later readers.
        at = os.lseek(number, 0, os.SEEK_CUR) if source.path.strip() == "-" else 0

        def read_on(size: int) -> bytes:
            nonlocal at
            block = os.pread(own, size, at)
            at += len(block)
            return block

        return read_on
    return lambda size: os.read(own, size)


async def _readable(number: int, source: Source, deadline: float | None) -> None:
    """Wait until a descriptor can be read without blocking."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(number, lambda: None if ready.done() else ready.set_result(None))
    except (PermissionError, NotImplementedError):
        return  # epoll refuses files that never block, and Windows can't watch any.
    try:
        await asyncio.wait({ready}, timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
    finally:
        loop.remove_reader(number)
    if not ready.done():
        _check_time(source, deadline)


def _check_time(source: Source, deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise OutOfTimeError(
            f"{source} did not come to its end in time.", "Whoever writes to it has to begin, and to close it."
        )


def _subject(path: str, what: str) -> str:
    return f"The {what} {'- (standard input)' if path.strip() == '-' else path}"


def _closed(path: str, what: str, error: type[JobError], number: int, instead: str) -> JobError:
    which = "standard input" if number == 0 else f"descriptor {number}"
    return error(f"{_subject(path, what)} can't be read: {which} is closed.", instead)


def _too_large(source: Source, limit: int, remedy: str, most: str) -> JobError:
    size = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
    return source.error(f"{source} has more than {size}{f', {most}' if most else ''}.", remedy)


def _is_null(status: os.stat_result) -> bool:
    """Tell whether a file is /dev/null, which every process reads as empty."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev


def _unreadable(status: os.stat_result, number: int | None) -> str:
    """Return a phrase for a file without content that has an end; empty if it can be read."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISBLK(mode) or (
        stat.S_ISCHR(mode) and not _is_null(status) and not (number is not None and os.isatty(number))
    ):
        return "a device"
    if stat.S_ISSOCK(mode) and number is None:
        return "a socket, which nothing can be read from by its path"
    if not any(kind(mode) for kind in (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISCHR, stat.S_ISSOCK)):
        return "nothing that can be read"
    if number is not None and not stat.S_ISSOCK(mode):
        with contextlib.suppress(ImportError):  # There is none on Windows.
            import fcntl

            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
                return "open for writing only"
    return ""
