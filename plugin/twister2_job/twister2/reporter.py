"""Reports the events of a Twister2 job, each once, even if a log is read again from its beginning."""

from __future__ import annotations

from collections.abc import Callable

from . import log_patterns
from .log_patterns import Event, Progress

MOST_LINES = 20
"""A job of at most so many workers gets a line for each that joins or completes; a larger job for some of them."""
SENTENCES = {
    "started": "the job master waits for the workers",
    "all joined": "all {total} workers joined",
    "all joined, no barrier": "all {total} workers joined: the job runs",
    "recovered": "the job master was restarted and knows its workers from ZooKeeper",
    "joined": "worker {worker} joined ({joined} of {total})",
    "rejoined": "worker {worker} joined again after a failure (restart {nth})",
    "worker completed": "worker {worker} completed ({completed} of {total})",
    "worker failed": "worker {worker} failed",
    "worker fully failed": "worker {worker} failed for good",
    "scaled down": "the job's driver took workers away",
    "refused": "the job master refuses a worker that was restarted, as this version of Twister2 does",
    "job killed": "the job master was told to kill the job",
    "died": "the job master died: {died}",
}
"""The message for each event of the log."""


class Reporter:
    """Says each thing once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Store `say`, which gets the messages."""
        self._say = say
        self._said: set[object] = set()

    def is_new(self, key: object) -> bool:
        """Tell whether nothing was said under this key yet."""
        return key not in self._said

    def once(self, key: object, text: str) -> None:
        """Say something unless something was said under this key already."""
        if self.is_new(key):
            self._said.add(key)
            self._say(text)

    def event(self, event: Event, progress: Progress, total: int) -> None:
        """Say the message of an event; `progress` is the log up to it, `total` the last known number of workers."""
        # A driver may have added workers since then.
        total = progress.all if event.name.startswith("all joined") else max(total, progress.joined)
        completed = sum(state == log_patterns.COMPLETED for state in progress.states.values())
        text = SENTENCES.get(event.name, "")
        if event.name == "barrier":
            first = "all workers are at the first barrier: the job runs"
            text = first if event.nth == 1 else "all workers are at the INIT barrier again: the job goes on"
        if event.name in ("joined", "worker completed") and event.nth == 1:
            count = progress.joined if event.name == "joined" else completed
            if total > MOST_LINES and count != total and count % (total // MOST_LINES):
                return
        if text:
            values = {"worker": event.worker, "nth": event.nth, "total": total, "died": progress.died}
            self.once(event, text.format(joined=progress.joined, completed=completed, **values))

    def barrier(self, progress: Progress, seconds: float) -> None:
        """Say that workers have waited at the INIT barrier for `seconds`, and for which workers."""
        back = ", ".join(str(worker) for worker in sorted(progress.at_barrier)[:5])
        text = (
            f"worker {back} joined {seconds:.0f} s ago and waits at the INIT barrier: the others are past it, and come "
            "back only if they notice the failure (JobProgress.isJobFaulty)"
            if progress.barriers
            else f"all workers joined, but {seconds:.0f} s later not all of them have come to the INIT barrier"
        )
        self.once(f"barrier {sorted(progress.at_barrier)}", f"{text}; Twister2 gives up after 600 s")
