"""Running commands, starting daemons, finding and ending processes, bounded waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import settings


class DevclusterError(Exception):
    """Something went wrong; the text is a sentence for the user: what, why, what to do."""


def run(*command: str | Path, check: bool = True, text: str | None = None, seconds: float = 120) -> str:
    """Run a command and return its output; raises DevclusterError with its last words if it fails and `check`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=text or "", capture_output=True, text=True, timeout=seconds, check=False)
    except FileNotFoundError as error:
        raise DevclusterError(
            f"The program {words[0]} is missing; `devcluster install` installs what is needed."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DevclusterError(f"`{' '.join(words)}` did not end within {seconds:g} s.") from error
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise DevclusterError(f"`{' '.join(words)}` failed with exit code {done.returncode}: {' / '.join(said)}")
    return done.stdout


def in_namespace(namespace: str, *command: str | Path) -> list[str]:
    """Return the command that runs `command` in a network namespace and changes nothing else."""
    return ["nsenter", f"--net=/run/netns/{namespace}", *map(str, command)]


def start(name: str, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> int:
    """Start a daemon in a session of its own, its output to STATE/logs/NAME.log; return its process ID."""
    log = settings.STATE / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/",
            env={**os.environ, "PATH": f"{settings.binaries()}:{os.environ.get('PATH', '')}", **(environment or {})},
        )  # fmt: skip
    return daemon.pid


def wait(what: str, ready: Callable[[], bool], seconds: float, log: str = "") -> None:
    """Wait until `ready` says so; raises DevclusterError that names what it waited for, with the end of a log."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            path = settings.STATE / "logs" / f"{log}.log"
            words = path.read_text(errors="replace").strip().splitlines()[-1:] if log and path.exists() else []
            tail = f" The last line of {path}: {words[0][:300]}" if words else ""
            raise DevclusterError(f"{what} did not happen within {seconds:g} s; `devcluster logs` shows why.{tail}")
        time.sleep(0.1)


def ancestors() -> set[int]:
    """Return our own process and all above it: these we never end."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        pid = int(fields[1])
    return found


def in_namespaces(namespaces: Iterable[str]) -> set[int]:
    """Return the processes in these network namespaces, however they were started."""
    wanted = set()
    for namespace in namespaces:
        path = Path("/run/netns") / namespace
        if path.exists():
            wanted.add(path.stat().st_ino)
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "ns" / "net").stat().st_ino in wanted:
                    found.add(int(folder.name))
            except OSError:
                continue  # It has just ended.
    return found


def end(pids: Iterable[int], seconds: float = 10) -> None:
    """Kill processes and wait until they are gone; raises DevclusterError if one stays."""
    remaining = set(pids)
    for pid in remaining:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait(f"The end of the processes {sorted(remaining)}", lambda: not any(map(alive, remaining)), seconds)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be collected by its parent doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
