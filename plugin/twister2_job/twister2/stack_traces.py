"""Finds in a log why a JVM failed: the exception with its message, never only lines of its stack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..clients.messages.text import short

FRAME = re.compile(r"\s*(?:at [\w.$<>/@ -]+\(.*|\.\.\. \d+ (?:more|common frames omitted)\s*)")
"""A line of a stack trace that names no exception."""
UNCAUGHT = re.compile(r".*\bUncaught exception in the thread .*\bFAILED\b.*")
"""The line that Twister2 0.8.0 prints before the exception that ends a worker or the job master."""
THROWABLE = re.compile(r"(?:(?:[A-Za-z_][\w$]*\.)+[A-Z_][\w$]*|[A-Z]\w*(?:Error|Exception))(?:: .*|:?\s*)")
"""An exception as Java prints it: its class, and its message if it has one."""

# The line that Java itself prints, with the exception in it.
_IN_THREAD = re.compile(r"(?:.*\s)?Exception in thread \S.*")
_EXCEPTION = re.compile(r'.*\bException in thread (?:"[^"]*"|\S+)\s+(\S.*)')
_CAUSED = re.compile(r"\s*Caused by: (\S.*)")
_NEXT_ENTRY = re.compile(r"\[\d{4}-\d\d-\d\d |(?:INFO|WARNING|SEVERE): ")
_MEMORY = re.compile(r".*?((?:java\.lang\.)?OutOfMemoryError\b.*)")
_HEAP = re.compile(r".*OutOfMemoryError: (?:Java heap space|GC overhead limit exceeded)")


def without_frames(lines: Iterable[str]) -> list[str]:
    """Return the lines of a log without empty ones and without lines of stack traces that name no exception."""
    return [line.rstrip() for line in lines if line.strip() and not FRAME.match(line)]


def cause(lines: Sequence[str]) -> str:
    """Return, in one line, the exception that ended a JVM and the one that caused it; empty if the log has none."""
    known = without_frames(lines)
    for index, line in enumerate(known):
        if UNCAUGHT.fullmatch(line):
            first = next((text for text in known[index + 1 : index + 2] if THROWABLE.fullmatch(text.strip())), "")
            return _whole(first or line, known[index + 1 :])
        if _IN_THREAD.fullmatch(line):
            found = _EXCEPTION.fullmatch(line)
            return _whole(found[1] if found else line, known[index + 1 :])
    memory = next((found[1] for line in known if (found := _MEMORY.match(line))), "")
    return _whole(memory, []) if memory else ""


def _whole(first: str, after: Sequence[str]) -> str:
    """Return an exception and its root cause, the last cause that Java names in the lines after it."""
    root = ""
    for line in after:
        if _NEXT_ENTRY.match(line) or UNCAUGHT.fullmatch(line) or _IN_THREAD.fullmatch(line):
            break
        if found := _CAUSED.fullmatch(line):
            root = found[1]
    thrown = short(first.strip())
    root = short(root.strip())
    whole = f"{thrown}, caused by {root}" if root and root not in thrown else thrown
    more = " (a worker's heap comes of job.ram, the job master's of job.master.ram)"
    return whole + more * bool(_HEAP.match(whole))
