"""Completion of a command line, by argcomplete: imported only when a shell, Helm or kubectl asks for it."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from argcomplete.finders import CompletionFinder
from argcomplete.lexers import split_line

from ..clients import names
from ..clients.connection import Connection
from .parser import build
from .registry import COMMANDS, command_in

FILES = ("kubeconfig", "chart", "file", "logs", "package", "jar")
"""Names (`dest`) of arguments whose values are paths."""
FILE_OPTIONS = ("-f", "--values")
NO_SPACE, NO_FILES = 2, 4
"""Directives of Cobra that Helm and kubectl understand: the shell adds no space after a completion; the shell offers no
files in addition."""

Completer = Callable[..., Iterable[str]]


def _connection(given: Namespace) -> Connection:
    chosen = (getattr(given, key, None) or "" for key in ("namespace", "kube_context", "kubeconfig"))
    return Connection.chosen(*chosen)


def _cluster_words(read: Callable[[Connection, str], Iterable[str]]) -> Completer:
    """Return a completer that reads the cluster; it completes nothing if the cluster can't be read."""

    def complete(parsed_args: Namespace, **_: object) -> list[str]:
        try:
            return [*read(_connection(parsed_args), getattr(parsed_args, "name", None) or "")]
        except Exception:  # Of any kind (a kubectl that prints no JSON): a shell can't show it during completion.
            return []

    return complete


def _workers(connection: Connection, job: str) -> Sequence[Mapping[str, Any]]:
    """Return the objects that the table of workers is made of, without Services, of which there may be thousands."""
    from ..exposure.snapshot import read_cluster

    return read_cluster(connection, job, lambda: None, only_workers=True, limit=names.LIMIT).objects


def _worker_ids(connection: Connection, job: str) -> list[str]:
    from ..exposure.workers import table

    return [str(worker.id) for worker in table(_workers(connection, job))]


def _port_names(connection: Connection, job: str) -> list[str]:
    from ..exposure.workers import port_names

    return port_names(_workers(connection, job))


def _address_types(**_: object) -> Sequence[str]:
    from ..exposure.nodes import ADDRESS_TYPES

    return ADDRESS_TYPES


def _nothing(**_: object) -> Sequence[str]:
    return ()


_COMPLETERS: dict[str, Completer] = {
    "namespace": _cluster_words(lambda connection, _: names.namespaces(connection)),
    "kube_context": _cluster_words(lambda connection, _: names.contexts(connection)),
    "name": _cluster_words(lambda connection, _: names.jobs(connection)),
    "worker": _cluster_words(_worker_ids),
    "port": _cluster_words(_port_names),
    "address_type": _address_types,
}
"""The completers by the argument's name (`dest`); all other arguments are paths, have choices, or are free text."""


def _attach(parser: ArgumentParser) -> None:
    """Set the completer of each argument of a parser."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for command in action.choices.values():
                _attach(command)
        elif action.choices is None and not _is_path(action):
            action.completer = _COMPLETERS.get(action.dest, _nothing)  # type: ignore[attr-defined]


def _is_path(action: Action) -> bool:
    return action.dest in FILES or any(option in FILE_OPTIONS for option in action.option_strings)


class _Finder(CompletionFinder):
    """argcomplete's finder, which here does not take descriptor 9 for its debug output."""

    def _init_debug_stream(self) -> None:
        """Open no debug output."""


def _parser(words: Sequence[str]) -> ArgumentParser:
    """Return the parser of all commands, with the options of the command in `words`."""
    given = command_in(words)
    parser = build(COMMANDS.values(), [given] if given else [])
    _attach(parser)
    return parser


def from_shell() -> NoReturn:
    """Complete the line that a shell asks for, by the protocol of `register-python-argcomplete`; end the program."""
    line, point = os.environ.get("COMP_LINE", ""), int(os.environ.get("COMP_POINT", "0"))
    start = int(os.environ.get("_ARGCOMPLETE", "1") or "1")
    words = split_line(line, point)[3]
    CompletionFinder()(_parser(words[start:]), always_complete_options=False)
    os._exit(1)


def from_program(words: Sequence[str]) -> str:
    """Return the output that Helm and kubectl expect of a plugin: a line for each completion, then a directive.

    Args:
        words: The command line without the program; its last word, which may be empty, is to be completed.
    """
    line, last = shlex.join(["twister2-job", *words[:-1]]), words[-1] if words else ""
    line = f"{line} {shlex.quote(last) if last else ''}"
    os.environ |= {
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_DFS": "\t",  # Between a completion and its description.
        "_ARGCOMPLETE_SHELL": "fish",  # argcomplete quotes no completion for this shell.
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
    }
    found = io.StringIO()
    with contextlib.suppress(SystemExit):  # The finder ends by raising it.
        _Finder()(_parser(words[:-1]), always_complete_options=False, exit_method=sys.exit, output_stream=found)
    lines = [line.rstrip() for line in found.getvalue().splitlines()]
    directive = NO_FILES + (NO_SPACE if any(line.endswith("/") for line in lines) else 0)  # A folder's path goes on.
    return "".join(f"{line}\n" for line in [*lines, f":{directive}"])


def for_programs() -> int:
    """Complete for `helm twister2-job` and, as the program `kubectl_complete-twister2_job`, for kubectl."""
    if sys.stdout:  # It may be closed.
        sys.stdout.write(from_program(sys.argv[1:]))
    return 0
