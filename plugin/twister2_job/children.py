"""Starts Helm and kubectl so that they end when we end, however we end; imports neither asyncio nor subprocess."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

CAN_SPAWN = hasattr(os, "posix_spawnp")
"""Whether this system has what `Child` needs: Linux and macOS do, Windows does not."""
MOST = 256 * 2**20
"""Bytes that one output of a child may have: a broken program could print for ever."""
LINGER = 1.5
"""Seconds that the outputs of a child which has ended get to end too: a child of its own may hold them open."""

_LOWEST = 3
_GIVEN_BACK = ("SIGPIPE", "SIGXFSZ", "SIGCHLD")
"""Signals with their default in the child: Python ignores the first two; ignoring the third breaks login programs."""


@dataclass(frozen=True)
class Result:
    """What a process left: its exit code and its two outputs as text."""

    code: int
    out: str
    err: str


def result(code: int, out: bytes | bytearray, err: bytes | bytearray) -> Result:
    """Return the result of a process whose outputs are bytes; what is no UTF-8 is replaced."""
    return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))


def endless(program: str) -> OSError:
    """Return the error for a program that prints more than `MOST` bytes."""
    return OSError(errno.EFBIG, f"it printed more than {MOST // 2**20} MiB and was ended", program)


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are none of the three standard descriptors, not even where those are closed."""
    ends = list(os.pipe())
    if min(ends) < _LOWEST:
        import fcntl

        low, ends = ends, [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _LOWEST) for end in ends]
        for end in low:
            os.close(end)
    return ends[0], ends[1]


@contextlib.contextmanager
def _inherited(descriptors: Sequence[int]) -> Iterator[None]:
    """Let children inherit descriptors for as long as the block."""
    private = [fd for fd in descriptors if not os.get_inheritable(fd)]
    try:
        for fd in private:
            os.set_inheritable(fd, True)
        yield
    finally:
        for fd in private:
            os.set_inheritable(fd, False)


def _leash(hook: int, owner: int) -> None:
    """Have Linux send SIGKILL to `owner` (a process, or a group if negative) when the other end of a pipe is closed.

    The other end is ours alone: it is closed when we end, also by SIGKILL. PR_SET_PDEATHSIG does nearly the same, but
    needs code between fork and exec, which takes 2 ms of processor time for each child and is not safe beside threads;
    it fires when the thread ends that started the child; and a setuid launcher in between (that of snaps) clears it.
    What is left open is the half millisecond in which the child starts.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        return  # Not Linux.
    with contextlib.suppress(OSError):  # It has ended already.
        fcntl.fcntl(hook, fcntl.F_SETOWN, owner)
        fcntl.fcntl(hook, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(hook, fcntl.F_SETFL, os.O_ASYNC)


class Child:
    """A running program, without a shell; on Linux it is killed when this process ends.

    Attributes:
        pid: Its process ID.
        code: Its exit code, negative for a signal; None until `poll` has seen its end.
        stdin: Our end of its standard input; None if that is empty.
        stdout: Our end of its standard output.
        stderr: Our end of its standard error; None if that is dropped or goes to standard output.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        errors: str = "apart",
        pass_fds: Sequence[int] = (),
        session: bool = False,
    ) -> None:
        """Start it.

        Args:
            argv: The program's path, or name on PATH, and its arguments.
            env: Its whole environment; None means ours.
            stdin: Give it an input; else that is empty, so nothing can wait for a keyboard.
            errors: Where its standard error goes: `apart`, to standard `output`, or `dropped`.
            pass_fds: Descriptors of ours that it gets under the same numbers, above 2.
            session: Start it in a session of its own, which no Ctrl-C of the terminal reaches.

        Raises:
            OSError: It can't be started.
        """
        self.pid, self._leash = 0, -1
        self.code: int | None = None
        theirs: list[int] = []
        ours: list[int] = []
        actions: list[tuple[Any, ...]] = []

        def pipe(number: int) -> int:
            """Make a pipe for a standard descriptor of the child and return our end."""
            ends = _pipe()
            ours.append(ends[1 - bool(number)])
            theirs.append(ends[bool(number)])
            actions.append((os.POSIX_SPAWN_DUP2, theirs[-1], number))
            return ours[-1]

        try:
            inputs = pipe(0) if stdin else self._null(actions, 0)
            output = pipe(1)
            if errors == "output":
                actions.append((os.POSIX_SPAWN_DUP2, theirs[-1], 2))
            mistakes = pipe(2) if errors == "apart" else -1
            if errors == "dropped":
                self._null(actions, 2)
            hook, self._leash = _pipe()
            theirs.append(hook)
            back = [getattr(signal, name) for name in _GIVEN_BACK if hasattr(signal, name)]
            with _inherited((hook, *pass_fds)):
                self.pid = os.posix_spawnp(
                    argv[0], list(argv), os.environ if env is None else env,
                    file_actions=actions, setsid=session, setsigdef=back,
                )  # fmt: skip
            _leash(hook, -self.pid if session else self.pid)
        except BaseException:
            if self.pid:
                self.kill()
            for fd in (*ours, *(self._leash,) * (self._leash >= 0)):
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.stdin: IO[bytes] | None = open(inputs, "wb", 0) if inputs >= 0 else None
        self.stdout: IO[bytes] = open(output, "rb", 0)
        self.stderr: IO[bytes] | None = open(mistakes, "rb", 0) if mistakes >= 0 else None

    @staticmethod
    def _null(actions: list[tuple[Any, ...]], number: int) -> int:
        """Let a standard descriptor of the child be the null device."""
        actions.append((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0))
        return -1

    def poll(self) -> int | None:
        """Return the exit code once the program has ended, else None."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # Somebody else in this process has collected it.
                pid, status = self.pid, 255 << 8
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def signal(self, number: int) -> None:
        """Send a signal to the program if it runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self, patience: float = 2.0) -> None:
        """End the program at once and collect it; blocks until it is gone, for `patience` seconds at most."""
        import time

        self.signal(signal.SIGKILL)
        until = time.monotonic() + patience
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.001)

    def close(self) -> None:
        """Close our ends; a program that still runs is killed by that."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file:
                file.close()
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1
