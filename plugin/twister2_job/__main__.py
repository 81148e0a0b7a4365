"""The entry point of `twister2-job` and `python -m twister2_job`: every failure becomes a message and an exit code."""
# PYTHON_ARGCOMPLETE_OK

from __future__ import annotations

import errno
import os
import signal
import sys

from .errors import JobError

SIGNALLED = 128
"""An exit code above this one says which signal ended the command."""


def _say(text: str) -> None:
    from .cli.suggestions import say

    say(text)


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code, a key of `errors.EXIT_CODES`."""
    words = sys.argv[1:] if words is None else words
    if "_ARGCOMPLETE" in os.environ:
        from .cli.completion import from_shell

        from_shell()
    from .clients.signals import RaiseOnce

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Otherwise our parent process ignores it.
        signal.signal(signal.SIGINT, RaiseOnce(KeyboardInterrupt(), 130))
    signal.signal(signal.SIGTERM, RaiseOnce(SystemExit(143), 143))
    code = _main(words)
    if code > SIGNALLED:
        os._exit(code)  # All child processes have ended, and threads need not be waited for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A Ctrl-C from here on would replace the exit code.
    return code


def _main(words: list[str]) -> int:
    """Run one command, print what went wrong, and return the exit code."""
    from .cli.registry import command_in
    from .cli.streams import prepare

    given, parsed = command_in(words), list[str]()
    changes = given is not None and given.changes
    output = prepare(goes_on=given is not None and given.changes and given.name != "wait")
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # A parent may have it ignored: then children have no exit code.
    try:
        code = _run(words, parsed)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        remedy = f"; `twister2-job status {parsed[0]}` shows what is there" if changes and parsed else ""
        _say(f"interrupted{remedy}.")
        code = 130
    except OSError as error:
        if output is None or error is not output.lost:
            raise
        code = 0
    if output:
        output.goes_on = True  # A failure to write is found in `lost` below, not raised.
        output.flush()
    if output is None or output.lost is None or isinstance(output.lost, BrokenPipeError):
        return code  # A broken pipe is no failure: the reader of our output, such as `head`, needs no more.
    done = (
        f" What was asked for is done; `twister2-job status {parsed[0]}` shows what is there."
        if changes and parsed and not code
        else ""
    )
    why = "it is closed" if output.lost.errno == errno.EBADF else output.lost.strerror
    _say(f"the output can't be written: {why}.{done}")
    return code or 1


def _run(words: list[str], parsed: list[str]) -> int:
    """Run one command and print its errors, except for signals and an output that can't be written.

    Args:
        words: The command line.
        parsed: The job's name is appended to it as soon as it is known.
    """
    try:
        from .cli.parser import parse
        from .cli.registry import COMMANDS
        from .cli.suggestions import remember

        arguments = parse(words)
        remember(arguments)
        parsed.append(getattr(arguments, "name", ""))
        return COMMANDS[arguments.command].load().run(arguments)
    except JobError as error:
        _say(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt | SystemExit):  # Python < 3.12 wraps one from a class body.
            raise error.__cause__ from None
        if "--debug" in words or error is getattr(sys.stdout, "lost", None):
            raise
        _say(
            f"this is a fault of twister2-job: {type(error).__name__}: {error}. "
            "The same command with --debug shows where; please report it."
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
