"""The part of the Python API for Twister2's own jobs: submit, wait, kill, rerun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..release import parameters

if TYPE_CHECKING:
    from ..clients.connection import Connection
    from ..exposure.model import JobAddresses
    from ..release.operation import Say
    from ..release.parameters import StrPath
    from .state import JobState

    OnReady = Callable[[JobAddresses], None]


class Twister2Job:
    """The methods of `AsyncJob` for a Twister2 job.

    Attributes:
        name: Name of the job: the Helm release.
        connection: Cluster and namespace.
        say: Is called with a sentence for each step of a call that takes long.
    """

    name: str
    connection: Connection
    say: Say

    async def submit(
        self,
        jar: StrPath = "",
        *,
        worker_class: str = "",
        driver: str = "",
        config: Mapping[str, Any] | None = None,
        package: StrPath = "",
        url_secret: str = "",
        detach: bool = False,
        on_ready: OnReady | None = None,
        values: StrPath | Sequence[StrPath] = (),
        set: str | Sequence[str] = (),
        arguments: str | Sequence[str] = (),
        chart: StrPath = "",
        timeout: float = 300,
        create_namespace: bool = False,
        rollback_on_failure: bool = False,
        force_conflicts: bool = False,
        publish: bool = True,
    ) -> JobState:
        """Submit a Twister2 job and follow it to its end.

        Args:
            jar: Path or URL of the jar with the job's classes.
            worker_class: Class of the workers: an IWorker or a Twister2Worker.
            driver: Class of the driver; empty means none.
            config: Twister2's settings, with their types.
            package: Path of a job package of Twister2's own client, instead of a jar, classes and settings.
            url_secret: `NAME` or `NAME:KEY` of a Secret with the URL, instead of a jar.
            detach: Return when the job's pods run.
            on_ready: Is called with the addresses when the job's pods run.
            values: As for `install`; they override the values that the arguments above make.
            set: As for `install`.
            arguments: As for `install`.
            chart: As for `install`.
            timeout: Seconds within which the job's pods must run; the job itself has no limit.
            create_namespace: As for `install`.
            rollback_on_failure: As for `install`.
            force_conflicts: As for `install`.
            publish: As for `install`.

        Returns:
            The state of the job: completed, unless `detach`.

        Raises:
            JobFailedError: The job failed.
            JobKilledError: It was killed.
            JobLostError: It can't end any more, or it is not known how it ended.
            JobError: The job was refused; it leaves nothing behind.
        """
        parameters.flag("publish", publish)
        parameters.flag("detach", detach)
        wanted = parameters.request(
            self.name, values=values, set=set, arguments=arguments, chart=chart, timeout=timeout,
            create_namespace=create_namespace, rollback_on_failure=rollback_on_failure, force_conflicts=force_conflicts,
        )  # fmt: skip
        if on_ready is not None:
            parameters.function("on_ready", on_ready)
        from .submission import Submission
        from .submit import submit

        given = Submission(
            parameters.path("jar", jar),
            parameters.text("worker_class", worker_class),
            parameters.text("driver", driver),
            parameters.settings("config", {} if config is None else config),
            parameters.path("package", package),
            parameters.text("url_secret", url_secret),
        )
        return await submit(
            self.connection, given, wanted, self.say, detach=detach, publish=publish, on_ready=on_ready
        )

    async def wait(self, *, timeout: float | None = None) -> JobState:
        """Wait until a Twister2 job has completed, and return its state.

        Args:
            timeout: Seconds; None means no limit, but the wait ends when the job can't end any more.

        Raises:
            JobFailedError: The job failed.
            JobKilledError: It was killed.
            JobLostError: It can't end any more, or it is not known how it ended.
            OutOfTimeError: It has not ended in time.
        """
        limit = None if timeout is None else parameters.seconds("timeout", timeout)
        from .submit import wait

        return await wait(self.connection, self.name, self.say, limit)

    async def kill(self, *, logs: StrPath = "", timeout: float = 300, chart: StrPath = "") -> str:
        """End a Twister2 job: remove its pods, and keep its Services, their ports and its release.

        Args:
            logs: Folder to save the logs of all containers in; empty means `NAME-logs`.
            timeout: Seconds for the whole call.
            chart: As for `install`.

        Returns:
            The folder with the logs; empty if there was no pod.

        Raises:
            OutOfTimeError: There are still pods.
        """
        folder, found = parameters.path("logs", logs), parameters.path("chart", chart)
        limit = parameters.seconds("timeout", timeout)
        from .rerun import kill

        return await kill(self.connection, self.name, self.say, logs=folder, timeout=limit, chart=found)

    async def rerun(
        self,
        *,
        detach: bool = False,
        on_ready: OnReady | None = None,
        chart: StrPath = "",
        timeout: float = 300,
        publish: bool = True,
    ) -> JobState:
        """Run a Twister2 job again, with new pods and the same ports, and follow it to its end as `submit` does.

        Args:
            detach: Return when the job's pods run.
            on_ready: Is called with the addresses when the job's pods run.
            chart: As for `install`.
            timeout: Seconds within which the job's pods must run again.
            publish: As for `install`.
        """
        parameters.flag("detach", detach)
        parameters.flag("publish", publish)
        if on_ready is not None:
            parameters.function("on_ready", on_ready)
        limit, found = parameters.seconds("timeout", timeout), parameters.path("chart", chart)
        from .rerun import rerun

        return await rerun(
            self.connection, self.name, self.say,
            detach=detach, publish=publish, on_ready=on_ready, timeout=limit, chart=found,
        )  # fmt: skip
