"""Tells what happens in a Twister2 job: each thing once, also when a log is read again from its beginning."""

from __future__ import annotations

from collections.abc import Callable

from . import log_patterns
from .log_patterns import Event, Progress

MOST_LINES = 20
"""Workers up to which each has a line of its own when it joins and when it completes; of more only some have."""
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
"""What each event is in words."""


class Reporter:
    """Tells each thing once."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Keep whom to tell."""
        self._say = say
        self._told: set[object] = set()

    def is_new(self, key: object) -> bool:
        """Tell whether nothing was said under this key yet."""
        return key not in self._told

    def once(self, key: object, text: str) -> None:
        """Say something unless something was said under this key already."""
        if self.is_new(key):
            self._told.add(key)
            self._say(text)

    def event(self, event: Event, told: Progress, total: int) -> None:
        """Say what an event is; `told` is what was told up to it, `total` the number of workers that were seen last."""
        # A driver may have added workers since then.
        total = told.all if event.name.startswith("all joined") else max(total, told.joined)
        completed = sum(state == log_patterns.COMPLETED for state in told.states.values())
        text = SENTENCES.get(event.name, "")
        if event.name == "barrier":
            first = "all workers are at the first barrier: the job runs"
            text = first if event.nth == 1 else "all workers are at the INIT barrier again: the job goes on"
        if event.name in ("joined", "worker completed") and event.nth == 1:
            count = told.joined if event.name == "joined" else completed
            if total > MOST_LINES and count != total and count % (total // MOST_LINES):
                return
        if text:
            values = {"worker": event.worker, "nth": event.nth, "total": total, "died": told.died}
            self.once(event, text.format(joined=told.joined, completed=completed, **values))

    def barrier(self, told: Progress, seconds: float) -> None:
        """Say that workers have waited at the INIT barrier for so long, and for whom."""
        back = ", ".join(str(worker) for worker in sorted(told.at_barrier)[:5])
        text = (
            f"worker {back} joined {seconds:.0f} s ago and waits at the INIT barrier: the others are past it, and come "
            "back only if they notice the failure (JobProgress.isJobFaulty)"
            if told.barriers
            else f"all workers joined, but {seconds:.0f} s later not all of them have come to the INIT barrier"
        )
        self.once(f"barrier {sorted(told.at_barrier)}", f"{text}; Twister2 gives up after 600 s")
