"""Commands that show something and change nothing: status, list and chart."""

from __future__ import annotations

from . import options
from .command import Command, JobCommand, where

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported to parse a command line.
if TYPE_CHECKING:
    import argparse

    from ..job import AsyncJob


class Status(JobCommand):
    """`status`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.output(to, "table", "json", "yaml")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Show release, workers and exposures."""
        from .output import status_table, structured
        from .suggestions import completed

        status = await job.status()
        table = arguments.output == "table"
        for warning in status.addresses.warnings if table else ():
            job.say(warning)
        print(completed(status_table(status)) if table else structured(status.to_dict(), arguments.output))
        return 0


class List(Command):
    """`list`."""

    names_job = False

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        to.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
        options.output(to, "table", "json", "yaml", "plain")

    async def act(self, arguments: argparse.Namespace) -> int:
        """List the releases."""
        from ..job import list_jobs_async
        from .output import releases_table, structured

        releases = await list_jobs_async(all_namespaces=arguments.all_namespaces, **where(arguments))
        if arguments.output == "plain":
            print("\n".join(release.name for release in releases))
        elif arguments.output == "table":
            print(releases_table(releases))
        else:
            print(structured([release.to_dict() for release in releases], arguments.output))
        return 0


class Chart(Command):
    """`chart`."""

    names_job = False

    async def act(self, arguments: argparse.Namespace) -> int:
        """Print the path of the packaged chart."""
        from ..release.chart import packaged

        print(packaged())
        return 0
