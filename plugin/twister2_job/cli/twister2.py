"""Commands for Twister2's own jobs: submit, wait, kill and rerun."""

from __future__ import annotations

from . import options
from .command import JobCommand

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; `typing` need not be imported to parse a command line.
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from ..exposure.model import JobAddresses
    from ..job import AsyncJob
    from ..twister2.state import JobState


def _now() -> float:
    import time

    return time.monotonic()


def _say_ended(job: AsyncJob, state: JobState, began: float) -> int:
    """Say how a completed job ended, and return the exit code."""
    workers = f" ({len(state.workers)} workers)" if state.workers else ""
    job.say(f"job {job.name} {state.state}{workers}, {_now() - began:.0f} s after the command began")
    return 0


def _say_detached(job: AsyncJob) -> int:
    job.say(f"the pods of job {job.name} run; `twister2-job wait {job.name}` follows it to its end")
    return 0


def _address_printer(arguments: argparse.Namespace) -> Callable[[JobAddresses], None]:
    """Return a function that prints the addresses of a job if it is exposed."""
    import sys

    from .printing import is_exposed, print_addresses

    def show(report: JobAddresses) -> None:
        if arguments.output in ("json", "yaml") or is_exposed(report):
            print_addresses(report, arguments)
            sys.stdout.flush()

    return show


class Submit(JobCommand):
    """`submit`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        to.add_argument("jar", metavar="JAR", nargs="?", default="", help="path or URL of the jar")
        to.add_argument("--class", dest="worker_class", default="", metavar="CLASS", help="class of the workers")
        to.add_argument("--driver", default="", metavar="CLASS", help="class of the driver")
        to.add_argument(
            "--config", action="append", default=[], metavar="KEY=VALUE", help="a setting of Twister2; may be repeated"
        )
        to.add_argument("--package", default="", metavar="FILE", help="job package of Twister2's own client, no JAR")
        to.add_argument(
            "--url-secret", default="", metavar="NAME[:KEY]", help="Secret with the URL of the jar (or package), no JAR"
        )
        options.detach(to)
        options.rollout(to)
        options.values(to)
        options.force_conflicts(to)
        options.create_namespace(to)

    def rest(self, arguments: argparse.Namespace, words: list[str]) -> list[str]:
        """Take JAR from words that were left over: argparse misses an optional word that stands after an option."""
        if len(words) == 1 and not (arguments.jar or words[0].startswith("-")):
            arguments.jar = words[0]
            return []
        return words

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Submit the job and follow it."""
        from ..twister2.submission import config

        began = _now()
        state = await job.submit(
            arguments.jar,
            worker_class=arguments.worker_class,
            driver=arguments.driver,
            config=config(arguments.config),
            package=arguments.package,
            url_secret=arguments.url_secret,
            detach=arguments.detach,
            on_ready=_address_printer(arguments),
            arguments=arguments.arguments or [],
            chart=arguments.chart,
            timeout=arguments.timeout,
            create_namespace=arguments.create_namespace,
            rollback_on_failure=arguments.rollback_on_failure,
            force_conflicts=arguments.force_conflicts,
        )
        return _say_detached(job) if arguments.detach else _say_ended(job, state, began)


class Wait(JobCommand):
    """`wait`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        to.add_argument(
            "--timeout", type=options.seconds, default=None, help="time for it (300, 5m; default: no limit)"
        )

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Follow the job to its end."""
        began = _now()
        return _say_ended(job, await job.wait(timeout=arguments.timeout), began)


class Kill(JobCommand):
    """`kill`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.chart(to)
        to.add_argument("--logs", default="", metavar="FOLDER", help="folder for the logs (default: NAME-logs)")
        to.add_argument("--timeout", type=options.seconds, default=300.0, help="time for it (300, 5m)")

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """End the job."""
        folder = await job.kill(logs=arguments.logs, timeout=arguments.timeout, chart=arguments.chart)
        logs = f"; the logs are in {folder}" if folder else ""
        job.say(f"no pod of job {job.name} is left; its Services and ports stay{logs}")
        job.say(f"`twister2-job rerun {job.name}` runs it again, `twister2-job uninstall {job.name}` removes it")
        return 0


class Rerun(JobCommand):
    """`rerun`."""

    def options(self, to: argparse.ArgumentParser) -> None:
        """Add the options."""
        options.detach(to)
        options.rollout(to, undo=False)

    async def act_on(self, job: AsyncJob, arguments: argparse.Namespace) -> int:
        """Run the job again and follow it."""
        began = _now()
        state = await job.rerun(
            detach=arguments.detach,
            on_ready=_address_printer(arguments),
            chart=arguments.chart,
            timeout=arguments.timeout,
        )
        return _say_detached(job) if arguments.detach else _say_ended(job, state, began)
