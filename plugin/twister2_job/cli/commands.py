"""The commands: call the Python API and print what comes back."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from ..clients.signals import until_signalled
from ..exposure.model import JobAddresses
from ..exposure.nodes import INSIDE_ONLY
from ..job import AsyncJob, list_jobs_async
from . import output
from .address import print_addresses, say


async def try_addresses(report: JobAddresses) -> None:
    """Tell whether the echo worker answers at the addresses from here, and if not, which command leads to it."""
    from ..reach.probe import MOST, ask_all

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


async def command_change(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Install, upgrade, pin or unpin, then print the addresses and publish them."""
    options: dict[str, Any] = {
        "chart": arguments.chart,
        "timeout": arguments.timeout,
        "rollback_on_failure": arguments.rollback_on_failure,
        "publish": False,  # After they are printed: nobody waits for it.
    }
    if arguments.command in ("install", "upgrade"):
        options["arguments"] = arguments.arguments or []
        options["force_conflicts"] = arguments.force_conflicts
    if arguments.command == "install":
        report = await job.install(create_namespace=arguments.create_namespace, **options)
    elif arguments.command == "upgrade":
        report = await job.upgrade(**options)
    elif arguments.command == "pin":
        report = await job.pin(file=arguments.file or f"{arguments.name}-ports.yaml", **options)
    else:
        report = await job.unpin(**options)
    if arguments.output != "plain" or _exposed(report):
        print_addresses(report, arguments)
    sys.stdout.flush()
    await job.try_publish(report)
    if arguments.command in ("install", "upgrade"):
        await try_addresses(report)  # It waits until they answer: a node port may open a second late.
    return 0


def _exposed(report: JobAddresses) -> bool:
    return any(a.state == "available" and a.address for a in report.all())


async def command_run(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Run one of the commands for Twister2's own jobs."""
    from . import twister2_commands

    def show(report: JobAddresses) -> None:
        """Print the addresses of a job that is exposed."""
        if arguments.output in ("json", "yaml") or _exposed(report):
            print_addresses(report, arguments)
            sys.stdout.flush()

    if arguments.command == "submit":
        return await twister2_commands.submit(job, arguments, show)
    if arguments.command == "rerun":
        return await twister2_commands.rerun(job, arguments, show)
    return await (twister2_commands.wait if arguments.command == "wait" else twister2_commands.kill)(job, arguments)


async def command_follow(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Print or publish the addresses, each time they change, until the user ends it."""
    from ..exposure.follow import changes

    last: JobAddresses | None = None
    async for report in job.follow(address_type=getattr(arguments, "address_type", "")):
        if arguments.command == "publish":
            await job.publish(report)
            say(f"published {sum(a.state == 'available' for a in report.all())} addresses")
            continue
        shown = output.narrowed(report, worker=arguments.worker, port=arguments.port)
        if arguments.output in ("json", "yaml"):
            print(output.structured(shown.to_dict(), arguments.output, line=True), flush=True)
        elif lines := changes(last, shown):
            print("\n".join(lines), flush=True)
        last = shown
    return 0


async def command_check(job: AsyncJob, arguments: argparse.Namespace) -> int:
    """Connect to every address and tell what came of it."""
    from ..reach import check

    report = await job.addresses()
    result = await check.check(
        report, expect=arguments.expect, timeout=arguments.timeout, worker_port=arguments.worker_port
    )
    table = arguments.output == "table"
    print(output.check_table(result) if table else output.structured(result.to_dict(), arguments.output))
    check.require(result)
    return 0


async def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    where = {key: getattr(arguments, key) for key in ("namespace", "kube_context", "kubeconfig")}
    if arguments.command == "chart":
        from ..release.chart import packaged

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
    if arguments.command in ("install", "upgrade", "pin", "unpin"):
        return await command_change(job, arguments)
    if arguments.command in ("submit", "wait", "kill", "rerun"):
        return await command_run(job, arguments)
    if getattr(arguments, "watch", False):
        return await command_follow(job, arguments)
    if arguments.command == "address":
        print_addresses(await job.addresses(address_type=arguments.address_type), arguments)
    elif arguments.command == "publish":
        report = await job.addresses()
        await job.publish(report)
        say(f"published {sum(a.state == 'available' for a in report.all())} addresses")
    elif arguments.command == "check":
        return await command_check(job, arguments)
    elif arguments.command == "forward":
        from ..reach.forward import forward

        await forward(
            job.connection, job.name, worker=arguments.worker, port=arguments.port, local=arguments.local, say=say
        )
    elif arguments.command == "status":
        status = await job.status()
        table = arguments.output == "table"
        for warning in status.addresses.warnings if table else ():
            say(warning)
        print(output.status_table(status) if table else output.structured(status.to_dict(), arguments.output))
    else:
        await job.uninstall(wait=arguments.wait, timeout=arguments.timeout)
        say(f"job {arguments.name} is uninstalled")
    return 0


def show_commands() -> None:
    """Tell on standard error every command that is run, and what Helm warns of; a standard input is never shown."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("twister2-job: %(message)s"))
    log = logging.getLogger("twister2_job")
    log.handlers[:], log.propagate = [handler], False
    log.setLevel(logging.DEBUG)


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was parsed and return its exit code."""
    if arguments.debug:
        show_commands()
    return asyncio.run(until_signalled(dispatch(arguments)))
