"""The main job, side by side: the wrapper against bare Helm and kubectl. `make benchmark` runs it.

Each round makes one release with each side, in turn which goes first, under names that were never used (a kubelet
remembers the ConfigMaps of deleted releases for a while, and would slow the second side down). Prints medians.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CHART = str(REPOSITORY / "charts" / "twister2-job")
WRAPPER = str(Path(sys.executable).parent / "twister2-job")
VALUES = ("--set", "nodePort.enabled=true")


def seconds(*commands: tuple[str, ...]) -> float:
    """Run commands one after the other and return how long they took together; exits if one fails."""
    began = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed: {done.stderr or done.stdout}")
    return time.perf_counter() - began


def pair(title: str, goal: float, rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Measure both sides in alternating order and print their medians and the ratio."""
    left: list[float] = []
    right: list[float] = []
    for number in range(rounds):
        for side, results in ((ours, left), (theirs, right))[:: 1 if number % 2 else -1]:
            results.append(side())
    ratio = statistics.median(left) / statistics.median(right)
    print(f"{title} ({rounds} rounds)")
    for name, results in (("twister2-job", left), ("helm, kubectl", right)):
        spread = f"{min(results):.3f} to {max(results):.3f}"
        print(f"  {name:14} median {statistics.median(results):.3f} s ({spread})")
    print(f"  ratio {ratio:.2f}, goal <= {goal:.1f}")


def main() -> None:
    """Run both measurements in a namespace of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    helm = os.environ.get("HELM_BIN", "helm")
    namespace = f"benchmark-{secrets.token_hex(3)}"
    inside = ("--namespace", namespace)
    seconds(("kubectl", "create", "namespace", namespace))
    made: list[str] = []

    def release(prefix: str) -> str:
        if made:
            seconds((helm, "uninstall", made.pop(), "--wait", *inside))
        made.append(f"{prefix}{secrets.token_hex(4)}")
        return made[-1]

    def install_ours() -> float:
        command = (WRAPPER, "install", release("a"), *inside, *VALUES)
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as run:
            assert run.stdout
            printed = run.stdout.readline()  # The table comes in one piece; then the addresses are tried.
            taken = time.perf_counter() - began
        if run.returncode or not printed.startswith(b"WORKER"):
            sys.exit(f"{' '.join(command)} failed")
        return taken

    def install_theirs() -> float:
        return seconds(
            (helm, "install", release("b"), CHART, "--wait", *inside, *VALUES),
            ("kubectl", "get", "services", "-o", "wide", *inside),
        )

    try:
        pair("install to printed addresses", 1.0, rounds, install_ours, install_theirs)
        name = made[0]
        pair(
            "read the addresses",
            1.2,
            3 * rounds,
            lambda: seconds((WRAPPER, "address", name, *inside)),
            lambda: seconds(
                ("kubectl", "get", "services", "-o", "wide", *inside), ("kubectl", "get", "nodes", "-o", "wide")
            ),
        )
    finally:
        seconds(("kubectl", "delete", "namespace", namespace, "--wait=false"))


if __name__ == "__main__":
    main()
