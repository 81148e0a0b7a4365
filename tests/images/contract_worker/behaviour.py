"""What a worker does, by the name of its class.

contract.Complete    is done at once.
contract.Serve       answers on all of its ports, like the echo worker, for `contract.seconds` (3600).
contract.Fail        worker 0 fails, at each of its first `contract.failures` starts (all).
contract.FailOnce    the same, at its first start.
contract.Halt        worker 0's process ends without a word, likewise.
contract.Stuck       worker 1 never reaches the INIT barrier.
contract.MasterDies  the job master's process ends without a word when all have joined: see master.py.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import Worker

ALWAYS = 10**9


def before_init(worker: Worker) -> None:
    """Do what a class does before the INIT barrier."""
    if worker.job.worker_class == "contract.Stuck" and worker.number == 1:
        while True:
            time.sleep(3600)


def run(worker: Worker) -> bool:
    """Do what the worker's class says; tell whether it is done, or was ended by a fault of another worker.

    Raises an exception where the class fails.
    """
    name, config = worker.job.worker_class, worker.job
    once = name == "contract.FailOnce"
    fails = worker.number == 0 and worker.restarts < config.number("contract.failures", 1 if once else ALWAYS)
    if name == "contract.Serve":
        serve(worker)
        return worker.pause(config.number("contract.seconds", 3600))
    if name in ("contract.Fail", "contract.FailOnce") and fails:
        raise RuntimeError(f"{name} fails, as it should")
    if name == "contract.Halt" and fails:
        os._exit(1)
    if not name.startswith("contract."):
        raise LookupError(f"ClassNotFoundException: {name}")
    return True


def serve(worker: Worker) -> None:
    """Answer on all of the worker's ports, in a thread, until the process ends."""
    if any(thread.name == "serve" for thread in threading.enumerate()):
        return  # Since an earlier execution.
    base = int(os.environ["WORKER_PORT"])
    names = ["worker", *worker.job.config.get("twister2.resource.worker.additional.ports", [])]
    ports = {name: base + number for number, name in enumerate(names)}
    threading.Thread(target=lambda: asyncio.run(answer(worker, ports)), name="serve", daemon=True).start()


async def answer(worker: Worker, ports: dict[str, int]) -> None:
    """Listen on ports, by name, with the chart's echo worker."""
    from . import echo_worker  # type: ignore[attr-defined]  # The image's build puts it here.

    group = int(os.environ["POD_NAME"].rsplit("-", 2)[1])
    groups = worker.job.groups
    first = sum(one.instances * one.workers_per_pod for one in groups[:group])
    for name, port in ports.items():
        line = echo_worker.identity(first, groups[group].workers_per_pod, group, name, port)
        await echo_worker.listen(port, line)
    await asyncio.Event().wait()
