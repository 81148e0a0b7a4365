"""What the logs of a Twister2 job tell: one table of patterns, for Twister2 0.8.0 and 0.3.0, and what they come to.

Nothing else tells it: when a job ends, no condition, event or exit code of Kubernetes says how.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from . import stack_traces

COMPLETED, FAILED, KILLED = "completed", "failed", "killed"
WAITING, JOINED, RUNNING, FULLY_FAILED, UNKNOWN = "waiting", "joined", "running", "fully failed", "unknown"
LONGEST_LINE = 2**16
"""Characters of a line that are looked at: no pattern is longer."""


@dataclass(frozen=True)
class Pattern:
    """A line of a log that means something.

    Attributes:
        event: What it means.
        text: Regular expression of the line's end; its group is a worker's ID, or several.
        versions: The versions of Twister2 that print it.
    """

    event: str
    text: str
    versions: str = "0.8.0"


MASTER_PATTERNS = (
    Pattern("started", r"JobMaster \[[^\]]*\] started and waiting worker messages on port: \d+", "0.3.0, 0.8.0"),
    Pattern("joined", r"Worker: (\d+) joined the job\."),
    Pattern("rejoined", r"WorkerID: (\d+) rejoined from failure\."),
    Pattern("all joined", r"All workers joined the job\. Worker IDs: \[([\d, ]*)\]"),
    Pattern("all joined, no barrier", r"All (\d+) workers joined the job\.", "0.3.0"),
    Pattern("recovered", r"All workers have already joined, before the job master restarted\."),
    Pattern("barrier", r"All workers reached the INIT barrier: (\d+).*"),
    Pattern("worker completed", r"Worker: ?(\d+) COMPLETED\."),
    Pattern("worker failed", r"Worker: ?(\d+) FAILED\."),
    Pattern("worker fully failed", r"Worker: ?(\d+) FULLY_FAILED\."),
    Pattern("scaled down", r"Deleted worker IDs by scaling down: ([\d, ]*)", "0.3.0, 0.8.0"),
    Pattern("refused", r"Second RegisterWorker message.*", "0.3.0"),
    Pattern("job completed", r"All \d+ workers COMPLETED\. Terminating the job\."),
    Pattern("job completed", r"All \d+ workers have completed\. JobMaster is stopping\.", "0.3.0"),
    Pattern("job failed", r"The job is completing with failure\..*"),
    Pattern("job killed", r"Job Kill parameter received\. Killing the job\.?"),
    Pattern("znode", r"Job is starting for the first time, but there is an existing znode at ZK server: (\S+)"),
    Pattern("died", r"Exception in thread \"main\" (.*)", "0.3.0, 0.8.0"),
    Pattern("died", r"Uncaught exception in the thread (.*Job Master FAILED.*)"),
    Pattern("exited", r"\S*JobMasterStarter completed\. Waiting the pod to be deleted\.", "0.3.0, 0.8.0"),
)
"""What the job master's log tells."""

ENDS = {"job completed": COMPLETED, "job failed": FAILED, "job killed": KILLED, "worker fully failed": FAILED}
"""The events that the job has ended with, and how."""

OF_ONE_WORKER = ("joined", "rejoined", "worker completed", "worker failed", "worker fully failed")
"""The events whose number is a worker's ID."""

WORKER_EXITED = re.compile(r"(?:^|\s)\S+ completed\. Waiting the pod to be deleted\.\s*$", re.MULTILINE)
"""What the script of a container prints when the worker's JVM has ended with 0."""

TROUBLE = (
    (
        re.compile(r".*(?:ApiException|exCode: 403|code[=:] ?403|\bForbidden\b|when getting ConfigMap list).*"),
        "a call to the Kubernetes API failed: is a right missing? (a Role of the chart, a NetworkPolicy)",
    ),
    (
        re.compile(r".*(?:can not get the job master IP address|has no address after).*"),
        "it can't find the job master",
    ),
    (
        re.compile(r".*job package can ?not be retrieved.*"),
        "it has no job package and will do nothing any more",
    ),
    (re.compile(r".*(?:ClassNotFoundException|NoClassDefFoundError).*"), "a class is missing"),
    (re.compile(r".*Could not register JobMaster with Dashboard.*"), "the job master refuses it"),
)
"""What a container's log says when it can't do its part, and what that means; the first that is found counts.

An exception that ended its JVM is looked for after these, and before them if memory was short.
"""

# A pattern ends its line, whatever stands before it: a time, levels, a logger's name.
_PATTERN = re.compile(
    r"(?:^|(?<=[\s:\]]))(?:" + "|".join(f"(?P<s{n}>{one.text})" for n, one in enumerate(MASTER_PATTERNS)) + r")\s*$"
)


_TIME = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4})\]")


def _time_of(line: str) -> float:
    """Return the time that a line begins with, as Twister2 writes it, in seconds since 1970; 0 if there is none."""
    from datetime import datetime

    try:
        found = _TIME.match(line)
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S %z").timestamp() if found else 0.0
    except ValueError:  # The 99th of a month.
        return 0.0


def event_of(line: str) -> tuple[str, str]:
    """Return the event that a line of the job master's log tells of, and the pattern's group; empty if of none."""
    found = _PATTERN.search(line)
    if not found:
        return "", ""
    index = next(n for n in range(len(MASTER_PATTERNS)) if found[f"s{n}"] is not None)
    own = re.fullmatch(MASTER_PATTERNS[index].text, found[f"s{index}"])
    return MASTER_PATTERNS[index].event, own[1] if own and own.groups() else ""


@dataclass(frozen=True)
class Event:
    """A thing that happened: `name` as in `MASTER_PATTERNS`; `worker` is -1 where it is none's; `nth` time."""

    name: str
    worker: int = -1
    nth: int = 1


class Progress:
    """What one run of a job master has told so far.

    Attributes:
        started: The master has said that it waits for the workers.
        all_joined: All workers have joined.
        all: How many workers those were, when it was said last: a driver may have scaled the job.
        barriers: How often all workers were at the INIT barrier.
        at_barrier: IDs of the workers that joined after the last of these, and wait at the next.
        tells_workers: The master tells of single workers, as 0.8.0 does and 0.3.0 does not.
        recovered: It has been restarted and knows the workers from ZooKeeper.
        refuses: It refuses a worker that was restarted, as 0.3.0 does.
        end: How the job ended: completed, failed, killed; empty while it hasn't.
        znode: Path in ZooKeeper of an earlier run's state, because of which the master starts no run.
        died: Last words of a master that can't go on.
        exited: Its JVM has ended with 0.
        joined_at: When each worker joined last, in seconds since 1970, where the log tells the time.
        states: What was said last of each worker that anything was said of.
        failed: IDs of the workers that failed for good.
    """

    def __init__(self) -> None:
        """Start with nothing told."""
        self.started = self.all_joined = self.tells_workers = self.recovered = self.refuses = self.exited = False
        self._dying = False
        self.all = self.barriers = self._at_last_barrier = 0
        self.at_barrier: set[int] = set()
        self.end = self.died = self.znode = ""
        self.joined_at: dict[int, float] = {}
        self.states: dict[int, str] = {}
        self.failed: list[int] = []
        self._count: Counter[tuple[str, int]] = Counter()

    @property
    def cut(self) -> bool:
        """Tell whether the log's beginning is missing: it tells of events, but not of the first one."""
        return not self.started and bool(self._count)

    @property
    def joined(self) -> int:
        """Return how many workers are known to have joined."""
        return len(self.states)

    def restarts(self, worker: int) -> int:
        """Return how often a worker came back after a failure."""
        return self._count["rejoined", worker]

    def feed(self, line: str) -> Event | None:
        """Take the next line and return what it tells of; a part of a line is never mistaken for another event."""
        name, group = event_of(line[-LONGEST_LINE:])
        if self._dying and stack_traces.THROWABLE.fullmatch(line.strip()):
            self.died = line.strip()[:300]  # Twister2 0.8.0 prints the exception in the next line.
        self._dying = name == "died" and bool(stack_traces.UNCAUGHT.fullmatch(line[-LONGEST_LINE:].rstrip()))
        if not name:
            return None
        numbers = [int(number) for number in re.findall(r"\d+", group)] if name not in ("died", "znode") else []
        worker = numbers[0] if numbers and name in OF_ONE_WORKER else -1
        self._count[name, worker] += 1
        event = Event(name, worker, self._count[name, worker])
        if name in ENDS and not self.end:
            self.end = ENDS[name]  # The first counts: a killed job may still complete, and the other way round.
        self._record(name, worker, numbers, group)
        if worker in self.at_barrier and name in ("joined", "rejoined") and (when := _time_of(line)):
            self.joined_at[worker] = when
        return event

    def _record(self, name: str, worker: int, numbers: list[int], group: str) -> None:
        if worker >= 0:
            self.tells_workers = True
        if name == "started":
            self.started = True
        elif name in ("joined", "rejoined"):
            self.states[worker] = JOINED
            self.at_barrier.add(worker)
        elif name == "all joined":
            self.all_joined = self.tells_workers = True
            self.all = len(numbers)
            for one in numbers:
                self.states.setdefault(one, JOINED)
        elif name == "all joined, no barrier":
            self.all_joined, self.barriers, self.all = True, 1, numbers[0]
        elif name == "recovered":
            self.all_joined = self.recovered = True
        elif name == "barrier":
            self.all_joined, self.barriers, self._at_last_barrier = True, self.barriers + 1, numbers[0]
            self.at_barrier.clear()
            self.states.update({one: RUNNING for one, state in self.states.items() if state == JOINED})
        elif name == "worker completed":
            self.states[worker] = COMPLETED
        elif name == "worker failed":
            self.states[worker] = FAILED
            self.at_barrier.discard(worker)
        elif name == "worker fully failed":
            self.states[worker] = FULLY_FAILED
            self.failed.append(worker)
        elif name == "scaled down":
            for one in numbers:
                self.states.pop(one, None)
                self.at_barrier.discard(one)
        elif name == "refused":
            self.refuses = True
        elif name == "znode":
            self.znode = group
        elif name == "died":
            self.died = self.died or group.strip()
        elif name == "exited":
            self.exited = True

    def state_of(self, worker: int) -> str:
        """Return the state of a worker: waiting, joined, running, completed, failed, fully failed or unknown."""
        if self.end == COMPLETED:
            return COMPLETED
        if worker in self.states:
            return self.states[worker]
        if self.cut and worker < self._at_last_barrier:
            return RUNNING
        return WAITING if self.started and self.tells_workers else UNKNOWN


def read(text: str) -> Progress:
    """Return what a job master's log tells, whole or cut at either end."""
    progress = Progress()
    for line in text.splitlines():
        progress.feed(line)
    return progress


def trouble(lines: Iterable[str]) -> str:
    """Return in words why a container can't do its part, with the line that says so; empty if no line does."""
    known = list(lines)
    failed = stack_traces.cause(known)
    if "OutOfMemoryError" not in failed:
        candidates = stack_traces.without_frames(known)
        for pattern, meaning in TROUBLE:
            if found := next((line.strip() for line in candidates if pattern.fullmatch(line.strip())), ""):
                return f"{meaning}: {found[:300]}"
    return f"its program failed: {failed}" if failed else ""
