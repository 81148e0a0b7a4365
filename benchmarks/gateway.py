"""Hundreds of routes, one for each worker, at a Gateway: the wrapper against bare Helm and kubectl.

`twister2-job install` of 500 TCPRoutes and 8 ListenerSets, to printed addresses, against `helm install --wait` with the
same values; `twister2-job address` with 2,000 routes against `kubectl get services,tcproutes,listenersets -o wide`. Two
workers run, the other Services are reserved. Prints medians. The cluster needs a Gateway that takes ListenerSets and is
nobody's but ours: `devcluster up --with gateway`.
"""

from __future__ import annotations

import argparse

from measure import CHART, HELM, WRAPPER, own_namespace, pair, seconds, seconds_to_table
from per_worker import Rounds

INSTALL_GOAL, READ_GOAL = 1.1, 1.5
BASE = 30000
"""Listener of worker 0; the others follow."""
STEP = 500
"""Routes that one revision adds."""
SET = 64
"""Listeners of one ListenerSet."""


class Routes(Rounds):
    """Makes releases with a TCPRoute and a listener for each of `size` workers."""

    def __init__(self, namespace: str, size: int, gateway: str) -> None:
        """Make nothing yet; the Gateway is NAMESPACE/NAME."""
        super().__init__(namespace, size)
        self.count = size
        where, _, name = gateway.partition("/")
        workers = f"instances=2,perWorker.enabled=true,perWorker.type=ClusterIP,perWorker.count={size}"
        parent = f"gateway.parentRefs[0].name={name},gateway.parentRefs[0].namespace={where}"
        sets = f"gateway.perWorker.listenerSet.enabled=true,gateway.perWorker.listenerSet.portBase.worker={BASE}"
        own = f"gateway.enabled=true,gateway.shared=false,gateway.perWorker.enabled=true,{sets}"
        self.values = ("--set", f"{workers},perWorker.maxServices={size},{parent},{own}")

    def ours(self) -> float:
        """Return the seconds of `twister2-job install`, to printed addresses, with its wait for the Gateway."""
        return seconds_to_table(WRAPPER, "install", self._next("a"), *self.inside, *self.values, pending=True)

    def grow(self) -> None:
        """Make a release with all routes, some by each revision: an API server can't take 2,000 Services at once."""
        for size in [*range(STEP, self.count, STEP), self.count]:
            count = ("--set", f"perWorker.count={size}")
            if self.name:
                seconds((HELM, "upgrade", self.name, CHART, *self.inside, *self.values, *count))
            else:
                self.theirs(*count)

    def read_theirs(self) -> float:
        """Return the seconds of `kubectl get services,tcproutes,listenersets -o wide`."""
        return seconds(("kubectl", "get", "services,tcproutes,listenersets", "-o", "wide", *self.inside))


def main() -> None:
    """Run the measurements in a namespace of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", default="gateways/devcluster", metavar="NAMESPACE/NAME", help="the Gateway")
    parser.add_argument("--routes", type=int, default=500, help="routes of each install")
    parser.add_argument("--installs", type=int, default=3, help="rounds of installs; 0 for none")
    parser.add_argument("--read-routes", type=int, default=2000, help="routes whose addresses are read")
    parser.add_argument("--reads", type=int, default=10, help="rounds of reads")
    arguments = parser.parse_args()
    with own_namespace() as namespace:
        if arguments.installs:
            few = Routes(namespace, arguments.routes, arguments.gateway)
            sets = -(-arguments.routes // SET)
            title = f"install {arguments.routes} TCPRoutes and {sets} ListenerSets, both until the workers are ready"
            pair(title, arguments.installs, few.ours, lambda: few.theirs("--wait"), goal=INSTALL_GOAL)
            print(f"  release as stored: {few.stored_bytes() / 1000:.1f} kB", flush=True)
            few.clear()
        many = Routes(namespace, arguments.read_routes, arguments.gateway)
        many.grow()
        for form in ("table", "json"):
            title = f"read the addresses of {arguments.read_routes} routes, -o {form}"
            pair(title, arguments.reads, lambda form=form: many.read(form), many.read_theirs, goal=READ_GOAL)  # type: ignore[misc]
        many.clear()


if __name__ == "__main__":
    main()
