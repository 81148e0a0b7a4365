"""What the benchmarks share: both sides in one run, in turn which goes first, told as medians."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parent.parent
CHART = str(REPOSITORY / "charts" / "twister2-job")
WRAPPER = str(Path(sys.executable).parent / "twister2-job")
HELM = os.environ.get("HELM_BIN", "helm")


def fail(command: Sequence[str], said: str) -> NoReturn:
    """Exit with the beginning of what a command said: Helm has a line for each of thousands of objects."""
    lines = said.strip().splitlines()
    more = f"\n(and {len(lines) - 3} more lines)" if len(lines) > 3 else ""
    sys.exit(f"{' '.join(command)} failed: " + "\n".join(line[:500] for line in lines[:3]) + more)


def output(*command: str) -> str:
    """Run a command and return what it printed; exits if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(command, done.stderr or done.stdout)
    return done.stdout


def seconds(*commands: tuple[str, ...]) -> float:
    """Run commands one after the other and return how long they took together; exits if one fails."""
    began = time.perf_counter()
    for command in commands:
        output(*command)
    return time.perf_counter() - began


@contextlib.contextmanager
def own_namespace(prefix: str = "benchmark", *, wait: bool = True) -> Iterator[str]:
    """Make a namespace for a benchmark, and remove it when that ends, also by SIGTERM.

    Args:
        prefix: What its name begins with.
        wait: Wait until it is gone, for the next run to have its node ports again.
    """
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # So that `finally` gets its turn.
    name = f"{prefix}-{secrets.token_hex(3)}"
    seconds(("kubectl", "create", "namespace", name))
    try:
        yield name
    finally:
        seconds(("kubectl", "delete", "namespace", name, f"--wait={str(wait).lower()}"))


def seconds_to_table(*command: str, pending: bool = False) -> float:
    """Run a command of the wrapper and return how long it took to print its table; exits if it fails.

    The table comes in one piece; what is done after it, nobody waits for. With `pending` an address may be pending.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as process:
            assert process.stdout
            printed = process.stdout.readline()
            taken = time.perf_counter() - began
            process.stdout.read()  # A pipe that nobody reads would hold the process up.
        if process.returncode not in ((0, 3) if pending else (0,)) or not printed.startswith(b"WORKER"):
            said.seek(0)
            fail(command, said.read())
    return taken


def pair(
    title: str, rounds: int, ours: Callable[[], float], theirs: Callable[[], float], goal: float | None = None
) -> tuple[float, float]:
    """Measure both sides in alternating order, print their medians and the ratio, and return the medians in seconds."""
    left: list[float] = []
    right: list[float] = []
    for number in range(rounds):
        for side, results in ((ours, left), (theirs, right))[:: 1 if number % 2 else -1]:
            results.append(side())
    medians = statistics.median(left), statistics.median(right)
    print(f"{title} ({rounds} rounds)")
    for name, results, median in zip(("twister2-job", "helm, kubectl"), (left, right), medians, strict=True):
        print(f"  {name:14} median {median:.3f} s ({min(results):.3f} to {max(results):.3f})")
    print(f"  ratio {medians[0] / medians[1]:.2f}" + (f", goal <= {goal:.2f}" if goal else ""), flush=True)
    return medians


def processor_time(title: str, rounds: int, command: tuple[str, ...], goal: float) -> float:
    """Measure the processor time of a command, print its median, and return that in seconds."""
    results = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output(*command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        results.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    median = statistics.median(results)
    spread = f"({min(results):.3f} to {max(results):.3f})"
    print(f"{title} ({rounds} rounds)\n  processor time median {median:.3f} s {spread}, goal <= {goal:.3f}", flush=True)
    return median
