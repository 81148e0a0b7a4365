"""The Kubernetes API, with the pod's own token."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .job import Job
from .log import log

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FORBIDDEN_SECONDS = 5  # Twister2 lives on for 90 s without its main thread; nobody wants to wait as long in a test.


class ApiError(Exception):
    """The API server refused something."""

    def __init__(self, status: int) -> None:
        super().__init__(f"code={status}")
        self.status = status


def request(method: str, path: str, body: Any = None, kind: str = "application/json", seconds: float = 30) -> Any:
    """Ask the API server and return the open answer; raises ApiError if it refuses."""
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    server = f"[{host}]" if ":" in host else host
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text().strip()}", "Content-Type": kind}
    data = None if body is None else json.dumps(body).encode()
    url = f"https://{server}:{os.environ['KUBERNETES_SERVICE_PORT']}{path}"
    asked = urllib.request.Request(url, data=data, headers=headers, method=method)
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        return urllib.request.urlopen(asked, context=context, timeout=seconds)
    except urllib.error.HTTPError as error:
        raise ApiError(error.code) from None


def list_objects(path: str, selector: str) -> list[dict[str, Any]]:
    """Return the objects of a path that a label selector finds."""
    with request("GET", f"{path}?{urlencode({'labelSelector': selector})}") as answer:
        found: list[dict[str, Any]] = json.load(answer)["items"]
        return found


def watch(path: str, selector: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Yield the events of objects that a label selector finds, those that are there first, until the time is over."""
    query = urlencode({"labelSelector": selector, "watch": "true", "timeoutSeconds": int(seconds)})
    with request("GET", f"{path}?{query}", seconds=seconds + 30) as answer:
        for line in answer:
            yield json.loads(line)


def job_config_map(job: Job) -> dict[str, Any]:
    """Return the one ConfigMap with the job's label; ends the process, as Twister2 does, if that can't be had."""
    try:
        found = list_objects(f"/api/v1/namespaces/{job.namespace}/configmaps", f"t2-job={job.id}")
    except ApiError:
        log("SEVERE", "Exception when getting ConfigMap list.\nio.kubernetes.client.openapi.ApiException: ")
        time.sleep(FORBIDDEN_SECONDS)
        raise SystemExit(1) from None
    if len(found) != 1 or not found[0].get("data"):
        few = "Could not get data from ConfigMap" if found else "There is no ConfigMap for this job"
        log("SEVERE", "There are multiple ConfigMaps for this job" if len(found) > 1 else few)
        time.sleep(FORBIDDEN_SECONDS)
        raise SystemExit(1)
    return found[0]


def count_restart(job: Job, who: str) -> int:
    """Write down in the job's ConfigMap that `who` starts; return how often it had started before."""
    found = job_config_map(job)
    key = f"RESTART_COUNT_FOR_{who}"
    earlier = found["data"].get(key)
    count = 0 if earlier is None else int(earlier) + 1
    change = {"op": "add" if earlier is None else "replace", "path": f"/data/{key}", "value": str(count)}
    path = f"/api/v1/namespaces/{job.namespace}/configmaps/{found['metadata']['name']}"
    try:
        request("PATCH", path, [change], kind="application/json-patch+json").close()
    except ApiError:
        log("SEVERE", f"Exception when updating {key} in the ConfigMap.\nio.kubernetes.client.openapi.ApiException: ")
        time.sleep(FORBIDDEN_SECONDS)
        raise SystemExit(1) from None
    return count
