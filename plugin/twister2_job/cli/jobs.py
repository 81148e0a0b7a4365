"""Commands that change a job: install, upgrade, pin, unpin and uninstall."""

from __future__ import annotations

from . import options
from .command import JobCommand

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported to parse a command line.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from ..errors import PendingError
    from ..exposure.model import Address, JobAddresses
    from ..job import AsyncJob

FLAGS = ("--reuse-values", "--reset-values", "--reset-then-reuse-values")
"""Helm's options that decide which values of the release an upgrade keeps."""


async def try_addresses(report: JobAddresses) -> None:
    """Say whether the echo worker answers at its addresses from here; if not, say which command leads to it."""
    from ..exposure.nodes import INSIDE_ONLY
    from ..reach.probe import MOST, ask_all
    from .suggestions import say

    outside = [address for address in report.all() if address.source not in INSIDE_ONLY]
    if report.mode != "echo" or not outside:
        return
    answers = await ask_all(outside)
    if not answers:
        return
    good = [answer for answer in answers if not answer.failure]
    if len(good) == len(answers):
        some = f"the first {len(good)} of {len(outside)}" if len(outside) > MOST else f"all {len(good)}"
        say(f"{some} addresses answer from here")
        return
    failures = "; ".join(f"{a.address.address}: {a.failure}" for a in answers if a.failure)
    say(f"{len(good)} of {len(answers)} addresses answer from here ({failures})")
    if not good:
        pod = next((w.pod for w in report.workers if w.ready), f"{report.job}-0-0")
        say(
            "the nodes are not reachable from this machine (kind or minikube on a Mac, a firewall), or they are still "
            f"learning of many new Services (`twister2-job check {report.job}` asks again); this command leads to a "
            f"worker at localhost:9000: kubectl --namespace {report.namespace} port-forward pod/{pod} 9000:worker"
        )


async def finish(job: AsyncJob, report: JobAddresses, arguments: argparse.Namespace, *, try_them: bool = False) -> int:
    """Print the addresses after a change and publish them, and return the exit code.

    Args:
        job: The job.
        report: Its addresses.
        arguments: The command line.
        try_them: Also say whether the addresses answer, and wait for them: a node port may open a second late.

    Raises:
        PendingError: A load balancer or proxy has no address yet, refuses one, or hides it; or the job's own routes
            can't be read. The release stays as it is.
    """
    import sys

    from ..exposure.balancers import late
    from ..exposure.unread import unknown
    from .printing import is_exposed, print_addresses

    if arguments.output != "plain" or is_exposed(report):
        print_addresses(report, arguments)
    sys.stdout.flush()
    await job.try_publish(report)  # After printing: the user need not wait for it.
    if try_them:
        await try_addresses(report)
    if waiting := late(report.all()):
        raise _unfinished(report.job, waiting)
    if error := unknown(report.job, report.unread):
        raise error
    return 0


def _unfinished(job: str, waiting: Sequence[Address]) -> PendingError:
    """Return the error for addresses that wait or don't work: about one that may still come, if there is any."""
    from ..errors import PendingError
    from ..exposure.gateway import UNKNOWN
    from .printing import remedy

    first = min(waiting, key=lambda a: (UNKNOWN in a.reason, a.state == "failed"))
    hint = remedy(job, first) or f"`twister2-job address {job} --watch` shows the address when it comes."
    what = "waits:"
    if UNKNOWN in first.reason:
        what = "an address is unknown:"
    elif first.state == "failed":
        what = "an address doesn't work:"
    if waiting[1:]:
        what = f"{len(waiting)} addresses wait for load balancers or proxies, or don't work, the first that of"
    return PendingError(f"The job {job} runs, and {what} {first.service}: {first.reason}.", hint)


def _rollout(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that `options.rollout` added, as keyword arguments of the Python API."""
    return {
        "chart": arguments.chart,
        "timeout": arguments.timeout,
        "rollback_on_failure": arguments.rollback_on_failure,
        "publish": False,
    }


class Install(JobCommand):
    """`install`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.rollout(to)
        options.values(to)
        options.force_conflicts(to)
        options.create_namespace(to)

    def run(self, arguments: argparse.Namespace) -> int:
        """Start the first programs, then import asyncio, which takes as long as they do."""
        from ..clients import prestarted
        from ..clients.connection import Connection
        from ..release import head_start

        connection = Connection.chosen(arguments.namespace, arguments.kube_context, arguments.kubeconfig)
        head_start.begin(connection, arguments.name, arguments.arguments or [], arguments.chart)
        try:
            return super().run(arguments)
        finally:
            prestarted.end()

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Install, and print the addresses."""
        report = await job.install(
            create_namespace=arguments.create_namespace,
            arguments=arguments.arguments or [],
            force_conflicts=arguments.force_conflicts,
            **_rollout(arguments),
        )
        return await finish(job, report, arguments, try_them=True)


class Upgrade(JobCommand):
    """`upgrade`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.rollout(to)
        options.values(to)
        options.force_conflicts(to)
        for option in FLAGS:
            to.add_argument(option, action=options.Verbatim, dest="arguments", nargs=0, help=f"Helm's {option}")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Upgrade, and print the addresses."""
        report = await job.upgrade(
            arguments=arguments.arguments or [],
            force_conflicts=arguments.force_conflicts,
            **_rollout(arguments),
        )
        return await finish(job, report, arguments, try_them=True)


class Pin(JobCommand):
    """`pin`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.rollout(to)
        to.add_argument("--file", default="", help="values file to write them to (default: NAME-ports.yaml)")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Pin, and print the addresses."""
        file = arguments.file or f"{arguments.name}-ports.yaml"
        return await finish(job, await job.pin(file=file, **_rollout(arguments)), arguments)


class Unpin(JobCommand):
    """`unpin`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.rollout(to)

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Unpin, and print the addresses."""
        return await finish(job, await job.unpin(**_rollout(arguments)), arguments)


class Uninstall(JobCommand):
    """`uninstall`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        to.add_argument("--wait", action="store_true", help="until pods and Services are gone")
        to.add_argument("--timeout", type=options.seconds, default=300.0, help="time for it (300, 5m)")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Uninstall."""
        await job.uninstall(wait=arguments.wait, timeout=arguments.timeout)
        job.say(f"job {arguments.name} is uninstalled")
        return 0
