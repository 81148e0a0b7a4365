"""Thousands of Services, one for each worker: the wrapper against bare Helm and kubectl.

For each number of Services: `twister2-job install` to printed addresses against `helm install`, which waits for
nothing; the size of the release that Helm stores; `twister2-job address` against `kubectl get services -o wide`; and
how much memory `address` takes. Two workers run, the other Services are reserved: it is the Services that cost. A
cluster has 2,768 node ports in all, so each round gives its own back before the next begins. Prints medians.

Helm sends all Services at once, and an API server gives each request 34 seconds: where 2,000 take longer than that,
Helm fails on either side. HELM_QPS=50 in the environment makes both sides send 50 in a second.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import secrets
import subprocess
import sys
import time

from measure import CHART, HELM, WRAPPER, fail, output, own_namespace, pair, seconds, seconds_to_table

SETTLE = 5.0
"""Seconds of rest between two rounds, in which kube-proxy and the controllers work off the last one."""
GONE = 300.0
"""Seconds the Services of a round may take to go."""
READ_GOAL, READ_GOAL_AT = 1.5, 2000
INSTALL_GOAL, INSTALL_GOAL_AT = 1.1, 1000
# ru_maxrss would count this process too, whose memory the child has until it becomes Python; VmHWM begins anew there.
PEAK = """
import sys
from twister2_job.__main__ import main
code = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


class Rounds:
    """Makes releases with `size` Services, each under a name of its own, and takes each away before the next."""

    def __init__(self, namespace: str, size: int) -> None:
        """Make nothing yet."""
        self.inside = ("--namespace", namespace)
        self.values = ("--set", f"instances=2,perWorker.enabled=true,perWorker.count={size},perWorker.maxServices=2000")
        self.name = ""

    def clear(self) -> None:
        """Remove the release and wait until its Services are gone."""
        if not self.name:
            return
        seconds((HELM, "uninstall", self.name, *self.inside))
        until = time.monotonic() + GONE
        while output("kubectl", "get", "services", "-o", "name", *self.inside):
            if time.monotonic() > until:
                sys.exit(f"the Services of {self.name} are not gone after {GONE:.0f} s")
            time.sleep(1)
        self.name = ""
        time.sleep(SETTLE)

    def _next(self, prefix: str) -> str:
        self.clear()
        self.name = f"{prefix}{secrets.token_hex(4)}"
        return self.name

    def ours(self) -> float:
        """Return the seconds of `twister2-job install`, to printed addresses."""
        return seconds_to_table(WRAPPER, "install", self._next("a"), *self.inside, *self.values)

    def theirs(self, *options: str) -> float:
        """Return the seconds of `helm install`."""
        return seconds((HELM, "install", self._next("b"), CHART, *self.inside, *self.values, *options))

    def stored_bytes(self) -> int:
        """Return the size of the release as etcd holds it: Helm's own base64 text, without that of the Secret."""
        secret = output("kubectl", "get", "secret", f"sh.helm.release.v1.{self.name}.v1", "-o", "json", *self.inside)
        return len(base64.b64decode(json.loads(secret)["data"]["release"]))

    def read(self, form: str) -> float:
        """Return the seconds of `twister2-job address`."""
        return seconds((WRAPPER, "address", self.name, "-o", form, *self.inside))

    def read_theirs(self) -> float:
        """Return the seconds of `kubectl get services -o wide`."""
        return seconds(("kubectl", "get", "services", "-o", "wide", *self.inside))

    def peak(self, form: str) -> float:
        """Return the most memory that the Python process of `address` had, in MiB; kubectl's is not in it."""
        command = (sys.executable, "-c", PEAK, "address", self.name, "-o", form, *self.inside)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            fail(command, done.stderr)
        return int(done.stderr.split()[-1]) / 1024


def measure(rounds: Rounds, size: int, installs: int, reads: int) -> float:
    """Measure all of it with one number of Services and return the wrapper's seconds to install."""
    mine, bare = pair(
        f"install with {size} Services",
        installs,
        rounds.ours,
        rounds.theirs,
        goal=INSTALL_GOAL if size == INSTALL_GOAL_AT else None,
    )
    if size == INSTALL_GOAL_AT:  # The wrapper returns when the workers are ready; this is the Helm that does so too.
        pair(
            f"install with {size} Services, both until the workers are ready",
            installs,
            rounds.ours,
            lambda: rounds.theirs("--wait"),
        )
    print(f"  a Service: {mine / size * 1000:.1f} ms, with Helm alone {bare / size * 1000:.1f} ms")
    print(f"  release as stored: {rounds.stored_bytes() / 1000:.1f} kB, goal < 100 kB", flush=True)
    for form in ("table", "json"):
        pair(
            f"read {size} addresses, -o {form}",
            reads,
            lambda form=form: rounds.read(form),  # type: ignore[misc]
            rounds.read_theirs,
            goal=READ_GOAL if size == READ_GOAL_AT else None,
        )
        print(f"  peak memory of Python: {rounds.peak(form):.0f} MiB, goal <= 100 MiB", flush=True)
    return mine


def main() -> None:
    """Run the measurements in a namespace of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 2000], help="numbers of Services")
    parser.add_argument("--installs", type=int, default=3, help="rounds of installs of each size")
    parser.add_argument("--reads", type=int, default=10, help="rounds of reads of each size")
    arguments = parser.parse_args()
    each: dict[int, float] = {}
    with own_namespace() as namespace:
        for size in arguments.sizes:
            rounds = Rounds(namespace, size)
            each[size] = measure(rounds, size, arguments.installs, arguments.reads) / size
            rounds.clear()
        for less, more in itertools.pairwise(each):
            print(f"one Service of {more} takes {each[more] / each[less]:.2f} times as long as one of {less}")


if __name__ == "__main__":
    main()
