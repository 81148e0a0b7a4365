"""`make fuzz`: generated values through the chart, and what it renders through the API server of a cluster."""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.fuzz.apiserver import ApiServer
from tests.fuzz.renderer import Renderer
from tests.fuzz.run import Fuzz


@contextlib.contextmanager
def api_server(kubeconfig: str) -> Iterator[ApiServer | None]:
    """Yield the API server of a cluster, with a namespace for the dry runs; nothing without a kubeconfig."""
    if not kubeconfig:
        yield None
        return
    kubectl = ["kubectl", "--kubeconfig", kubeconfig]
    namespace = f"test-{secrets.token_hex(4)}"
    subprocess.run([*kubectl, "create", "namespace", namespace], check=True, stdout=subprocess.DEVNULL)
    try:
        server = ApiServer(kubectl, namespace)
        try:
            yield server
        finally:
            server.close()
    finally:
        delete = [*kubectl, "delete", "namespace", namespace, "--wait=false"]
        subprocess.run(delete, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Run it; the exit code is 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="how many values to generate (default: 5000)")
    parser.add_argument("--seed", default="", help="what they are made of; the same seed makes the same values")
    parser.add_argument("--kubeconfig", default="", help="the cluster whose API server is asked (default: none)")
    parser.add_argument("--no-shrink", action="store_true", help="show each fault with the values that were generated")
    arguments = parser.parse_args()
    # The namespace goes too when somebody ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    number = int(arguments.seed) if arguments.seed else random.SystemRandom().randrange(10**6)
    start = time.monotonic()
    with Renderer() as renderer, api_server(arguments.kubeconfig) as server:
        fuzz = Fuzz(renderer, server)
        outcome = fuzz.run(arguments.cases, number)
        seconds = time.monotonic() - start
        objects = f", {len(server.seen)} different objects asked about" if server else ""
        print(f"seed {number}: {arguments.cases} cases in {seconds:.0f} s{objects}")
        for what, count in sorted(outcome.counts.items()):
            print(f"  {count:6} {what}")
        print(f"  {len(outcome.faults):6} kinds of faults", flush=True)
        found = outcome.faults.values() if arguments.no_shrink else fuzz.shrink(outcome)
        for one in found:
            print(f"\n{one.text()}", flush=True)
    if outcome.faults:
        print(f"\nThe same cases again: make fuzz CASES={arguments.cases} SEED={number}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
