"""The mark of a run: labels that a command puts on what it makes, by which this and other runs know whose it is.

They are Helm's labels of a release (`--labels`), and labels of a namespace or of files for the pods. Helm copies the
labels of a release to its next revision, whoever makes it, so a mark names the revision that it is for.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RUN, TIMEOUT, CLAIMED = "twister2-job/run", "twister2-job/timeout", "twister2-job/claimed"
"""Labels: the mark, the run's `--timeout` in seconds, and the time at which a run claimed another one's leftovers."""
DEFAULT_TIMEOUT = 300.0
"""Seconds that a run without a mark may take: Helm's default for `--timeout`."""
ENDING = 15.0
"""Seconds that a run may need after its `--timeout`, to end its processes and undo what it made."""

_RUN = re.compile(r"([0-9a-f]{8})\.([0-9a-f]{8}|x)\.(\d+)\.(\d+)(?:\.(\d+))?")


def _started(pid: int) -> int:
    """Return the start time of a process of this machine, in the kernel's ticks; 0 if it has ended.

    The state and the time are fields 3 and 22 of /proc/PID/stat, after the name in brackets (proc(5)); a process that
    has ended and that its parent has not collected yet still has an entry, with the state Z.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        return 0


def _has_ended(pid: int, started: int) -> bool:
    """Tell whether a process of this machine has certainly ended; False if we may not see it."""
    if began := _started(pid):
        return began != started
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # It runs, and /proc hides it, since it is another user's.
        return False
    return Path(f"/proc/{pid}/stat").exists()  # It has ended, and its parent has not collected it yet.


def _machine() -> str:
    """Return an ID of this machine's boot and of our PID namespace; `x` where there is none, as outside Linux."""
    if not sys.platform.startswith("linux"):
        return "x"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        seen = f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "x"
    return hashlib.sha256(seen.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Mark:
    """One run of one command.

    Attributes:
        id: A unique ID, which can be part of an object's name.
        text: The label's value, without a revision.
        timeout: The run's `--timeout`, in seconds.
    """

    id: str
    text: str
    timeout: float

    def labels(self, revision: int = 0) -> dict[str, str]:
        """Return the labels for what this run makes; for a release, `revision` is the one about to be made."""
        run = f"{self.text}.{revision}" if revision else self.text
        return {RUN: run, TIMEOUT: str(min(math.ceil(self.timeout), 10**9))}

    def claim(self, revision: int) -> dict[str, str]:
        """Return the labels with which this run claims a revision that another run has left."""
        return {**self.labels(revision), CLAIMED: str(int(time.time()))}

    def made(self, labels: Mapping[str, str], revision: int = 0) -> bool:
        """Tell whether this run made the object or revision with these labels.

        Args:
            labels: Labels of a release or an object.
            revision: The release's revision; 0 for other objects.
        """
        found = _RUN.fullmatch(labels.get(RUN, ""))
        return bool(found and found[1] == self.id and int(found[5] or 0) == revision)


def new(timeout: float) -> Mark:
    """Return the mark of a run that begins now, by this process.

    Args:
        timeout: Its `--timeout`, in seconds.
    """
    unique, pid = os.urandom(4).hex(), os.getpid()
    return Mark(unique, f"{unique}.{_machine()}.{pid}.{_started(pid)}", timeout)


def time_of(text: str) -> float:
    """Return a time of Helm's or Kubernetes' output in seconds since 1970; the present time if `text` is none."""
    from datetime import datetime, timezone

    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[-+]\d\d:\d\d)?", text)
    if not found:
        return time.time()
    zone = "+00:00" if found[2] in (None, "Z") else found[2]
    return datetime.fromisoformat(found[1] + zone).astimezone(timezone.utc).timestamp()


def remaining(labels: Mapping[str, str], since: float, revision: int = 0) -> float:
    """Return for how many seconds the run that made this may still work on it; 0 means that it was left behind.

    It was left behind if the run was on this machine and its process has ended. Any other run counts as working until
    its `--timeout` is over.

    Args:
        labels: Labels of a release or an object.
        since: When it was made, in seconds since 1970.
        revision: The release's revision; 0 for other objects.
    """
    timeout = DEFAULT_TIMEOUT
    found = _RUN.fullmatch(labels.get(RUN, ""))
    if found and int(found[5] or 0) == revision:
        if found[2] == _machine() != "x" and _has_ended(int(found[3]), int(found[4])):
            return 0.0
        given = labels.get(TIMEOUT, "")
        timeout = float(given) + ENDING if given.isdigit() else DEFAULT_TIMEOUT
    claimed = labels.get(CLAIMED, "")
    return max(0.0, max(since, float(claimed) if claimed.isdigit() else 0.0) + timeout - time.time())
