"""Commands for the addresses of a job's workers: address, publish, check and forward."""

from __future__ import annotations

from . import options
from .command import JobCommand

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported before kubectl runs.
if TYPE_CHECKING:
    import argparse

    from ..exposure.model import JobAddresses
    from ..job import AsyncJob


def _say_published(job: AsyncJob, report: JobAddresses) -> None:
    job.say(f"published {sum(a.state == 'available' for a in report.all())} addresses")


class Address(JobCommand):
    """`address`; it avoids importing asyncio unless it watches, since scripts run it often."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.output(to, *options.FORMS)
        options.one_worker(to)
        to.add_argument("--first", action="store_true", help="only the best address")
        to.add_argument(
            "--address-type", default="", metavar="TYPE", help="node addresses of this type first: InternalIP, ..."
        )
        to.add_argument("--watch", action="store_true", help="go on, and print what changes")

    def check(self, arguments: argparse.Namespace) -> None:
        """Raise UsageError for options that contradict each other."""
        from ..errors import UsageError

        form, choice = arguments.output, arguments.worker is not None or arguments.port
        if form == "env" and (choice or arguments.first):
            raise UsageError("-o env lists the best address of everything.", "Leave --worker, --port and --first out.")
        if arguments.first and (arguments.watch or form in ("json", "yaml")):
            raise UsageError("--first prints one bare address.", "Leave it out, or use it with -o plain alone.")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the addresses, read without asyncio; with --watch or --debug in an event loop."""
        if arguments.watch or arguments.debug:
            return super().run(arguments)
        from ..clients.connection import Connection
        from ..exposure.snapshot import addresses

        def import_forms() -> None:
            """Import the modules that print addresses: that takes as long as kubectl takes to answer."""
            from . import output, printing  # noqa: F401

        connection = Connection.chosen(arguments.namespace, arguments.kube_context, arguments.kubeconfig)
        chosen = arguments.address_type
        report = addresses(connection, arguments.name, address_type=chosen, meanwhile=import_forms)
        from .printing import print_addresses

        print_addresses(report, arguments)
        return 0

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Print the addresses, and with --watch each time they change, until the user ends it."""
        from .printing import print_addresses

        if not arguments.watch:
            print_addresses(await job.addresses(address_type=arguments.address_type), arguments)
            return 0
        from .output import changed_addresses, narrowed, structured

        last: JobAddresses | None = None
        async for report in job.follow(address_type=arguments.address_type):
            shown = narrowed(report, worker=arguments.worker, port=arguments.port)
            if arguments.output in ("json", "yaml"):
                print(structured(shown.to_dict(), arguments.output, line=True), flush=True)
            elif lines := changed_addresses(last, shown):
                print("\n".join(lines), flush=True)
            last = shown
        return 0


class Publish(JobCommand):
    """`publish`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        to.add_argument("--watch", action="store_true", help="go on, and write them again when they change")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Publish the addresses, and with --watch each time they change, until the user ends it."""
        from ..exposure.unread import unknown

        if not arguments.watch:
            report = await job.publish()
            _say_published(job, report)
            if error := unknown(report.job, report.unread):
                raise error
            return 0
        async for report in job.follow():
            _say_published(job, await job.publish(report))
        return 0


class Check(JobCommand):
    """`check`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.output(to, "table", "json", "yaml")
        to.add_argument("--expect", default="", metavar="REGEX", help="what a worker must answer; {worker} is its ID")
        to.add_argument("--timeout", type=options.seconds, default=3.0, help="time for each address (3, 500ms)")
        to.add_argument("--worker-port", action="store_true", help="connect to a Twister2 job's worker port too")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Connect to every address and print the results."""
        from ..reach.check import check, require
        from .output import check_table, structured
        from .suggestions import completed

        report = await job.addresses()
        result = await check(
            report, expect=arguments.expect, timeout=arguments.timeout, worker_port=arguments.worker_port
        )
        table = arguments.output == "table"
        print(completed(check_table(result)) if table else structured(result.to_dict(), arguments.output))
        require(result)
        return 0


class Forward(JobCommand):
    """`forward`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.one_worker(to)
        to.add_argument(
            "--local", type=options.port_number, default=0, metavar="PORT", help="local port (default: a free one)"
        )

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Forward until the user ends it."""
        from ..reach.forward import forward

        await forward(
            job.connection, job.name, worker=arguments.worker, port=arguments.port, local=arguments.local, say=job.say
        )
