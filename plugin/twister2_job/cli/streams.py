"""Makes the three standard streams safe: against closed ones, full disks, closed pipes and limited encodings."""

from __future__ import annotations

import io
import os
import sys


class Output(io.TextIOWrapper):
    """A stream that escapes characters its encoding lacks, and records whether something could not be written.

    Attributes:
        lost: The first error of a write; None if all was written.
        goes_on: Whether the command goes on after such an error; otherwise the error is raised.
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
        """Write what is buffered."""
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.lost = self.lost or error
        # What is buffered or written later is discarded: otherwise Python would report it when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if not self.goes_on:
            raise error


def prepare(*, goes_on: bool) -> Output | None:
    """Make the three standard descriptors and Python's streams safe to use.

    The next file or pipe would get the number of a closed descriptor, and Python prints messages for a closed standard
    error to standard output. A closed standard output is replaced by one that can't be written to, so that the loss of
    the output is reported. Messages that can't be written never stop the work.

    Args:
        goes_on: Whether the command finishes its work even if its output can't be written.

    Returns:
        Standard output; None if it is not an ordinary stream.
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
