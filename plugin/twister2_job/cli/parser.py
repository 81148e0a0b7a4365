"""Parses the command line: the options that every command has, and those of the given command."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Sequence

from .. import __version__
from .registry import COMMANDS, GROUPS, Row, command_in


def _add_common(to: argparse.ArgumentParser, *, before: bool) -> None:
    """Add the options that may stand before or after the command; the one after it overrides the one before.

    Args:
        to: The parser.
        before: Whether the parser reads the words before the command; that one has the defaults.
    """
    text, flag = ("", False) if before else (argparse.SUPPRESS, argparse.SUPPRESS)
    to.add_argument("-n", "--namespace", default=text, help="namespace (default: the kubeconfig's)")
    to.add_argument("--kube-context", default=text, help="context of the kubeconfig")
    to.add_argument("--kubeconfig", default=text, help="path of a kubeconfig")
    to.add_argument("--debug", action="store_true", default=flag, help="show the commands that are run, and tracebacks")


class _Parser(argparse.ArgumentParser):
    """The parser of the whole command line, whose help lists the commands in groups."""

    def format_help(self) -> str:
        """Return the help."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for group in GROUPS:
            formatter.start_section(group)
            for row in (row for row in COMMANDS.values() if row.group == group):
                formatter.add_argument(argparse.Action([], row.name, metavar=row.name, help=row.summary))
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments(action for action in self._actions if action.option_strings)
        formatter.end_section()
        return formatter.format_help()


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the command in `words`; without one, the parser of all commands."""
    given = command_in(words)
    return build([given], [given]) if given else build(COMMANDS.values(), COMMANDS.values())


def build(rows: Iterable[Row], known: Collection[Row]) -> argparse.ArgumentParser:
    """Return the parser of some commands.

    Args:
        rows: The commands.
        known: Those that are imported for their options; the parser knows only the names of the others.
    """
    # No abbreviations, as after the command: `--kube` could mean either of two options.
    top = _Parser(
        prog="twister2-job", description="Run Twister2 jobs on Kubernetes and reach their workers.", allow_abbrev=False
    )
    top.add_argument("--version", action="version", version=f"twister2-job {__version__}")
    _add_common(top, before=True)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog="twister2-job", parser_class=argparse.ArgumentParser
    )
    for row in rows:
        # No abbreviations: `--force` means --force-conflicts only until another option begins with it.
        added = commands.add_parser(row.name, help=row.summary, description=row.summary, allow_abbrev=False)
        if row not in known:
            continue
        _add_common(added, before=False)
        command = row.load()
        if command.names_job:
            added.add_argument("name", metavar="NAME", help="name of the job: the Helm release")
        command.options(added)
    return top


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; end the program if it has unknown or missing words.

    Raises:
        UsageError: Two options contradict each other.
    """
    given = command_in(words)
    if given:
        top = build([given], [given])
    else:  # Help, the version, or a mistake: names are enough, except for commands that stand anywhere in the line.
        top = build(COMMANDS.values(), [row for row in COMMANDS.values() if row.name in words])
    arguments, rest = top.parse_known_args(words)
    command = COMMANDS[arguments.command].load()
    if rest := command.rest(arguments, rest):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    command.check(arguments)
    return arguments
