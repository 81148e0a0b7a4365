"""The table of commands, one row each. Only the module of the command that runs is imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; importing `typing` takes longer than the rest of this module.
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .command import Command

GROUPS = ("jobs", "addresses", "Twister2 jobs", "looking")
"""The headings in the help, in its order."""


class Row:
    """One command.

    Attributes:
        name: Its name on the command line.
        group: Its heading in the help, one of `GROUPS`.
        summary: What it does, in a sentence.
        module: Name of its module in this folder.
        kind: Name of its class in that module.
        changes: Whether something goes on or is left after an interrupt, such as the job that `wait` follows.
    """

    def __init__(self, name: str, group: str, summary: str, place: str, *, changes: bool = False) -> None:
        """Store what the help and the parser need; `place` is `module:Class`."""
        self.name, self.group, self.summary, self.changes = name, group, summary, changes
        self.module, _, self.kind = place.partition(":")

    def load(self) -> Command:
        """Import the command."""
        name = f"{__package__}.{self.module}"
        __import__(name)  # Not importlib.import_module: importlib would have to be imported first.
        made: Command = getattr(sys.modules[name], self.kind)()
        return made


_ROWS = (
    Row(
        "install", "jobs", "Install a job, wait for its workers and print their addresses.", "jobs:Install",
        changes=True,
    ),
    Row(
        "upgrade", "jobs", "Upgrade a job, wait for its workers and print their addresses.", "jobs:Upgrade",
        changes=True,
    ),
    Row("pin", "jobs", "Make the node ports that a job has now its own, by an upgrade.", "jobs:Pin", changes=True),
    Row(
        "unpin", "jobs", "Take all fixed node ports out of a job's values, by an upgrade.", "jobs:Unpin", changes=True
    ),
    Row("uninstall", "jobs", "Remove a job and its Services.", "jobs:Uninstall", changes=True),
    Row("address", "addresses", "Print the addresses of a job's workers, best first.", "addresses:Address"),
    Row(
        "publish", "addresses", "Write the addresses into the job's ConfigMap, for its workers and others.",
        "addresses:Publish",
    ),
    Row(
        "check", "addresses", "Connect to every address from here and tell which answer, and who does.",
        "addresses:Check",
    ),
    Row("forward", "addresses", "Lead a local port to a worker through the Kubernetes API.", "addresses:Forward"),
    Row(
        "submit", "Twister2 jobs", "Run a Twister2 job from a jar, and follow it to its end.", "twister2:Submit",
        changes=True,
    ),
    Row(
        "wait", "Twister2 jobs", "Wait for the end of a Twister2 job; the exit code says how it ended.",
        "twister2:Wait", changes=True,
    ),
    Row(
        "kill", "Twister2 jobs", "End a Twister2 job: save its logs, end its pods, keep its Services and ports.",
        "twister2:Kill", changes=True,
    ),
    Row(
        "rerun", "Twister2 jobs", "Run a Twister2 job again, with new pods and the same ports, and follow it.",
        "twister2:Rerun", changes=True,
    ),
    Row("status", "looking", "Show release, workers and exposures of a job.", "looking:Status"),
    Row("list", "looking", "List the jobs, also those that Helm alone installed.", "looking:List"),
    Row("chart", "looking", "Print the path of the packaged chart, for bare Helm.", "looking:Chart"),
)  # fmt: skip

COMMANDS = {row.name: row for row in _ROWS}
"""The rows by name, in the order of the help."""
_WITH_VALUE = ("-n", "--namespace", "--kube-context", "--kubeconfig")
_WITHOUT_VALUE = ("--debug",)
"""Options that may stand before the command."""


def command_in(words: Iterable[str]) -> Row | None:
    """Return the command in a command line; None if there is none, or if a request for help stands before it."""
    remaining = iter(words)
    for word in remaining:
        if word in _WITH_VALUE:
            next(remaining, None)
        elif word not in _WITHOUT_VALUE and not word.startswith(tuple(f"{option}=" for option in _WITH_VALUE[1:])):
            if not word.startswith("-n"):
                return COMMANDS.get(word)
    return None
