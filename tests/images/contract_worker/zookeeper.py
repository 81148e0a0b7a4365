"""The job's znode, by which Twister2 0.8.0 knows whether a job begins for the first time. Made by a real ZooKeeper."""

from __future__ import annotations

import time

from .job import Job
from .log import log

KEY = "twister2.resource.zookeeper."


def begins(job: Job) -> bool:
    """Make the znode of a job that uses ZooKeeper; tell whether the job may begin: not if the znode is there."""
    servers = job.config.get(KEY + "server.addresses")
    if not servers:
        return True
    from kazoo.client import KazooClient  # Only the image has it.
    from kazoo.exceptions import NodeExistsError

    client = KazooClient(str(servers), timeout=job.number("twister2.fault.tolerance.failure.timeout", 10000) / 1000)
    client.start(timeout=30)
    path = f"{job.config.get(KEY + 'root.node.path', '/twister2')}/{job.id}"
    try:
        client.create(path, makepath=True)
        client.create(f"{path}/job-submission-time", str(round(time.time() * 1000)).encode())
    except NodeExistsError:
        words = "Job is starting for the first time, but there is an existing znode at ZK server"
        log("SEVERE", f"{words}: {path}")
        return False
    finally:
        client.stop()
        client.close()
    return True
