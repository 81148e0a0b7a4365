"""The command line's entry: `twister2-job` and `python -m twister2_job`. No traceback reaches a user."""

from __future__ import annotations

import os
import signal
import sys

from .errors import JobError

TYPE_CHECKING = False  # As in `typing`, which `--help` needs not import.
if TYPE_CHECKING:
    from typing import NoReturn

CHANGES = ("install", "upgrade", "uninstall", "pin", "unpin", "submit", "wait", "kill", "rerun")
"""Commands that leave something behind when they are interrupted: a job goes on without those who wait for it."""


def _terminate(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code, a key of `errors.EXIT_CODES`."""
    signal.signal(signal.SIGTERM, _terminate)
    words = sys.argv[1:] if words is None else words
    try:
        from .arguments import parse

        arguments = parse(words)
        from . import cli  # Behind the parser: help and usage errors need nothing of it.

        return cli.run(arguments)
    except JobError as error:
        print(f"twister2-job: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        changes = words[:1] and words[0] in CHANGES
        told = "; `twister2-job status NAME` shows what is there" if changes else ""
        print(f"twister2-job: interrupted{told}.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # The reader of our output, `head` for example, has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if "--debug" in words:
            raise
        print(
            f"twister2-job: this is a fault of twister2-job: {type(error).__name__}: {error}. "
            "The same command with --debug shows where; please report it.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
