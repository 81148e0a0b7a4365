"""What a command is: a class with its options beside what it does.

The module of a command is imported to parse its options, so it imports what the command needs only when it runs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # As in `typing`, which needs not be imported before a program runs.
if TYPE_CHECKING:
    import argparse

    from ..job import AsyncJob


def where(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the cluster and namespace that the user named, as the Python API takes them."""
    return {key: getattr(arguments, key) for key in ("namespace", "kube_context", "kubeconfig")}


class Command:
    """A command. Each has options, and overrides `act`, or `run` to go without asyncio.

    Attributes:
        names_job: It takes the name of a job.
    """

    names_job = True

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""

    def rest(self, arguments: argparse.Namespace, words: list[str]) -> list[str]:
        """Take words that the parser left over, and return those that are too many."""
        return words

    def check(self, arguments: argparse.Namespace) -> None:
        """Raise UsageError for options that contradict each other."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        from . import loop

        return loop.run(self.act, arguments)

    async def act(self, arguments: argparse.Namespace) -> int:
        """Do what the command does, and return its exit code."""
        raise NotImplementedError


class JobCommand(Command):
    """A command for one job."""

    async def act(self, arguments: argparse.Namespace) -> int:
        """Do it with the job that was named."""
        from ..job import AsyncJob
        from .printing import say

        return await self.act_on(AsyncJob(arguments.name, say=say, **where(arguments)), arguments)

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Do what the command does with a job, and return the exit code."""
        raise NotImplementedError
