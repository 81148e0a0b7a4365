"""Finds the message in the error output of Helm and kubectl: without log lines, headers, repeated lines, passwords."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

MOST = 40_000
"""The most characters of an output that are searched: half at each end."""
MOST_LINES = 20
"""The most lines of a program's message that are shown."""
LONGEST = 500
"""The most characters of such a line."""

# A line of a log; one of klog may have further lines, indented, up to a line that ends with `>`.
_LOG_BLOCK = re.compile(r"^[EWIF]\d{4} \d\d:.*err=<\n(?P<block>(?:[ \t].*\n|\n)*?) >$", re.MULTILINE)
_LOG_LINE = re.compile(
    r"^(level=|time=|Flag --|WARNING:|Warning: |W\d{4} |I\d{4} |E\d{4} |walk\.go|coalesce\.go|Pulled:|Digest:)"
)
_LOGGED = re.compile(r'\b(?:err|msg)="((?:[^"\\]|\\.)*)"')
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/@:\"']*):[^\s/@\"']+@", re.IGNORECASE)
# The beginnings of the two programs' own messages; before them may be output of login programs in similar words.
_OWN = re.compile(
    r"^(?:Error: (?:\w+ FAILED: |(?:cluster reachability check failed: )?[Kk]ubernetes cluster unreachable)"
    r"|Error from server|Error in configuration: |Unable to connect to the server: |The connection to the server "
    r'|The \S+ "[^"]*" is invalid: )',
    re.MULTILINE,
)
_ANY = re.compile(r"^(?:Error|error): ", re.MULTILINE)
_FAILED = re.compile(r"^(?:Error: |error: )(?:(INSTALLATION|UPGRADE|ROLLBACK) FAILED: )?")
_DOWNLOAD = re.compile(r'error validating "[^"]*": error validating data: (?:failed to download openapi: )?')
_NOISE = re.compile(r"; if you choose to ignore these errors, turn validation off with --validate=false")
_DEBUG_HINT = re.compile(r"^Use --debug flag to render out invalid YAML$", re.MULTILINE)

_SCHEMA_HEADER = re.compile(r"values don't meet the specifications of the schema\(s\) in the following chart\(s\):\s*")
# Lines for the branches of the schema, which only repeat the lines below them.
_BRANCH = re.compile(r"('(all|any|one)Of' failed|validation failed|: Must validate .*)$")
_EXECUTION = re.compile(r"execution error at \([^)]*\):\s*")
_LOCAL = re.compile(r"(?:error calling include|error calling fail|executing \"[^\"]+\" at <[^>]*>):\s*")


class Said(NamedTuple):
    """The parts of a program's error output.

    Attributes:
        text: The program's own message, without its beginning (`Error: `).
        before: The output before it.
        failed: Which of Helm's actions failed: `installation`, `upgrade`, `rollback`; empty if the message has none.
        kubeconfig: Path of the kubeconfig that the program was given; empty means its own choice.
    """

    text: str
    before: str = ""
    failed: str = ""
    kubeconfig: str = ""


def hidden(text: str) -> str:
    """Return `text` with the passwords of URLs (`https://user:password@host`) replaced."""
    return _PASSWORD.sub(r"\1:***@", text)


def shown(argv: Sequence[str]) -> str:
    """Return a command in a form to paste into a shell, without its standard input."""
    return hidden(shlex.join(argv))


def read(stderr: str) -> Said:
    """Split an error output into its parts.

    Args:
        stderr: The output.

    Returns:
        Its parts. If the program has no message of its own, the text is the whole output, or what it logged.
    """
    if len(stderr) > MOST:
        stderr = f"{stderr[: MOST // 2]}\n{stderr[-MOST // 2 :]}"
    text = hidden(_CONTROL.sub("", stderr.replace("\r\n", "\n")).replace('\\"', '"'))
    blocks = [block["block"].strip() for block in _LOG_BLOCK.finditer(text)]
    kept = _LOG_BLOCK.sub("", text).splitlines()
    lines = [line for line in kept if not _LOG_LINE.match(line)]
    text = _NOISE.sub("", _DEBUG_HINT.sub("", "\n".join(lines))).strip()
    if not text:  # Old versions of kubectl put the reason only into their log.
        logged = [found[1] for line in stderr.splitlines() if (found := _LOGGED.search(line))]
        whole = [*blocks, *(hidden(line.replace('\\"', '"').replace("\\n", "\n")) for line in logged)]
        return Said(whole[-1] if whole else "")
    own = _OWN.search(text) or next(reversed(list(_ANY.finditer(text))), None)
    before, text = (text[: own.start()].strip(), text[own.start() :]) if own else ("", text)
    action = _FAILED.match(text)
    text = _DOWNLOAD.sub("", _FAILED.sub("", text, count=1), count=1)
    return Said(text, before, (action[1] or "").lower() if action else "")


def own_words(stderr: str) -> str:
    """Return Helm's or kubectl's message without log lines, headers and repeated texts; further lines are indented."""
    said = read(stderr)
    text = "\n".join(dict.fromkeys(line.rstrip() for line in said.text.splitlines() if line.strip()))
    text = re.sub(r"^(?:Error|error): ", "", text, flags=re.MULTILINE)
    text = re.sub(r"^twister2-job:$", "", _SCHEMA_HEADER.sub("", text), flags=re.MULTILINE)
    text = re.sub(
        r"^(\s*)- at '/?([^']*)': ", lambda m: f"{m[1]}{m[2].replace('/', '.') or 'values'}: ", text, flags=re.MULTILINE
    )
    text = re.sub(r"^(\s*)- ", r"\1", text, flags=re.MULTILINE)
    if _EXECUTION.search(text):
        text = _EXECUTION.split(text)[-1]
    own = [line.strip() for line in _LOCAL.sub("", text).strip().splitlines() if line.strip()]
    lines = [short(line, LONGEST) for line in dict.fromkeys(line for line in own if not _BRANCH.search(line)) or own]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} lines more"]
    return "\n  ".join(lines)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names for a sentence: the first `most`, and the number of the others."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def short(text: str, most: int = 200) -> str:
    """Return a text of at most `most` characters: a longer one is cut in its middle, at blanks."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head, tail = text[: most * 2 // 3], text[len(text) - (most - most * 2 // 3 - 5) :]
    begin = head.rpartition(" ")[0] if " " in head[most // 3 :] else head
    end = tail.partition(" ")[2] if " " in tail[: most // 6] else tail
    return f"{begin.rstrip(' ,;:')} ... {end}"
