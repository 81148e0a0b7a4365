"""The command line's words: every command with its options."""

from __future__ import annotations

import argparse
import re
from typing import Any

from . import __version__

VALUE_OPTIONS = ("-f", "--values", "--set", "--set-string", "--set-json", "--set-file", "--set-literal")
FLAGS = ("--reuse-values", "--reset-values", "--reset-then-reuse-values")
FORMS = ("table", "json", "yaml", "plain", "env")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Verbatim(argparse.Action):
    """Collects Helm's own options in the order in which they were given, to be handed on as they are."""

    def __call__(self, _parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Append the option, and its value if it has one."""
        given = [option or ""] if self.nargs == 0 else [option or "", str(values)]
        namespace.arguments = [*(namespace.arguments or []), *given]


def seconds(text: str) -> float:
    """Return a duration in seconds: a number of seconds, or 90s, 5m, 1h30m as Helm has it."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write seconds, or 90s, 5m, 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def port_number(text: str) -> int:
    """Return a TCP port number."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number; write 1 to 65535")
    return int(text)


class Commands:
    """Builds the parser, one method for each group of commands."""

    def __init__(self) -> None:
        """Make the options that several commands share."""
        self.common = argparse.ArgumentParser(add_help=False)
        self.common.add_argument("-n", "--namespace", default="", help="namespace (default: the kubeconfig's)")
        self.common.add_argument("--kube-context", default="", help="context of the kubeconfig")
        self.common.add_argument("--kubeconfig", default="", help="path of a kubeconfig")
        self.common.add_argument("--debug", action="store_true", help="show tracebacks")
        self.rollout = argparse.ArgumentParser(add_help=False)
        self.rollout.add_argument(
            "--chart", default="", help="folder or .tgz of another chart (default: the packaged one)"
        )
        self.rollout.add_argument(
            "--timeout", type=seconds, default=300.0, help="time until the workers must be ready (300, 5m)"
        )
        self.rollout.add_argument("--rollback-on-failure", action="store_true", help="undo also when the time is out")
        self.top = argparse.ArgumentParser(
            prog="twister2-job", description="Run Twister2 jobs on Kubernetes and reach their workers."
        )
        self.top.add_argument("--version", action="version", version=f"twister2-job {__version__}")
        self.added = self.top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(self, name: str, text: str, *parents: argparse.ArgumentParser, job: bool = True) -> Any:
        """Add a command; most take the name of a job."""
        added = self.added.add_parser(name, help=text, description=text, parents=[self.common, *parents])
        if job:
            added.add_argument("name", metavar="NAME", help="name of the job: the Helm release")
        return added

    @staticmethod
    def printed(to: argparse.ArgumentParser, *forms: str) -> None:
        """Add `-o`."""
        to.add_argument("-o", "--output", choices=forms, default="table", help="form of the output (default: table)")

    @staticmethod
    def one_worker(to: argparse.ArgumentParser) -> None:
        """Add the choice of a worker and a port."""
        to.add_argument("--worker", type=int, metavar="ID", help="only this worker")
        to.add_argument("--port", default="", metavar="NAME", help="only this port of the workers")

    def release(self) -> None:
        """Add the commands that change a release."""
        values = argparse.ArgumentParser(add_help=False)
        for option in VALUE_OPTIONS[2:]:
            values.add_argument(option, action=Verbatim, dest="arguments", metavar="KEY=VALUE", help=f"Helm's {option}")
        values.add_argument(
            *VALUE_OPTIONS[:2], action=Verbatim, dest="arguments", metavar="FILE", help="Helm's --values"
        )
        install = self.command(
            "install", "Install a job, wait for its workers and print their addresses.", self.rollout, values
        )
        install.add_argument("--create-namespace", action="store_true", help="make the namespace if it is missing")
        upgrade = self.command(
            "upgrade", "Upgrade a job, wait for its workers and print their addresses.", self.rollout, values
        )
        for option in FLAGS:
            upgrade.add_argument(option, action=Verbatim, dest="arguments", nargs=0, help=f"Helm's {option}")
        pin = self.command("pin", "Make the node ports that a job has now its own, by an upgrade.", self.rollout)
        pin.add_argument("--file", default="", help="values file to write them to (default: NAME-ports.yaml)")
        unpin = self.command("unpin", "Take all fixed node ports out of a job's values, by an upgrade.", self.rollout)
        for one in (install, upgrade, pin, unpin):
            self.printed(one, *FORMS)
        remove = self.command("uninstall", "Remove a job and its Services.")
        remove.add_argument("--wait", action="store_true", help="until pods and Services are gone")
        remove.add_argument("--timeout", type=seconds, default=300.0, help="time for it (300, 5m)")

    def reading(self) -> None:
        """Add the commands that read."""
        address = self.command("address", "Print the addresses of a job's workers, best first.")
        self.printed(address, *FORMS)
        self.one_worker(address)
        address.add_argument("--first", action="store_true", help="only the best address")
        address.add_argument(
            "--address-type", default="", metavar="TYPE", help="node addresses of this type first: InternalIP, ..."
        )
        address.add_argument("--watch", action="store_true", help="go on, and print what changes")
        publish = self.command("publish", "Write the addresses into the job's ConfigMap, for its workers and others.")
        publish.add_argument("--watch", action="store_true", help="go on, and write them again when they change")
        self.printed(self.command("status", "Show release, workers and exposures of a job."), "table", "json", "yaml")
        every = self.command("list", "List the jobs, also those that Helm alone installed.", job=False)
        every.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
        self.printed(every, "table", "json", "yaml", "plain")
        self.command("chart", "Print the path of the packaged chart, for bare Helm.", job=False)

    def reaching(self) -> None:
        """Add the commands that connect to workers."""
        check = self.command("check", "Connect to every address from here and tell which answer, and who does.")
        self.printed(check, "table", "json", "yaml")
        check.add_argument(
            "--expect", default="", metavar="REGEX", help="what a worker must answer; {worker} is its ID"
        )
        check.add_argument("--timeout", type=seconds, default=3.0, help="time for each address (3, 500ms)")
        check.add_argument("--worker-port", action="store_true", help="connect to a Twister2 job's worker port too")
        forward = self.command("forward", "Lead a local port to a worker through the Kubernetes API.")
        self.one_worker(forward)
        forward.add_argument(
            "--local", type=port_number, default=0, metavar="PORT", help="local port (default: a free one)"
        )


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    commands = Commands()
    commands.release()
    commands.reading()
    commands.reaching()
    return commands.top
