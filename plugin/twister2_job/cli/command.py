"""The base classes of commands: a command is a class with its options and its action.

The module of a command is imported to parse the command line, so it imports what the action needs inside the action.
"""

from __future__ import annotations

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported before a program runs.
if TYPE_CHECKING:
    import argparse

    from ..job import AsyncJob


def where(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the cluster and namespace that the user gave, as keyword arguments of the Python API."""
    return {key: getattr(arguments, key) for key in ("namespace", "kube_context", "kubeconfig")}


class Command:
    """A command. Subclasses add options and override `act`, or `run` to avoid asyncio.

    Attributes:
        names_job: Whether the command has the argument NAME, the name of a job.
    """

    names_job = True

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""

    def rest(self, arguments: argparse.Namespace, words: list[str]) -> list[str]:
        """Use words that the parser did not recognize, and return those that this command does not know either."""
        return words

    def check(self, arguments: argparse.Namespace) -> None:
        """Raise UsageError for options that contradict each other."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command and return its exit code."""
        from . import loop

        return loop.run(self.act, arguments)

    async def act(self, arguments: argparse.Namespace) -> int:
        """Do the command's work and return its exit code."""
        raise NotImplementedError


class JobCommand(Command):
    """A command that acts on one job."""

    async def act(self, arguments: argparse.Namespace) -> int:
        """Act on the job that the user named."""
        from ..job import AsyncJob
        from .suggestions import say

        return await self.act_on(AsyncJob(arguments.name, say=say, **where(arguments)), arguments)

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Do the command's work on a job and return the exit code."""
        raise NotImplementedError
