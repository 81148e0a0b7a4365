"""The three standard streams of the command line: closed ones, full disks, readers that are gone, odd encodings."""

from __future__ import annotations

import io
import os
import sys


class Output(io.TextIOWrapper):
    """A stream that spells out what its encoding can't say, and knows whether something could not be written.

    Attributes:
        lost: Why something could not be written; None while all could.
        goes_on: Whether work goes on without it; else what could not be written raises its error.
    """

    lost: OSError | None = None
    goes_on = False

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return super().write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.lost = self.lost or error
        # What is written from now on, and what is not written yet, goes nowhere: Python would complain at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if not self.goes_on:
            raise error


def prepare(*, goes_on: bool) -> Output | None:
    """Make the three standard descriptors and Python's streams safe to use.

    A closed descriptor would become that of the next file or pipe, and Python prints what is for a closed standard
    error to standard output. In the place of a closed standard output comes one that can't be written to: an output
    that was asked for must not be lost without a word. Messages that can't be written never stop the work.

    Args:
        goes_on: Whether the command does its work to the end also when its output can't be written.

    Returns:
        Standard output; None if it is no ordinary stream.
    """
    for number, mode, name in ((0, os.O_RDONLY, "stdin"), (1, os.O_RDONLY, "stdout"), (2, os.O_WRONLY, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            if (opened := os.open(os.devnull, mode)) != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            options = {"encoding": stream.encoding, "errors": "backslashreplace"}
            lines, through = stream.line_buffering, stream.write_through
            safe = Output(stream.detach(), **options, line_buffering=lines, write_through=through)
            safe.goes_on = goes_on or name == "stderr"
            setattr(sys, name, safe)
            setattr(sys, f"__{name}__", safe)
    return sys.stdout if isinstance(sys.stdout, Output) else None
