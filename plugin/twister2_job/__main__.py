"""The command line's entry: `twister2-job` and `python -m twister2_job`. No traceback reaches a user."""
# PYTHON_ARGCOMPLETE_OK

from __future__ import annotations

import errno
import os
import signal
import sys

from .errors import JobError

SIGNALLED = 128
"""Exit codes above it are those of signals."""


def _tell(text: str) -> None:
    print(f"twister2-job: {text}", file=sys.stderr, flush=True)


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code, a key of `errors.EXIT_CODES`."""
    words = sys.argv[1:] if words is None else words
    if "_ARGCOMPLETE" in os.environ:
        from .cli.completion import from_shell

        from_shell()
    from .clients.signals import Once

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Else whoever started us has it ignored.
        signal.signal(signal.SIGINT, Once(KeyboardInterrupt(), 130))
    signal.signal(signal.SIGTERM, Once(SystemExit(143), 143))
    code = _main(words)
    if code > SIGNALLED:
        os._exit(code)  # Nothing is left to be ended, and nobody waits for threads.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A Ctrl-C that comes now would take the exit code away.
    return code


def _main(words: list[str]) -> int:
    """Run one command, tell what went wrong, and return the exit code."""
    from .cli.registry import command_in
    from .cli.streams import prepare

    given, parsed = command_in(words), list[str]()
    changes = given is not None and given.changes
    output = prepare(goes_on=given is not None and given.changes and given.name != "wait")
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # Who started us may ignore it: then no exit code would reach us.
    try:
        code = _run(words, parsed)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        told = f"; `twister2-job status {parsed[0]}` shows what is there" if changes and parsed else ""
        _tell(f"interrupted{told}.")
        code = 130
    except OSError as error:
        if output is None or error is not output.lost:
            raise
        code = 0
    if output:
        output.goes_on = True  # From here on it is asked what was lost.
        output.flush()
    if output is None or output.lost is None or isinstance(output.lost, BrokenPipeError):
        return code  # The reader of our output, `head` for example, has enough.
    done = (
        f" What was asked for is done; `twister2-job status {parsed[0]}` shows what is there."
        if changes and parsed and not code
        else ""
    )
    why = "it is closed" if output.lost.errno == errno.EBADF else output.lost.strerror
    _tell(f"the output can't be written: {why}.{done}")
    return code or 1


def _run(words: list[str], parsed: list[str]) -> int:
    """Run one command; what goes wrong is told here, but for signals and an output that can't be written.

    Args:
        words: The command line.
        parsed: Gets the name of the job, once that is known.
    """
    try:
        from .cli.parser import parse
        from .cli.registry import COMMANDS

        arguments = parse(words)
        parsed.append(getattr(arguments, "name", ""))
        return COMMANDS[arguments.command].load().run(arguments)
    except JobError as error:
        _tell(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt | SystemExit):  # Python before 3.12 wraps it in a class body.
            raise error.__cause__ from None
        if "--debug" in words or error is getattr(sys.stdout, "lost", None):
            raise
        _tell(
            f"this is a fault of twister2-job: {type(error).__name__}: {error}. "
            "The same command with --debug shows where; please report it."
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
