"""Starts Helm and kubectl so that they end with this process, however it ends; imports no asyncio or subprocess."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple

CAN_SPAWN = hasattr(os, "posix_spawnp")
"""Whether this system has posix_spawn, which `Child` needs: Linux and macOS do, Windows does not."""
MOST = 256 * 2**20
"""The most bytes of an output of a child: a broken program could print without end."""
LINGER = 1.5
"""Seconds after the end of a child in which its outputs must end too: a child of its own may keep them open."""

_LOWEST = 3
_PR_SET_PDEATHSIG = 1
_GIVEN_BACK = ("SIGPIPE", "SIGXFSZ", "SIGCHLD")
"""Signals reset to their default in children: Python ignores the first two, and ignoring the third breaks logins."""


class Result(NamedTuple):
    """The result of a process: its exit code and its two outputs as text."""

    code: int
    out: str
    err: str


def result(code: int, out: bytes | bytearray, err: bytes | bytearray) -> Result:
    """Return the result of a process from outputs in bytes; invalid UTF-8 is replaced."""
    return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))


def too_much_output(program: str) -> OSError:
    """Return the error for a program that prints more than `MOST` bytes."""
    return OSError(errno.EFBIG, f"it printed more than {MOST // 2**20} MiB and was ended", program)


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are not among the three standard descriptors, even if those are closed."""
    ends = list(os.pipe())
    if min(ends) < _LOWEST:
        import fcntl

        low, ends = ends, [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _LOWEST) for end in ends]
        for end in low:
            os.close(end)
    return ends[0], ends[1]


@contextlib.contextmanager
def _inherited(descriptors: Sequence[int]) -> Iterator[None]:
    """Let children inherit descriptors during the block."""
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

    Only this process has the other end, which is closed when it ends, also by SIGKILL. This costs nothing, and works
    even if PR_SET_PDEATHSIG is cleared (by a setuid launcher, as in snaps). `_fork` covers the moment between the start
    of a child and this call, which matters only for children that run long or change something.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        return  # Not Linux.
    with contextlib.suppress(OSError):  # The child has ended already.
        fcntl.fcntl(hook, fcntl.F_SETOWN, owner)
        fcntl.fcntl(hook, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(hook, fcntl.F_SETFL, os.O_ASYNC)


def _spawn(
    argv: list[str],
    env: Mapping[str, str],
    standard: Sequence[int],
    pass_fds: Sequence[int],
    session: bool,
) -> int:
    """Start a program and return its process ID; `standard` are its first descriptors, -1 means the null device."""
    actions = [
        (os.POSIX_SPAWN_DUP2, fd, number) if fd >= 0 else (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0)
        for number, fd in enumerate(standard)
    ]
    back = [getattr(signal, name) for name in _GIVEN_BACK if hasattr(signal, name)]
    with _inherited(pass_fds):
        return os.posix_spawnp(argv[0], argv, env, file_actions=actions, setsid=session, setsigdef=back)


def _fork(
    argv: list[str],
    env: Mapping[str, str],
    standard: Sequence[int],
    pass_fds: Sequence[int],
    session: bool,
) -> int:
    """Do what `_spawn` does, and have Linux kill the program, from its start on, when the calling thread ends.

    That takes 2 ms more of processor time. The calling threads run an event loop, and end after their children.
    """
    import ctypes
    import subprocess

    try:
        prctl = ctypes.PyDLL(None).prctl  # Not CDLL, which would release the interpreter's lock in the child.
    except (OSError, AttributeError):
        return _spawn(argv, env, standard, pass_fds, session)
    we = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != we:
            os._exit(1)  # The parent has ended already.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    stdin, stdout, stderr = (fd if fd >= 0 else subprocess.DEVNULL for fd in standard)
    started = subprocess.Popen(
        argv, env=env, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds, start_new_session=session,
        preexec_fn=bind,
    )  # fmt: skip
    started.returncode = 0  # `Child` collects the process, not this object.
    return started.pid


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
        lasting: bool = False,
    ) -> None:
        """Start it.

        Args:
            argv: The program's path, or name on PATH, and its arguments.
            env: Its whole environment; None means ours.
            stdin: Give it an input; otherwise its input is empty, so that it never waits for a keyboard.
            errors: Where its standard error goes: `apart`, to standard `output`, or `dropped`.
            pass_fds: Descriptors, above 2, that it inherits under the same numbers.
            session: Start it in a session of its own, which Ctrl-C in the terminal does not reach.
            lasting: Whether it runs for long or changes something, so that it must be on the leash from its start.

        Raises:
            OSError: It can't be started.
        """
        self.pid, self._leash = 0, -1
        self.code: int | None = None
        pipes = {number: _pipe() for number in ([0] if stdin else []) + [1] + ([2] if errors == "apart" else [])}
        ours = {number: ends[1 - bool(number)] for number, ends in pipes.items()}
        theirs = {number: ends[bool(number)] for number, ends in pipes.items()}
        hook, self._leash = _pipe()
        try:
            standard = [theirs.get(0, -1), theirs[1], theirs.get(2, theirs[1] if errors == "output" else -1)]
            start = _fork if lasting and sys.platform == "linux" else _spawn
            self.pid = start(list(argv), os.environ if env is None else env, standard, (hook, *pass_fds), session)
            _leash(hook, -self.pid if session else self.pid)
        except BaseException:
            if self.pid:
                self.kill()
            for fd in (*ours.values(), self._leash):
                os.close(fd)
            raise
        finally:
            for fd in (*theirs.values(), hook):
                os.close(fd)
        self.stdin: IO[bytes] | None = open(ours[0], "wb", 0) if stdin else None
        self.stdout: IO[bytes] = open(ours[1], "rb", 0)
        self.stderr: IO[bytes] | None = open(ours[2], "rb", 0) if 2 in ours else None

    def poll(self) -> int | None:
        """Return the exit code once the program has ended, else None."""
        if self.code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # Other code in this process has collected it.
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
        """End the program at once and collect it; block until it has ended, for at most `patience` seconds."""
        import time

        self.signal(signal.SIGKILL)
        until = time.monotonic() + patience
        while self.poll() is None and time.monotonic() < until:
            time.sleep(0.001)

    def close(self) -> None:
        """Close our ends of the pipes; that kills a program that still runs."""
        for file in (self.stdin, self.stdout, self.stderr):
            if file:
                file.close()
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1
