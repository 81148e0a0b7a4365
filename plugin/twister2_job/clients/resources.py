"""Where a job's objects are in the Kubernetes API, and how they are read; imports nothing that takes long.

So there are no data classes here, nor in what this imports: their module takes as long as starting kubectl.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import KubectlMissingError, NoClusterError, NoRightsError
from .children import Result

PATHS = {
    "Service": "/api/v1/services",
    "Pod": "/api/v1/pods",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Node": "/api/v1/nodes",
}
NO_COLLECTION = {"GOGC": "off", "GOMEMLIMIT": "300MiB"}
"""Settings of the Go runtime: no garbage collection below this size."""
LIMIT = 30.0
"""Seconds a read may take: kubectl itself would retry a silent server for minutes."""
ANY_JOB = "app.kubernetes.io/name=twister2-job"
"""Label selector of everything that belongs to any job."""
JOB_LABEL = r"app\.kubernetes\.io/instance"
"""The label with a job's name, as a JSONPath has it."""
_INSTANCE = f"{ANY_JOB},app.kubernetes.io/instance"
_COMPONENT = "app.kubernetes.io/component"
FILE = "twister2-job/jar"
"""Label of the ConfigMaps that hold a file for a job's pods, in pieces, and are no part of its release."""


def short_lived(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that ends soon: without garbage collection it takes a fifth less time."""
    return {**NO_COLLECTION, **env}


def selector(job: str) -> str:
    """Return the label selector of everything that belongs to `job`, but for the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}!=test"


def release_selector(job: str) -> str:
    """Return the label selector of what a release of `job` has: without files in pieces, which are large."""
    return f"{selector(job)},!{FILE}"


def file_selector(job: str) -> str:
    """Return the label selector of the ConfigMaps that hold a file for the pods of `job`."""
    return f"{FILE},{_INSTANCE}={job}"


def presence_words(job: str) -> tuple[str, ...]:
    """Return kubectl's arguments that show whether there are objects of `job`; a table leaves out what they hold."""
    kinds = "services,statefulsets.apps,configmaps,networkpolicies.networking.k8s.io,poddisruptionbudgets.policy"
    return ("get", kinds, "-l", selector(job), "--no-headers", "--ignore-not-found")


def test_selector(job: str) -> str:
    """Return the label selector of the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}=test"


def path_of(kind: str, namespace: str = "", job: str = "") -> str:
    """Return the API's path to a job's objects of a kind (a key of `PATHS`), or to all of the cluster's nodes."""
    if kind == "Node":
        return PATHS[kind]
    from urllib.parse import quote

    prefix, _, plural = PATHS[kind].rpartition("/")
    return f"{prefix}/namespaces/{quote(namespace)}/{plural}?labelSelector={quote(selector(job))}"


class Cluster(NamedTuple):
    """What was read: the job's objects, and the nodes, or None if the user may not read nodes."""

    objects: Sequence[Mapping[str, Any]]
    nodes: Sequence[Mapping[str, Any]] | None


class Read(NamedTuple):
    """One run of kubectl that lists objects.

    Attributes:
        words: Its arguments.
        kind: The kind of what is read as the API server sends it, which doesn't say it; empty if each object does.
    """

    words: tuple[str, ...]
    kind: str = ""

    @property
    def namespaced(self) -> bool:
        """Tell whether kubectl needs the namespace as an option: the API's paths name it."""
        return not self.kind

    def objects(self, result: Result, kubeconfig: str = "") -> Sequence[Mapping[str, Any]] | None:
        """Return the objects that were read; None for nodes that the user may not read.

        Args:
            result: What kubectl left.
            kubeconfig: Path of the kubeconfig that the user chose, if one.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        if result.code:
            from .messages import Step, translate

            error = translate(result.err, "kubectl", Step.READ, kubeconfig=kubeconfig)
            if self.kind == "Node" and isinstance(error, NoRightsError):
                return None
            raise error
        items = json.loads(result.out).get("items") or []
        return [{**item, "kind": self.kind} for item in items] if self.kind else items


def raw(kind: str, namespace: str = "", job: str = "") -> Read:
    """Return the reading of one kind as the API server sends it.

    kubectl itself would ask what kinds there are, and decode, encode and indent them, which takes five times the
    processor time (measured with 1,500 Services).
    """
    return Read(("get", "--raw", path_of(kind, namespace, job)), kind)


def reads(namespace: str, job: str, *, nodes: bool, services: bool = True) -> list[Read]:
    """Return how a job's Services, StatefulSets and pods are read, and the nodes.

    A process takes longer than what it reads, so there are few of them. Of Services there may be thousands: they are
    read as the API server sends them, where somebody has named the namespace, which their path needs.

    Args:
        namespace: The namespace; empty means that of the kubeconfig, which kubectl finds.
        job: Name of the job.
        nodes: Read the nodes as well.
        services: Read the Services as well.
    """
    kinds = "pods,statefulsets" if namespace or not services else "pods,statefulsets,services"
    # `--chunk-size=0`: one request for each kind instead of one for each 500 objects.
    found = [Read(("get", kinds, "-l", selector(job), "--chunk-size=0", "-o", "json"))]
    found += [raw("Service", namespace, job)] if namespace and services else []
    return [*found, *([raw("Node")] if nodes else [])]


def cluster(wanted: Sequence[Read], results: Sequence[Result], kubeconfig: str = "") -> Cluster:
    """Return what was read.

    Args:
        wanted: What was to be read.
        results: What kubectl left for each.
        kubeconfig: Path of the kubeconfig that the user chose, if one.

    Raises:
        JobError: The API refuses or can't be reached.
    """
    objects: list[Mapping[str, Any]] = []
    nodes: Sequence[Mapping[str, Any]] | None = None
    for one, result in zip(wanted, results, strict=True):
        found = one.objects(result, kubeconfig)
        if one.kind == "Node":
            nodes = found
        else:
            objects += found or []
    return Cluster(objects, nodes)


@contextlib.contextmanager
def failures(path: str, timeout: float) -> Iterator[None]:
    """Turn what goes wrong with running kubectl into errors.

    Args:
        path: Path of kubectl.
        timeout: Seconds that it was given.

    Raises:
        KubectlMissingError: It doesn't run.
        NoClusterError: It took longer.
    """
    try:
        yield
    except TimeoutError:
        raise NoClusterError(
            f"The cluster did not answer kubectl within {timeout:.0f} s.", "Check the network, VPN and kubeconfig."
        ) from None
    except OSError as error:
        raise KubectlMissingError(
            f"kubectl at {path} doesn't run: {error.strerror}.", "Name a good one in TWISTER2_JOB_KUBECTL."
        ) from None
