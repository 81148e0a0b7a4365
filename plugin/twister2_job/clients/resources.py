"""API paths, label selectors and reads of a job's objects; imports nothing that takes long.

So neither this module nor what it imports has data classes: importing `dataclasses` takes as long as starting kubectl.
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
"""Seconds that a read may take: kubectl itself would retry a server that does not answer for minutes."""
ANY_JOB = "app.kubernetes.io/name=twister2-job"
"""Label selector of everything that belongs to any job."""
JOB_LABEL = r"app\.kubernetes\.io/instance"
"""The label with a job's name, escaped for a JSONPath."""
_INSTANCE = f"{ANY_JOB},app.kubernetes.io/instance"
_COMPONENT = "app.kubernetes.io/component"
FILE = "twister2-job/jar"
"""Label of the ConfigMaps that hold a file for a job's pods, in pieces, and are not in its release."""


def short_lived(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a Go program that ends soon: without garbage collection it takes a fifth less time."""
    return {**NO_COLLECTION, **env}


def selector(job: str) -> str:
    """Return the label selector of all objects of `job` except the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}!=test"


def release_selector(job: str) -> str:
    """Return the label selector of the objects in a release of `job`: not of files in pieces, which are large."""
    return f"{selector(job)},!{FILE}"


def file_selector(job: str) -> str:
    """Return the label selector of the ConfigMaps that hold a file for the pods of `job`."""
    return f"{FILE},{_INSTANCE}={job}"


def presence_words(job: str) -> tuple[str, ...]:
    """Return kubectl's arguments to find out whether there are objects of `job`, as a table without their contents."""
    kinds = (
        "services,statefulsets.apps,configmaps,ingresses.networking.k8s.io,networkpolicies.networking.k8s.io,"
        "poddisruptionbudgets.policy"
    )
    return ("get", kinds, "-l", selector(job), "--no-headers", "--ignore-not-found")


def test_selector(job: str) -> str:
    """Return the label selector of the pod that `helm test` leaves."""
    return f"{_INSTANCE}={job},{_COMPONENT}=test"


def path_of(kind: str, namespace: str = "", job: str = "") -> str:
    """Return the API's path to a job's objects of a kind, or to all nodes of the cluster.

    Args:
        kind: A key of `PATHS`, or GROUP/VERSION/PLURAL.
        namespace: The job's namespace.
        job: Name of the job.
    """
    if kind == "Node":
        return PATHS[kind]
    from urllib.parse import quote

    prefix, _, plural = PATHS.get(kind, f"/apis/{kind}").rpartition("/")
    return f"{prefix}/namespaces/{quote(namespace)}/{plural}?labelSelector={quote(selector(job))}"


class Unread(NamedTuple):
    """What could not be read of a cluster.

    Attributes:
        what: Its name in a sentence, such as `The job's httproutes`.
        loss: What is missing for it.
        why: Why it can't be read.
        hint: What to do about it, if it doesn't pass by itself.
        plural: Kind of the job's own objects, which stay unread until something is done; empty for an object that is
            not the job's, whose fault may pass.
    """

    what: str
    loss: str
    why: str
    hint: str = ""
    plural: str = ""

    @property
    def sentence(self) -> str:
        """Return the warning about it."""
        return f"{self.what} can't be read, so {self.loss}: {self.why}."


class Cluster(NamedTuple):
    """What was read of a cluster for one job.

    Attributes:
        objects: The objects of the job.
        nodes: The nodes; None if the user may not read them.
        others: Objects that its ways in need and that are not the job's, such as a Gateway.
        unread: What could not be read of that.
    """

    objects: Sequence[Mapping[str, Any]]
    nodes: Sequence[Mapping[str, Any]] | None
    others: Sequence[Mapping[str, Any]] = ()
    unread: Sequence[Unread] = ()


class Read(NamedTuple):
    """One run of kubectl that lists objects.

    Attributes:
        words: Its arguments.
        kind: The kind of the objects if the API server's raw list is read, whose items have none; otherwise empty.
        single: Whether one object is read instead of a list.
    """

    words: tuple[str, ...]
    kind: str = ""
    single: bool = False

    @property
    def namespaced(self) -> bool:
        """Tell whether kubectl needs the namespace as an option: a path of the API has it already."""
        return not self.kind

    def objects(self, result: Result, kubeconfig: str = "") -> Sequence[Mapping[str, Any]] | None:
        """Return the objects that were read; None for nodes that the user may not read.

        Args:
            result: The result of kubectl.
            kubeconfig: Path of the kubeconfig that the user chose, if any.

        Raises:
            JobError: The API refuses or can't be reached.
        """
        if result.code:
            from .messages import Step, translate

            error = translate(result.err, "kubectl", Step.READ, kubeconfig=kubeconfig)
            if self.kind == "Node" and isinstance(error, NoRightsError):
                return None
            raise error
        read = json.loads(result.out)
        items = [read] if self.single else read.get("items") or []
        return [{**item, "kind": self.kind} for item in items] if self.kind else items


SERVICE_EVENTS = Read(("get", "events", "--field-selector", "involvedObject.kind=Service", "-o", "json"))
"""The read of what was reported about the Services of the namespace."""


def raw(kind: str, namespace: str = "", job: str = "") -> Read:
    """Return the read of the API server's raw list of one kind.

    Without `--raw`, kubectl asks which kinds there are, and decodes, encodes and indents the objects, which takes five
    times the processor time (measured with 1,500 Services).
    """
    return Read(("get", "--raw", path_of(kind, namespace, job)), kind)


def reads(namespace: str, job: str, *, nodes: bool, services: bool = True) -> list[Read]:
    """Return the reads of a job's Services, StatefulSets and pods, and of the nodes.

    Starting a process takes longer than its read, so there are few. There may be thousands of Services: they are read
    as a raw list if the namespace, which is part of its path, is known.

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
    """Return the objects of all reads.

    Args:
        wanted: The reads.
        results: The result of kubectl for each.
        kubeconfig: Path of the kubeconfig that the user chose, if any.

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
    """Turn exceptions from running kubectl into errors of this package.

    Args:
        path: Path of kubectl.
        timeout: Seconds that it may take.

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
