"""What `helm test` runs: resolves every worker's DNS name and, in echo mode, asks every port who answers.

The plan is JSON in the environment variable PLAN: {"job", "domain", "groups": [{"name", "firstWorker", "instances",
"workersPerPod"}], "stride", "ports": {NAME: PORT}, "exposures": [{"host", "ports": {NAME: [PORT, STEP]}, "workers",
"closed"}], "connect"}. The plan's `ports` are those of container 0. An exposure with `workers` has a Service for each of
so many workers: `{worker}` in its host is the worker's ID, and worker i has the port PORT + i * STEP; the Services of
the workers in `closed`, which may be missing, lead to nothing. Ports are only connected to when "connect" says so: a
stray connection can kill the worker of a Twister2 job. Prints a line for each step; exit code 1 if one failed.
"""

import json
import os
import socket
import sys
import time

DEADLINE_SECONDS = 30  # A worker that is just starting gets this long.


def ask(host, port):
    """Return the JSON answer of host:port."""
    with socket.create_connection((host, port), timeout=5) as connection:
        chunks = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return json.loads(b"".join(chunks))


def retry(step):
    """Run `step` until it works or the time is over; return (result, None) or (None, error)."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return step(), None
        except (OSError, ValueError) as error:
            if time.monotonic() > end:
                return None, error
            time.sleep(1)


def check(what, step, expected=None):
    """Run one step, print its outcome, return whether it went well."""
    result, error = retry(step)
    if error is None and expected is not None and any(result.get(key) != value for key, value in expected.items()):
        error = f"{result} answered, expected {expected}"
    print(f"{'FAILED' if error else 'ok'}: {what}: {error or result}", flush=True)
    return error is None


def workers(plan):
    """Yield (worker ID, host, {port name: number}) for every worker of the plan."""
    for group in plan["groups"]:
        for slot in range(group["instances"] * group["workersPerPod"]):
            ordinal, container = divmod(slot, group["workersPerPod"])
            shift = container * plan["stride"]
            ports = {name: number + shift for name, number in plan["ports"].items()}
            yield group["firstWorker"] + slot, f"{group['name']}-{ordinal}.{plan['domain']}", ports


def exposed(plan):
    """Yield (host, port name, port, expected answer) for every port of every exposure."""
    for exposure in plan["exposures"]:
        for worker in range(exposure["workers"] or 1):
            if worker in exposure.get("closed", ()):
                continue
            host = exposure["host"].replace("{worker}", str(worker))
            for name, (port, step) in exposure["ports"].items():
                expected = {"job": plan["job"], "portName": name}
                if exposure["workers"]:
                    expected["worker"] = worker
                yield host, name, port + worker * step, expected


def main():
    """Carry the plan out and return the exit code."""
    plan = json.loads(os.environ["PLAN"])
    good = True
    for worker, host, ports in workers(plan):
        addresses = lambda host=host: sorted({info[4][0] for info in socket.getaddrinfo(host, None)})  # noqa: E731
        good &= check(f"DNS name of worker {worker}, {host}", addresses)
        for name, port in ports.items() if plan["connect"] else ():
            expected = {"job": plan["job"], "worker": worker, "portName": name}
            good &= check(f"port {name} of worker {worker}", lambda h=host, p=port: ask(h, p), expected)
    for host, name, port, expected in exposed(plan) if plan["connect"] else ():
        good &= check(f"exposure {host}, port {name}", lambda h=host, p=port: ask(h, p), expected)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
