"""The main job, side by side: the wrapper against bare Helm and kubectl. `make benchmark` runs it.

Each round makes one release with each side, in turn which goes first, under names that were never used (a kubelet
remembers the ConfigMaps of deleted releases for a while, and would slow the second side down). Prints medians.
HELM_BIN names the Helm of both sides; the goal is lower for Helm 3, whose `--wait` looks only every other second.
"""

from __future__ import annotations

import argparse
import secrets

from measure import CHART, HELM, WRAPPER, output, own_namespace, pair, processor_time, seconds, seconds_to_table

VALUES = ("--set", "nodePort.enabled=true")


def measure(namespace: str, rounds: int) -> None:
    """Run both measurements in a namespace."""
    inside = ("--namespace", namespace)
    made: list[str] = []

    def release(prefix: str) -> str:
        if made:
            seconds((HELM, "uninstall", made.pop(), "--wait", *inside))
        made.append(f"{prefix}{secrets.token_hex(4)}")
        return made[-1]

    def install_ours() -> float:
        return seconds_to_table(WRAPPER, "install", release("a"), *inside, *VALUES)

    def install_theirs() -> float:
        return seconds(
            (HELM, "install", release("b"), CHART, "--wait", *inside, *VALUES),
            ("kubectl", "get", "services", "-o", "wide", *inside),
        )

    newer = output(HELM, "version", "--short").startswith("v4")
    pair("install to printed addresses", rounds, install_ours, install_theirs, goal=1.05 if newer else 0.85)
    name = made[0]
    pair(
        "read the addresses",
        3 * rounds,
        lambda: seconds((WRAPPER, "address", name, *inside)),
        lambda: seconds(
            ("kubectl", "get", "services", "-o", "wide", *inside), ("kubectl", "get", "nodes", "-o", "wide")
        ),
        goal=1.3,
    )
    processor_time("twister2-job --help", rounds, (WRAPPER, "--help"), goal=0.070)


def main() -> None:
    """Run the measurements in a namespace of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with own_namespace(wait=False) as namespace:
        measure(namespace, rounds)


if __name__ == "__main__":
    main()
