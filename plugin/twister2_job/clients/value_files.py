"""Checks the files of Helm's value options, and makes inputs that can be read only once readable for every run of Helm.

Helm runs several times for one command, and we use its standard input. So a pipe, standard input or `<(...)` is read
once, into a file without a name; each run of Helm inherits its descriptor and opens it as /dev/fd/N.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType

from ..errors import NoClusterError, ValuesError
from .input_file import Source, read, source_of

LIMIT = 16 * 2**20
"""The most bytes of a values file, of a file of --set-file, and of all inputs together that can be read only once.

A Secret of 1 MiB has to hold the release with its values, compressed to about a tenth: more never fits.
"""
LOWEST = 20
"""The lowest descriptor that Helm inherits: a script around Helm may use the first ones itself."""
FILES, SET_FILE = ("-f", "--values"), "--set-file"
OTHERS = ("--set", "--set-string", "--set-json", "--set-literal")
REMEDY = "A release holds about 1 MiB, packed: put large data elsewhere."

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')
_KEY = re.compile(r"(?:\\.|\[(?:\\.|[^\]\\])*\]|[^=\\\[,])*=", re.DOTALL)
_WORD = re.compile(r"(?:\\.|[^,\\])*\\?", re.DOTALL)
_LISTED = re.compile(r"(?:\\.|[^,}\\])*", re.DOTALL)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Inputs:
    """Value options for Helm, with the descriptors that it inherits for them; a context manager that closes these.

    Attributes:
        arguments: The options; each path that can be read only once is replaced by a /dev/fd/N.
        descriptors: The descriptors that every run of Helm with `arguments` has to inherit (`pass_fds`).
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Store the options, unchanged so far."""
        self.arguments = list(arguments)
        self.descriptors: tuple[int, ...] = ()
        self._words: dict[int, str] = {}
        self._content: dict[tuple[int, int], tuple[int, bytes]] = {}

    def shown(self, text: str) -> str:
        """Return a message of Helm with each /dev/fd/N replaced by the path that the user gave."""
        return re.sub(r"/dev/fd/(\d+)", lambda found: self._words.get(int(found[1]), found[0]), text)

    def close(self) -> None:
        """Close the descriptors; the content is gone when the last Helm that has them ends."""
        numbers, self.descriptors = self.descriptors, ()
        for number in numbers:
            with contextlib.suppress(OSError):
                os.close(number)

    def __enter__(self) -> Inputs:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the descriptors."""
        self.close()

    async def _path(self, path: str, what: str, deadline: float | None, hint: str) -> str:
        """Return the path at which Helm reads the input that the user names by `path`."""
        if _SCHEME.match(path) and not os.path.lexists(path):
            return path  # A URL: Helm or one of its plugins fetches it.
        source, text = source_of(path, what, ValuesError, hint), what == "values file"
        if not source.once:
            content = await read(source, LIMIT, deadline=deadline, remedy=REMEDY)
            check_text(source, content if text else b"")
            return path
        if source.key not in self._content:
            content = await read(source, LIMIT, deadline=deadline, remedy=REMEDY)
            if sum(len(other) for _, other in self._content.values()) + len(content) > LIMIT:
                raise ValuesError(
                    f"{source} and what was read before it have more than {LIMIT // 2**20} MiB together.", REMEDY
                )
            self._content[source.key] = self._descriptor(content, source, path), content
        elif sys.platform != "linux":
            content = self._content[source.key][1]
            self._content[source.key] = self._descriptor(content, source, path), content
        number, content = self._content[source.key]
        check_text(source, content if text else b"")
        return f"/dev/fd/{number}"

    def _descriptor(self, content: bytes, source: Source, path: str) -> int:
        """Return a descriptor of the content that the user names by `path`."""
        number = keep(content, source)
        self.descriptors += (number,)
        self._words[number] = path
        return number


async def take(arguments: Sequence[str], *, deadline: float | None = None) -> Inputs:
    """Check the files that Helm's value options name, and read those that can be read only once.

    The paths of ordinary files and URLs stay as they are. A source that is named twice is read once, and has the same
    content in both places. Two FIFOs, or two `<(...)`, are two sources.

    Args:
        arguments: Helm's value options, in any form that Helm takes: `-f a.yaml,b.yaml`, `--values=-`, `-fa.yaml`,
            `--set-file key=path,other=path`. Other options stay unchanged.
        deadline: The end of the time for reading, on the clock of `time.monotonic`; None means no limit.

    Raises:
        ValuesError: A file is missing or can't be read, is a folder or a device, is too large, or is a values file
            without text; or standard input is closed.
        OutOfTimeError: A source did not come to its end in time.
    """
    inputs = Inputs(arguments)
    try:
        for index, start, option in _file_options(arguments):
            word = arguments[index]
            values = option in FILES
            spans = _csv_paths(word, start) if values else _set_file_paths(word, start)
            what = "values file" if values else f"file of {SET_FILE}"
            hint = "Check the path." if len(spans) < 2 else "Check the path: a comma ends it."
            done, given = 0, ""
            for begin, end, path in spans:
                other = await inputs._path(path, what, deadline, hint)
                given += word[done:begin] + (word[begin:end] if other == path else other)
                done = end
            inputs.arguments[index] = given + word[done:]
    except BaseException:
        inputs.close()
        raise
    inputs._content.clear()
    return inputs


def keep(content: bytes, source: Source) -> int:
    """Return a descriptor of the content, in memory or in a file without a name, which vanishes with its last user.

    Args:
        content: The content.
        source: Its source, for the error.

    Raises:
        JobError: Of the source's class: there is no descriptor or no space for it.
    """
    try:
        import fcntl  # Not on Windows.

        number = _unnamed()
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(number, rest) :]
            os.lseek(number, 0, os.SEEK_SET)
            return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, LOWEST)
        finally:
            os.close(number)
    except (ImportError, OSError) as problem:
        why = getattr(problem, "strerror", "") or "this system has no /dev/fd"
        raise source.error(f"{source} can't be kept for Helm: {why}.", "Write it to a file, and give that.") from None


def _unnamed() -> int:
    """Return the descriptor of a new file that has no name."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # A sandbox may refuse it.
            return os.memfd_create("twister2-job")
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def check_text(source: Source, content: bytes) -> None:
    """Raise an error of the source's class unless `content` is text that YAML may hold."""
    if content.startswith(_UTF16):
        return  # Helm 3 accepts it, and Helm 4 refuses it with a message.
    found = _NO_TEXT.search(content)
    at = found.start() if found else len(content)
    try:
        content[:at].decode()
    except UnicodeDecodeError as problem:
        at = problem.start
    if at < len(content):
        line = content.count(b"\n", 0, at) + 1
        raise source.error(
            f"{source} is no text in YAML: line {line} holds the byte 0x{content[at]:02x}.",
            "Give a file of values, in UTF-8.",
        )


def check_kubeconfig(path: str = "") -> None:
    """Refuse a kubeconfig that Helm and kubectl could not all read; it is not read here.

    Args:
        path: The path given by --kubeconfig; empty means the files of KUBECONFIG, each of which may be missing.

    Raises:
        NoClusterError: It is missing, a folder, or can be read only once: a pipe, or a descriptor of this process.
    """
    option = "--kubeconfig" if path else "KUBECONFIG"
    for one in [path] if path else os.environ.get("KUBECONFIG", "").split(os.pathsep):
        if not path and not (one and os.path.exists(one)):
            continue
        source = source_of(one, "kubeconfig", NoClusterError, f"Check {option}.", "Give a file.")
        if source.once:
            raise NoClusterError(
                f"{source} can be read only once, and Helm and kubectl have to read it several times.",
                f"Write it to a file that only you may read, and name that in {option}.",
            )
        if not os.access(one, os.R_OK):
            raise NoClusterError(f"{source} can't be read: you may not.", "Check its permissions.")


def _file_options(arguments: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield for each option that names files: index of the word with its value, the value's start in it, the option."""
    words = enumerate(arguments)
    for index, word in words:
        if word == "--":
            return
        name, equals, _ = word.partition("=")
        if word in (*FILES, SET_FILE, *OTHERS):
            if (following := next(words, None)) and word not in OTHERS:
                yield following[0], 0, word
        elif equals and name in (*FILES, SET_FILE):
            yield index, len(name) + 1, name
        elif word.startswith("-f") and word[2:]:
            yield index, 2, "-f"


def _csv_paths(word: str, at: int) -> list[tuple[int, int, str]]:
    """Return the start, end and text of each path in a values option, a line of CSV."""
    found = []
    while word[at:]:
        field = _FIELD.match(word, at)
        assert field  # It may be empty.
        if word[field.end() : field.end() + 1] not in ("", ","):
            raise ValuesError(
                f"The values option {word!r} is no list of paths: it has a quote or a line break in a path.",
                'Write "a ""path""" for one with quotes, and "a,b" for one with a comma.',
            )
        quoted, plain = field[1], field[2]
        found.append((field.start(), field.end(), plain if quoted is None else quoted.replace('""', '"')))
        at = field.end() + 1
        if at == len(word):
            found.append((at, at, ""))
    return found


def _set_file_paths(word: str, at: int) -> list[tuple[int, int, str]]:
    """Return the paths of --set-file as `_csv_paths` does; the search ends at syntax that Helm refuses anyway."""
    found = []

    def add(match: re.Match[str]) -> int:
        path = re.sub(r"\\(.?)", r"\1", match[0], flags=re.DOTALL)
        if path:
            found.append((match.start(), match.end(), path))
        return match.end()

    while key := _KEY.match(word, at):
        at = key.end()
        if word[at : at + 1] != "{":
            at = add(_match(_WORD, word, at)) + 1
            continue
        while word[at : at + 1] in ("{", ","):
            at = add(_match(_LISTED, word, at + 1))
        at += 1
        if word[at : at + 1] == ",":
            at += 1
    return found


def _match(pattern: re.Pattern[str], word: str, at: int) -> re.Match[str]:
    found = pattern.match(word, at)
    assert found  # It may be empty.
    return found
