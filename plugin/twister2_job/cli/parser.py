"""The command line's words: every command with its options."""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Sequence

from .. import __version__
from ..errors import UsageError

TYPE_CHECKING = False  # As in `typing`, whose import takes longer than all the rest of this module.
if TYPE_CHECKING:
    from typing import Any

VALUE_OPTIONS = ("-f", "--values", "--set", "--set-string", "--set-json", "--set-file", "--set-literal")
FLAGS = ("--reuse-values", "--reset-values", "--reset-then-reuse-values")
FORMS = ("table", "json", "yaml", "plain", "env")
LONGEST = 2**63 // 10**9
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Verbatim(argparse.Action):
    """Collects Helm's own options in the order in which they were given, to be handed on as they are."""

    def __call__(self, _parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Append the option, and its value if it has one."""
        given = [option or ""] if self.nargs == 0 else [option or "", str(values)]
        namespace.arguments = [*(namespace.arguments or []), *given]


def seconds(text: str) -> float:
    """Return a duration in seconds: a number of seconds, or 90s, 5m, 1h30m as Helm has it."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        found = float(text)
    elif not parts or "".join(a + b for a, b in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write seconds, or 90s, 5m, 1h30m")
    else:
        found = sum(float(number) * UNITS[unit] for number, unit in parts)
    if found > LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is more than the {LONGEST} s that Helm can count")
    return found


def port_number(text: str) -> int:
    """Return a TCP port number."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number; write 1 to 65535")
    return int(text)


class Commands:
    """Builds the parser, a method for each command; `NAMES` has their order in the help."""

    NAMES = (
        "install upgrade pin unpin uninstall submit wait kill rerun address publish status list chart check forward"
    ).split()

    def __init__(self) -> None:
        """Make the parser, without a command."""
        self.top = argparse.ArgumentParser(
            prog="twister2-job", description="Run Twister2 jobs on Kubernetes and reach their workers."
        )
        self.top.add_argument("--version", action="version", version=f"twister2-job {__version__}")
        self._added = self.top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str) -> None:
        """Add a command."""
        getattr(self, name)()

    @functools.cached_property
    def _common(self) -> argparse.ArgumentParser:
        """Return the options that every command has."""
        common = argparse.ArgumentParser(add_help=False)
        common.add_argument("-n", "--namespace", default="", help="namespace (default: the kubeconfig's)")
        common.add_argument("--kube-context", default="", help="context of the kubeconfig")
        common.add_argument("--kubeconfig", default="", help="path of a kubeconfig")
        common.add_argument("--debug", action="store_true", help="show the commands that are run, and tracebacks")
        return common

    def _command(self, name: str, text: str, *, job: bool = True) -> argparse.ArgumentParser:
        """Add a command; most take the name of a job."""
        # Without abbreviations: `--force` would mean --force-conflicts today, and something else tomorrow.
        added = self._added.add_parser(
            name, help=text, description=text, parents=[self._common], allow_abbrev=False
        )
        if job:
            added.add_argument("name", metavar="NAME", help="name of the job: the Helm release")
        return added

    @staticmethod
    def _printed(to: argparse.ArgumentParser, *forms: str) -> None:
        to.add_argument("-o", "--output", choices=forms, default="table", help="form of the output (default: table)")

    @staticmethod
    def _one_worker(to: argparse.ArgumentParser) -> None:
        to.add_argument("--worker", type=int, metavar="ID", help="only this worker")
        to.add_argument("--port", default="", metavar="NAME", help="only this port of the workers")

    @staticmethod
    def _chart(to: argparse.ArgumentParser) -> None:
        to.add_argument("--chart", default="", help="folder or .tgz of another chart (default: the packaged one)")

    def _rollout(self, to: argparse.ArgumentParser, *, undo: bool = True) -> None:
        """Add the options of a command that changes a release and then waits for its workers."""
        self._chart(to)
        to.add_argument("--timeout", type=seconds, default=300.0, help="time until the workers must be ready (300, 5m)")
        if undo:
            to.add_argument("--rollback-on-failure", action="store_true", help="undo also when the time is out")
        self._printed(to, *FORMS)

    @staticmethod
    def _values(to: argparse.ArgumentParser) -> None:
        """Add Helm's own options for values."""
        for option in VALUE_OPTIONS[2:]:
            to.add_argument(option, action=Verbatim, dest="arguments", metavar="KEY=VALUE", help=f"Helm's {option}")
        to.add_argument(*VALUE_OPTIONS[:2], action=Verbatim, dest="arguments", metavar="FILE", help="Helm's --values")

    @staticmethod
    def _force_conflicts(to: argparse.ArgumentParser) -> None:
        to.add_argument("--force-conflicts", action="store_true", help="take over fields that others have set (Helm 4)")

    @staticmethod
    def _create_namespace(to: argparse.ArgumentParser) -> None:
        to.add_argument("--create-namespace", action="store_true", help="make the namespace if it is missing")

    @staticmethod
    def _detach(to: argparse.ArgumentParser) -> None:
        to.add_argument("--detach", action="store_true", help="don't follow the job: return when its pods run")

    def install(self) -> None:
        """Add the command."""
        added = self._command("install", "Install a job, wait for its workers and print their addresses.")
        self._rollout(added)
        self._values(added)
        self._force_conflicts(added)
        self._create_namespace(added)

    def upgrade(self) -> None:
        """Add the command."""
        added = self._command("upgrade", "Upgrade a job, wait for its workers and print their addresses.")
        self._rollout(added)
        self._values(added)
        self._force_conflicts(added)
        for option in FLAGS:
            added.add_argument(option, action=Verbatim, dest="arguments", nargs=0, help=f"Helm's {option}")

    def pin(self) -> None:
        """Add the command."""
        added = self._command("pin", "Make the node ports that a job has now its own, by an upgrade.")
        self._rollout(added)
        added.add_argument("--file", default="", help="values file to write them to (default: NAME-ports.yaml)")

    def unpin(self) -> None:
        """Add the command."""
        self._rollout(self._command("unpin", "Take all fixed node ports out of a job's values, by an upgrade."))

    def uninstall(self) -> None:
        """Add the command."""
        added = self._command("uninstall", "Remove a job and its Services.")
        added.add_argument("--wait", action="store_true", help="until pods and Services are gone")
        added.add_argument("--timeout", type=seconds, default=300.0, help="time for it (300, 5m)")

    def submit(self) -> None:
        """Add the command."""
        added = self._command("submit", "Run a Twister2 job from a jar, and follow it to its end.")
        added.add_argument("jar", metavar="JAR", nargs="?", default="", help="path or URL of the jar")
        added.add_argument("--class", dest="worker_class", default="", metavar="CLASS", help="class of the workers")
        added.add_argument("--driver", default="", metavar="CLASS", help="class of the driver")
        added.add_argument(
            "--config", action="append", default=[], metavar="KEY=VALUE", help="a setting of Twister2; may be repeated"
        )
        added.add_argument("--package", default="", metavar="FILE", help="job package of Twister2's own client, no JAR")
        added.add_argument(
            "--url-secret", default="", metavar="NAME[:KEY]", help="Secret with the URL of the jar (or package), no JAR"
        )
        self._detach(added)
        self._rollout(added)
        self._values(added)
        self._force_conflicts(added)
        self._create_namespace(added)

    def wait(self) -> None:
        """Add the command."""
        added = self._command("wait", "Wait for the end of a Twister2 job; the exit code says how it ended.")
        added.add_argument("--timeout", type=seconds, default=None, help="time for it (300, 5m; default: no limit)")

    def kill(self) -> None:
        """Add the command."""
        added = self._command("kill", "End a Twister2 job: save its logs, end its pods, keep its Services and ports.")
        self._chart(added)
        added.add_argument("--logs", default="", metavar="FOLDER", help="folder for the logs (default: NAME-logs)")
        added.add_argument("--timeout", type=seconds, default=300.0, help="time for it (300, 5m)")

    def rerun(self) -> None:
        """Add the command."""
        added = self._command("rerun", "Run a Twister2 job again, with new pods and the same ports, and follow it.")
        self._detach(added)
        self._rollout(added, undo=False)

    def address(self) -> None:
        """Add the command."""
        added = self._command("address", "Print the addresses of a job's workers, best first.")
        self._printed(added, *FORMS)
        self._one_worker(added)
        added.add_argument("--first", action="store_true", help="only the best address")
        added.add_argument(
            "--address-type", default="", metavar="TYPE", help="node addresses of this type first: InternalIP, ..."
        )
        added.add_argument("--watch", action="store_true", help="go on, and print what changes")

    def publish(self) -> None:
        """Add the command."""
        added = self._command("publish", "Write the addresses into the job's ConfigMap, for its workers and others.")
        added.add_argument("--watch", action="store_true", help="go on, and write them again when they change")

    def status(self) -> None:
        """Add the command."""
        self._printed(self._command("status", "Show release, workers and exposures of a job."), "table", "json", "yaml")

    def list(self) -> None:
        """Add the command."""
        added = self._command("list", "List the jobs, also those that Helm alone installed.", job=False)
        added.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
        self._printed(added, "table", "json", "yaml", "plain")

    def chart(self) -> None:
        """Add the command."""
        self._command("chart", "Print the path of the packaged chart, for bare Helm.", job=False)

    def check(self) -> None:
        """Add the command."""
        added = self._command("check", "Connect to every address from here and tell which answer, and who does.")
        self._printed(added, "table", "json", "yaml")
        added.add_argument(
            "--expect", default="", metavar="REGEX", help="what a worker must answer; {worker} is its ID"
        )
        added.add_argument("--timeout", type=seconds, default=3.0, help="time for each address (3, 500ms)")
        added.add_argument("--worker-port", action="store_true", help="connect to a Twister2 job's worker port too")

    def forward(self) -> None:
        """Add the command."""
        added = self._command("forward", "Lead a local port to a worker through the Kubernetes API.")
        self._one_worker(added)
        added.add_argument(
            "--local", type=port_number, default=0, metavar="PORT", help="local port (default: a free one)"
        )


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of all commands, or of the one that `words` begin with: the others take their time too."""
    commands = Commands()
    for name in words[:1] if words and words[0] in commands.NAMES else commands.NAMES:
        commands.add(name)
    return commands.top


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line says; ends the program where it makes no sense.

    Raises:
        UsageError: Two options contradict each other.
    """
    top = parser(words)
    arguments, rest = top.parse_known_args(words)
    if arguments.command == "submit" and len(rest) == 1 and not (arguments.jar or rest[0].startswith("-")):
        arguments.jar = rest[0]  # Behind an option argparse no longer sees a word that may be left out.
    elif rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if arguments.command == "address":
        _check_address(arguments)
    return arguments


def _check_address(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options of `address` that contradict each other."""
    form, choice = arguments.output, arguments.worker is not None or arguments.port
    if form == "env" and (choice or arguments.first):
        raise UsageError("-o env lists the best address of everything.", "Leave --worker, --port and --first out.")
    if arguments.first and (arguments.watch or form in ("json", "yaml")):
        raise UsageError("--first prints one bare address.", "Leave it out, or use it with -o plain alone.")
