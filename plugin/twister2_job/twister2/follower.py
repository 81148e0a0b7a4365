"""Follows a Twister2 job to its end, and reports its progress, its problems and how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ..clients.kubectl import Kubectl
from ..clients.process import event_within, stream
from ..clients.resources import selector
from ..errors import JobError, JobLostError, JobNotFoundError, LoginError, NoRightsError, OutOfTimeError
from ..exposure.workers import Object, number, of_kind, table
from ..release.operation import Say
from ..release.rollout import rolled_out
from . import diagnosis, log_patterns
from . import state as job_state
from .log_patterns import Progress
from .logs import FAILURE, restart_counts, text, unfinished_package
from .reporter import Reporter
from .state import LOST, MASTER, MASTER_COUNT, SUSPENDED, UNKNOWN, JobState, has_run, master_name, master_pod

READ_EVERY, READ_EVERY_AT_START = 3.0, 1.0
"""Seconds between two reads of the pods: when all of them run, and until then."""
SURE = 10.0
"""Seconds that a job must look lost before it counts as lost: its log may be read while it is still being written."""
SILENCE = 60.0
"""Seconds without a job master, or without a message of a restarted one, after which the job is lost."""
ASK_EVERY, MOST_ASKED = 15.0, 4
"""Seconds between two reads of the logs of silent containers, and the most logs that one such read takes."""
BARRIER = 60.0
"""Seconds that workers wait at a barrier before it is reported; Twister2 itself lets them wait for 600 s."""
NO_CLUSTER = 300.0
"""Seconds without an answer of the cluster after which following ends."""
STUCK = 600.0
"""Seconds without all pods running after which a wait without a limit ends: Twister2's workers wait as long."""
RECONNECT = 1.0
"""Seconds between two `kubectl logs`, which ends when the container or the connection does."""

FINAL = (JobLostError, JobNotFoundError, NoRightsError, LoginError)
"""Errors that another read would not make good."""

T = TypeVar("T")


class Follower:
    """Follows one job in the background between `start` and `close`.

    Attributes:
        state: The latest known state of the job.
        failures: Why containers ended, by pod and container, read from their logs before these were replaced.
    """

    def __init__(self, kubectl: Kubectl, job: str, say: Say) -> None:
        """Prepare; nothing is contacted yet.

        Args:
            kubectl: The client.
            job: Name of the job.
            say: Is called with a sentence for each event and each problem.
        """
        self._kubectl, self.job, self._say = kubectl, job, say
        self.state = JobState(UNKNOWN)
        self.failures: dict[tuple[str, ...], str] = {}
        self._objects: Sequence[Object] = []
        self._progress, self._previous, self._counts = Progress(), Progress(), dict[str, str]()
        self._reporter = Reporter(say)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: JobError | None = None
        self._master_run: tuple[str, int] | None = None
        self._since: dict[str, float] = {}
        self._unlimited = False

    def start(self) -> None:
        """Start following."""
        if not self._tasks:
            self._tasks = [asyncio.ensure_future(self._guarded(w)) for w in (self._watch_pods(), self._follow_log())]

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ready(self, names: list[str], deadline: float) -> None:
        """Wait until the StatefulSets `names` are rolled out, or the job has ended.

        Raises:
            OutOfTimeError: The deadline (of `time.monotonic`) has passed; the message has the reasons.
            JobLostError: The job can't begin.
        """
        self.start()

        def done() -> bool:
            sets = {s["metadata"]["name"]: s for s in of_kind(self._objects, "StatefulSet")}
            return self.state.ended or all(name in sets and rolled_out(sets[name]) for name in names)

        if not await self._until(lambda: done() or None, deadline):
            problems = [found.text for found in diagnosis.of_pods(self.job, self._objects)]
            problems += await unfinished_package(self._kubectl, self.job, self._objects)
            reasons = "\n  ".join(problems or [self.state.reason or "no reason is known"])
            raise OutOfTimeError(f"The job's pods were not ready in time:\n  {reasons}")

    async def end(self, deadline: float | None = None) -> JobState:
        """Wait until the job has ended, and return its state: completed, failed or killed.

        Raises:
            OutOfTimeError: The deadline (of `time.monotonic`) has passed.
            JobLostError: The job can't end any more, or its pods can't run and there is no deadline.
            JobNotFoundError: It was uninstalled.
        """
        self._unlimited = deadline is None
        self.start()
        state = await self._until(lambda: self.state if self.state.ended else None, deadline)
        if state is None:
            why = f" ({self.state.reason})" if self.state.reason else ""
            raise OutOfTimeError(
                f"The job {self.job} has not ended in time; it is {self.state.state}{why}.",
                f"It goes on; `twister2-job wait {self.job}` waits longer.",
            )
        return state

    async def _until(self, result: Callable[[], T | None], deadline: float | None) -> T | None:
        """Return the first `result()` that is not None; None when the deadline has passed."""
        while True:
            self._changed.clear()
            if (found := result()) is not None:
                return found
            if self._failure:
                raise self._failure
            left = READ_EVERY if deadline is None else min(READ_EVERY, deadline - time.monotonic())
            if left <= 0:
                return None
            await event_within(self._changed, left)

    def _held(self, what: str, holds: object) -> float:
        """Return for how many seconds the condition `what` has held without a break; 0 if it does not hold now."""
        if not holds:
            self._since.pop(what, None)
            return 0.0
        return time.monotonic() - self._since.setdefault(what, time.monotonic())

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do background work; keep its failure for those who wait for its results: nobody awaits the work itself."""
        try:
            await work
        except JobError as error:
            self._failure = error
        except Exception as error:
            self._failure = JobError(f"This is a fault of twister2-job: {type(error).__name__}: {error}.")
        self._changed.set()

    async def _watch_pods(self) -> None:
        """Read the pods again and again until the job has ended."""
        while not self.state.ended:
            try:
                self._objects = await self._kubectl.items("pods,statefulsets", "-l", selector(self.job))
                await self._examine()
                self._held("no answer", False)
            except JobError as error:
                if isinstance(error, FINAL) or self._held("no answer", True) > NO_CLUSTER:
                    raise
                self._reporter.once(f"no answer {error}", f"{error.message} Trying again.")
            self._changed.set()
            pods = of_kind(self._objects, "Pod")
            all_started = pods and all(has_run(pod, pod["spec"]["containers"][0]["name"]) for pod in pods)
            await asyncio.sleep(READ_EVERY if all_started else READ_EVERY_AT_START)

    async def _examine(self) -> None:
        """Work out the state of the job, report its problems, and raise an error if it can't end any more."""
        if not self._objects:
            raise JobNotFoundError(f"The job {self.job} was uninstalled.", "`twister2-job list -A` shows all.")
        pod = master_pod(self.job, self._objects)
        if pod:
            await self._note_restart(pod)
        self._update()
        if not self.state.ended:
            await self._say_problems()
            self._give_up(pod)

    async def _note_restart(self, pod: Object) -> None:
        """Read the log anew if the job master was restarted: the log of its earlier run is no longer valid."""
        run = (str(pod["metadata"]["uid"]), number(job_state.container(pod, MASTER).get("restartCount")))
        if run == self._master_run:
            return
        self._counts = await restart_counts(self._kubectl, self.job)
        if run[1]:
            before = await text(self._kubectl, f"{master_name(self.job)}-0", MASTER, previous=True)
            self._previous = log_patterns.read(before)
        if self._master_run:
            self._reporter.once(f"master {run}", "the job master was restarted")
            if run[0] != self._master_run[0]:  # A new pod's count begins at 0, and Twister2's own follows later.
                self._counts[MASTER_COUNT] = str(max(1, number(self._counts.get(MASTER_COUNT))))
            self._tasks[-1].cancel()
            self._progress = Progress()
            self._tasks.append(asyncio.ensure_future(self._guarded(self._follow_log())))
        self._master_run = run

    def _update(self) -> None:
        self.state = job_state.state_of(
            self.job, self._objects, self._progress, previous=self._previous, counts=self._counts
        )

    def _give_up(self, pod: Object | None) -> None:
        """Raise JobLostError if the job can't end any more."""
        state, job = self.state, self.job
        see = f"`twister2-job status {job}` and `kubectl logs {master_name(job)}-0` show more; "
        again = f"`twister2-job rerun {job}` runs it again."
        if state.state == SUSPENDED:
            raise JobLostError(f"The job {job} is suspended: it has no pods.", again)
        if fatal := next((o for o in diagnosis.of_pods(job, self._objects) if o.fatal), None):
            raise JobLostError(f"The job {job} can't begin: {fatal.text}.", f"Correct it; then {again}")
        stuck = diagnosis.stuck(job, self._objects) if state.state == job_state.STARTING else ""
        if self._held("stuck", stuck) > STUCK and self._unlimited:
            raise JobLostError(
                f"The job {job} has not begun: for {STUCK / 60:.0f} minutes its pods could not all run; now {stuck}.",
                f"Correct it, and `twister2-job wait {job}` goes on.",
            )
        if self._held(LOST, state.state == LOST) > SURE:
            raise JobLostError(
                f"The job {job} is lost: {state.reason}.", job_state.advice(self._progress) or see + again
            )
        if self._held("restarted", state.state == UNKNOWN and state.master_restarts) > SILENCE:
            raise JobLostError(f"Nobody can tell how the job {job} ends: {state.reason}.", see + again)
        away = "running" not in job_state.container(pod, MASTER).get("state", {})
        if self._held("away", self._progress.started and away) > SILENCE:
            raise JobLostError(f"The job {job} is lost: the job master doesn't run any more.", see + again)

    async def _say_problems(self) -> None:
        """Report why the job does not go on, each cause once."""
        for found in [*diagnosis.of_pods(self.job, self._objects), *diagnosis.restarts(self.job, self._objects)]:
            if found.fatal or not self._reporter.is_new(found.key):
                continue  # A fatal problem is reported by the error that ends the wait.
            why = await self._trouble(*found.log, previous=True) if found.log else ""
            if why:
                self.failures[found.log] = why
            self._reporter.once(found.key, f"{found.text}: {why}" if why else found.text)
        for item in of_kind(self._objects, "StatefulSet"):
            name = item["metadata"]["name"]
            if self._held(f"pods of {name}", diagnosis.lacks_pods(item)) > ASK_EVERY and self._reporter.is_new(name):
                from ..release.pod_reasons import warnings_of

                for why in await warnings_of(self._kubectl, "StatefulSet", name):
                    self._reporter.once(name, f"StatefulSet {name} has no pod: {why}")
        progress = self._progress
        if self._held(f"barrier {sorted(progress.at_barrier)}", progress.all_joined and progress.at_barrier) > BARRIER:
            self._reporter.barrier(progress, BARRIER)
        await self._ask_silent()

    async def _ask_silent(self) -> None:
        """Report what silent containers have in their logs: a missing right, for example, shows only there."""
        progress = self._progress
        if progress.all_joined or self._held("asked", True) < ASK_EVERY:
            return
        self._held("asked", False)
        for sentence in await unfinished_package(self._kubectl, self.job, self._objects):
            self._reporter.once(sentence, sentence)
        silent = diagnosis.silent(self.job, self._objects, set(progress.states), progress.started)
        for who, pod, name in silent[:MOST_ASKED]:
            if self._held(f"silent {pod} {name}", True) >= ASK_EVERY:
                if why := await self._trouble(pod, name):
                    self._reporter.once(f"silent {pod} {name}", f"{who} (pod {pod}): {why}")

    async def _trouble(self, pod: str, name: str, *, previous: bool = False) -> str:
        """Return the trouble that a container's log reports; empty if it reports none."""
        said = await text(self._kubectl, pod, name, previous=previous, tail=FAILURE)
        return log_patterns.trouble(said.splitlines())

    async def _follow_log(self) -> None:
        """Follow the job master's log, from its beginning each time, until the job has ended."""
        name = f"{master_name(self.job)}-0"
        while not self.state.ended:
            if self._master_run and has_run(master_pod(self.job, self._objects), MASTER):
                progress = Progress()
                argv = self._kubectl.argv("logs", "--follow", name, "-c", MASTER)
                with self._kubectl.connection.kubectl_environment() as inherited:
                    async with stream(argv, env=inherited.env, pass_fds=inherited.descriptors) as reader:
                        await self._feed(reader, progress)
                if self._progress is not progress:  # No line came; this read raises NoRightsError if that is why.
                    await text(self._kubectl, name, MASTER, tail=1)
            await asyncio.sleep(RECONNECT if self._master_run else 0.2)

    async def _feed(self, reader: asyncio.StreamReader, progress: Progress) -> None:
        """Feed the lines of a log to `progress`, which replaces the earlier one as soon as something is read."""
        rest = ""
        while chunk := await reader.read(2**16):
            self._progress = progress
            *lines, rest = (rest + chunk.decode(errors="replace"))[-(2**22) :].split("\n")
            for line in lines:
                if event := progress.feed(line):
                    self._reporter.event(event, progress, len(table(self._objects)))
            self._update()
            self._changed.set()
        if rest:
            progress.feed(rest)
            self._update()
            self._changed.set()
