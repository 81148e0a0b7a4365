"""The command line: parses it, calls the Python API, prints what comes back."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from typing import Any

from . import __version__, output
from .errors import NotExposedError, PendingError, UsageError
from .job import AsyncJob, list_jobs_async
from .model import JobAddresses

VALUE_OPTIONS = ("-f", "--values", "--set", "--set-string", "--set-json", "--set-file", "--set-literal")
FLAGS = ("--reuse-values", "--reset-values", "--reset-then-reuse-values", "--skip-schema-validation")
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


def say(text: str) -> None:
    """Tell the user something that is not the result."""
    print(f"twister2-job: {text}", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-n", "--namespace", default="", help="Kubernetes namespace (default: the kubeconfig's)")
    common.add_argument("--kube-context", default="", help="context of the kubeconfig")
    common.add_argument("--kubeconfig", default="", help="path of a kubeconfig")
    common.add_argument("--debug", action="store_true", help="show tracebacks")
    change = argparse.ArgumentParser(add_help=False)
    change.add_argument("--chart", default="", help="folder or .tgz of another chart (default: the packaged one)")
    change.add_argument("--timeout", type=seconds, default=300.0, help="time until the workers must be ready (300, 5m)")
    change.add_argument("--rollback-on-failure", action="store_true", help="undo also when the time is out")
    for option in VALUE_OPTIONS[2:]:
        change.add_argument(option, action=Verbatim, dest="arguments", metavar="KEY=VALUE", help=f"Helm's {option}")
    change.add_argument(*VALUE_OPTIONS[:2], action=Verbatim, dest="arguments", metavar="FILE", help="Helm's --values")

    top = argparse.ArgumentParser(
        prog="twister2-job", description="Run Twister2 jobs on Kubernetes and reach their workers."
    )
    top.add_argument("--version", action="version", version=f"twister2-job {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, *parents: argparse.ArgumentParser, job: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        if job:
            added.add_argument("name", metavar="NAME", help="name of the job: the Helm release")
        return added

    def printed(to: argparse.ArgumentParser, *forms: str) -> None:
        to.add_argument("-o", "--output", choices=forms, default="table", help="form of the output (default: table)")

    forms = ("table", "json", "yaml", "plain", "env")
    install = command("install", "Install a job, wait for its workers and print their addresses.", change)
    install.add_argument("--create-namespace", action="store_true", help="make the namespace if it is missing")
    printed(install, *forms)
    upgrade = command("upgrade", "Upgrade a job, wait for its workers and print their addresses.", change)
    for option in FLAGS[:3]:
        upgrade.add_argument(option, action=Verbatim, dest="arguments", nargs=0, help=f"Helm's {option}")
    printed(upgrade, *forms)
    address = command("address", "Print the addresses of a job's workers, best first.")
    printed(address, *forms)
    address.add_argument("--first", action="store_true", help="only the best address")
    address.add_argument("--worker", type=int, metavar="ID", help="only those of this worker")
    address.add_argument("--port", default="", metavar="NAME", help="only those of this port")
    address.add_argument(
        "--address-type", default="", metavar="TYPE", help="node addresses of this type first: InternalIP, ..."
    )
    printed(command("status", "Show release, workers and exposures of a job."), "table", "json", "yaml")
    every = command("list", "List the jobs, also those that Helm alone installed.", job=False)
    every.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
    printed(every, "table", "json", "yaml", "plain")
    remove = command("uninstall", "Remove a job and its Services.")
    remove.add_argument("--wait", action="store_true", help="until pods and Services are gone")
    remove.add_argument("--timeout", type=seconds, default=300.0, help="time for it (300, 5m)")
    command("chart", "Print the path of the packaged chart, for bare Helm.", job=False)
    return top


def print_addresses(report: JobAddresses, arguments: argparse.Namespace) -> None:
    """Print addresses in the form asked for; raises if a form that lists available ones has none to list."""
    worker, port = getattr(arguments, "worker", None), getattr(arguments, "port", "")
    first, form = getattr(arguments, "first", False), arguments.output
    for warning in report.warnings:
        say(warning)
    if form in ("json", "yaml"):
        print(output.structured(report.to_dict(), form))
        return
    if form == "table" and worker is None and not port and not first:
        print(output.addresses_table(report))
        return
    if form == "env":
        print(output.addresses_env(report))
        return
    found = output.chosen(report, worker=worker, port=port)
    usable = [a.address for a in found if a.state == "available" and a.address]
    if not found:
        what = " ".join(
            [report.job, *([f"worker {worker}"] if worker is not None else []), *([f"port {port}"] if port else [])]
        )
        raise NotExposedError(
            f"There is no address of {what} outside the cluster.",
            f"`twister2-job address {report.job}` shows what is exposed; "
            f"`twister2-job upgrade {report.job} --set nodePort.enabled=true` exposes the job.",
        )
    if not usable:
        raise PendingError(f"Job {report.job}: {found[0].state}, {found[0].reason}.", "Try again in a moment.")
    print("\n".join(usable[:1] if first or worker is not None else usable))


async def try_addresses(report: JobAddresses) -> None:
    """Tell whether the echo worker answers at the addresses from here, and if not, which command leads to it."""
    from .probe import ask_all

    if report.mode != "echo" or not report.all():
        return
    answers = await ask_all(report.all())
    if not answers:
        return
    good = [answer for answer in answers if not answer.failure]
    if len(good) == len(answers):
        say(f"all {len(good)} addresses answer from here")
        return
    failures = "; ".join(f"{a.address.address}: {a.failure}" for a in answers if a.failure)
    say(f"{len(good)} of {len(answers)} addresses answer from here ({failures})")
    if not good:
        pod = next((w.pod for w in report.workers if w.ready), f"{report.job}-0-0")
        say(
            "the nodes are not reachable from this machine (kind or minikube on a Mac, a firewall); this command leads "
            f"to a worker at localhost:9000: kubectl --namespace {report.namespace} port-forward pod/{pod} 9000"
        )


async def command_change(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Install or upgrade, then print the addresses."""
    options: dict[str, Any] = {
        "arguments": arguments.arguments or [],
        "chart": arguments.chart,
        "timeout": arguments.timeout,
        "rollback_on_failure": arguments.rollback_on_failure,
    }
    if arguments.command == "install":
        options["create_namespace"] = arguments.create_namespace
    report = await (job.install(**options) if arguments.command == "install" else job.upgrade(**options))
    if arguments.output != "plain" or report.all():
        print_addresses(report, arguments)
    if arguments.command == "install":
        sys.stdout.flush()
        await try_addresses(report)
    return 0


async def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    where = {key: getattr(arguments, key) for key in ("namespace", "kube_context", "kubeconfig")}
    if arguments.command == "chart":
        from .chart import packaged

        print(packaged())
        return 0
    if arguments.command == "list":
        releases = await list_jobs_async(all_namespaces=arguments.all_namespaces, **where)
        if arguments.output == "plain":
            print("\n".join(release.name for release in releases))
        elif arguments.output == "table":
            print(output.releases_table(releases))
        else:
            print(output.structured([release.to_dict() for release in releases], arguments.output))
        return 0
    job = AsyncJob(arguments.name, say=say, **where)
    if arguments.command in ("install", "upgrade"):
        return await command_change(job, arguments)
    if arguments.command == "address":
        print_addresses(await job.addresses(address_type=arguments.address_type), arguments)
    elif arguments.command == "status":
        status = await job.status()
        table = arguments.output == "table"
        print(output.status_table(status) if table else output.structured(status.to_dict(), arguments.output))
    else:
        await job.uninstall(wait=arguments.wait, timeout=arguments.timeout)
        say(f"job {arguments.name} is uninstalled")
    return 0


def run(words: Sequence[str]) -> int:
    """Parse the command line and run it."""
    arguments = parser().parse_args(words)
    if getattr(arguments, "worker", None) is not None and arguments.output == "env":
        raise UsageError("--worker has no effect with -o env, which lists all workers.", "Leave one of them out.")
    return asyncio.run(dispatch(arguments))
