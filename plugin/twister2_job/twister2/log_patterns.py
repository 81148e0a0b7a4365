"""Reads the progress of a Twister2 job in its logs, by one table of patterns for Twister2 0.8.0 and 0.3.0.

The logs are the only source: when a job ends, no condition, event or exit code of Kubernetes says how.
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
"""Characters at the end of a line that are searched: no pattern matches more."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of log lines that report an event.

    Attributes:
        event: The event.
        text: Regular expression of the line's end; its group has a worker's ID, several, or a text.
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
"""The events in the job master's log."""

ENDS = {"job completed": COMPLETED, "job failed": FAILED, "job killed": KILLED, "worker fully failed": FAILED}
"""The events that end a job, each with the job's state."""

OF_ONE_WORKER = ("joined", "rejoined", "worker completed", "worker failed", "worker fully failed")
"""The events whose number is a worker's ID."""

WORKER_EXITED = re.compile(r"(?:^|\s)\S+ completed\. Waiting the pod to be deleted\.\s*$", re.MULTILINE)
"""The line that a container's script prints when the worker's JVM has ended with exit code 0."""

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
"""Patterns of log lines of a container that can't do its work, with their meaning; the first one found counts.

An exception that ended the JVM counts only if none is found, but an OutOfMemoryError comes first.
"""

# A pattern matches up to the end of a line; before it may be a time, a level and a logger's name.
_PATTERN = re.compile(
    r"(?:^|(?<=[\s:\]]))(?:" + "|".join(f"(?P<s{n}>{one.text})" for n, one in enumerate(MASTER_PATTERNS)) + r")\s*$"
)


_TIME = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [-+]\d{4})\]")


def _time_of(line: str) -> float:
    """Return the time at the beginning of a line of Twister2's log, in seconds since 1970; 0 if there is none."""
    from datetime import datetime

    try:
        found = _TIME.match(line)
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S %z").timestamp() if found else 0.0
    except ValueError:  # An impossible date, such as the 99th of a month.
        return 0.0


def event_of(line: str) -> tuple[str, str]:
    """Return the event in a line of the job master's log, and the pattern's group; both empty if there is none."""
    found = _PATTERN.search(line)
    if not found:
        return "", ""
    index = next(n for n in range(len(MASTER_PATTERNS)) if found[f"s{n}"] is not None)
    own = re.fullmatch(MASTER_PATTERNS[index].text, found[f"s{index}"])
    return MASTER_PATTERNS[index].event, own[1] if own and own.groups() else ""


@dataclass(frozen=True)
class Event:
    """An event: `name` as in `MASTER_PATTERNS`; `worker` is its worker's ID or -1; it happened for the `nth` time."""

    name: str
    worker: int = -1
    nth: int = 1


class Progress:
    """The progress of a job in the log of one run of its job master.

    Attributes:
        started: The master has said that it waits for the workers.
        all_joined: All workers have joined.
        all: Number of workers when the log last said so: a driver may have scaled the job.
        barriers: How often all workers have reached the INIT barrier.
        at_barrier: IDs of the workers that joined after that barrier, and wait at the next one.
        tells_workers: The log has single workers, as that of 0.8.0 does and that of 0.3.0 does not.
        recovered: The master was restarted and knows the workers from ZooKeeper.
        refuses: The master refuses a worker that was restarted, as 0.3.0 does.
        end: How the job ended: completed, failed, killed; empty before that.
        znode: Path in ZooKeeper of an earlier run's state, because of which the master starts no run.
        died: The exception that ended the master.
        exited: The master's JVM has ended with exit code 0.
        joined_at: When each worker joined last, in seconds since 1970, if the log has times.
        states: The latest state of each worker in the log.
        failed: IDs of the workers that failed for good.
    """

    def __init__(self) -> None:
        """Start with an empty log."""
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
        """Tell whether the log's beginning is missing: it has events, but not the first one."""
        return not self.started and bool(self._count)

    @property
    def joined(self) -> int:
        """Return how many workers are known to have joined."""
        return len(self.states)

    def restarts(self, worker: int) -> int:
        """Return how often a worker came back after a failure."""
        return self._count["rejoined", worker]

    def feed(self, line: str) -> Event | None:
        """Read the next line and return its event; a part of a line never matches another event's pattern."""
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
            self.end = ENDS[name]  # The first end counts: a killed job may still complete, and the reverse.
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
    """Return the progress in a job master's log, which may be cut at either end."""
    progress = Progress()
    for line in text.splitlines():
        progress.feed(line)
    return progress


def trouble(lines: Iterable[str]) -> str:
    """Return why a container can't do its work, with the log line that shows it; empty if no line does."""
    known = list(lines)
    failed = stack_traces.cause(known)
    if "OutOfMemoryError" not in failed:
        candidates = stack_traces.without_frames(known)
        for pattern, meaning in TROUBLE:
            if found := next((line.strip() for line in candidates if pattern.fullmatch(line.strip())), ""):
                return f"{meaning}: {found[:300]}"
    return f"its program failed: {failed}" if failed else ""
