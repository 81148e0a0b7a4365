"""Connects to every address of a job from this machine; finds which answer, which don't and why, and who answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..clients.resources import Unread
from ..errors import NotExposedError, PendingError, UnansweredError
from ..exposure.model import SCHEMA_VERSION, Address, JobAddresses, exposing
from ..exposure.nodes import ADDRESS_TYPES, INSIDE_ONLY, POD_HOST_IP
from ..exposure.unread import unknown
from .certificates import WRONG_CERTIFICATE, Certificate, certificates
from .dns import WRONG_DNS, misled
from .identity import Matchers
from .probe import ANSWERED, UNRESOLVED, WRONG, Prober, Question
from .sockets import NO_ROUTE, REFUSED, TIMED_OUT

LIMIT = 3.0
"""Seconds for an address unless the user sets another time."""
END = 30.0
"""Seconds for all certificates and names, which are looked at when the addresses were asked, however many there are."""
STEPS = 4
"""So many of the user's limits it is at least: a certificate takes up to three connections."""
SKIPPED = "skipped"
LATE = "connected, then timed out"
"""Not a state, but a cause: no wall is in the way."""


@dataclass(frozen=True)
class AddressResult:
    """The result for one address.

    Attributes:
        worker: ID of the worker whose address it is; -1 for a shared address.
        address: The address.
        state: answered, refused, timed out, no route, unresolved, wrong worker, wrong DNS record, wrong certificate or
            skipped.
        milliseconds: Time to connect (UDP: to the answer); 0 if nothing answered.
        answered_by: ID of the worker that answered; -1 if it did not say.
        reason: Why it did not answer, was not asked, or is of the wrong worker; may be empty.
    """

    worker: int
    address: Address
    state: str
    milliseconds: float = 0.0
    answered_by: int = -1
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data."""
        return {
            "worker": self.worker,
            "port": self.address.port,
            "address": self.address.address,
            "via": self.address.via,
            "state": self.state,
            "milliseconds": self.milliseconds,
            "answeredBy": self.answered_by,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class CheckResult:
    """The results for all addresses of a job, asked from the machine `origin`; `identity`: checked or not checked."""

    job: str
    namespace: str
    origin: str
    identity: str
    results: tuple[AddressResult, ...]
    warnings: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def answered(self) -> int:
        """Return how many addresses answer, each as the worker it belongs to."""
        return sum(result.state == ANSWERED for result in self.results)

    @property
    def failing(self) -> list[AddressResult]:
        """Return the results without an answer or from the wrong worker, and those of addresses that failed before."""
        return [r for r in self.results if r.state not in (ANSWERED, SKIPPED) or r.address.state == "failed"]

    @property
    def skipped(self) -> int:
        """Return how many addresses were not asked."""
        return sum(result.state == SKIPPED for result in self.results)

    @property
    def pending(self) -> list[AddressResult]:
        """Return the results of addresses that are not available yet."""
        return [r for r in self.results if r.address.state == "pending"]

    @property
    def ok(self) -> bool:
        """Tell whether every address that could be asked answered, at least one did, and none may be missing."""
        hidden = unknown(self.job, self.unread)
        return self.answered > 0 and not self.failing and not self.pending and not hidden

    def to_dict(self) -> dict[str, Any]:
        """Return the versioned report: no field is ever null."""
        return {
            "schemaVersion": SCHEMA_VERSION,
            "job": self.job,
            "namespace": self.namespace,
            "from": self.origin,
            "ok": self.ok,
            "answered": self.answered,
            "total": len(self.results),
            "identity": self.identity,
            "results": [result.to_dict() for result in self.results],
            "warnings": list(self.warnings),
        }


async def check(
    report: JobAddresses, *, expect: str = "", timeout: float = LIMIT, worker_port: bool = False
) -> CheckResult:
    """Connect to every address of a job, many at the same time, and find out who answers.

    Args:
        report: The job's addresses.
        expect: Regular expression that must match in the first 64 KiB of an answer; `{worker}` in it is the worker's
            ID, at a shared address that of any worker of the job. If it is empty, only echo workers are identified.
        timeout: Seconds for each step at each address: resolving its name, connecting, answering.
        worker_port: Connect to the worker port of a Twister2 job too, which a stray connection can kill.

    Returns:
        One result for each address, in the order of the report.

    Raises:
        UsageError: `expect` is no regular expression.
        NotExposedError: The job has no address.
        PendingError: It has none that this user may read.
    """
    matchers = Matchers(report, expect)
    asked = [(-1, a) for a in report.shared] + [(w.id, a) for w in report.workers for a in w.addresses]
    if not asked:
        if error := unknown(report.job, report.unread):
            raise error
        raise NotExposedError(
            f"Job {report.job} has no address to check: it is not exposed.",
            f"{exposing(report.job)} exposes it.",
        )
    skipped = [_skip(address, report.mode, worker_port) for _, address in asked]
    echo = report.mode == "echo"
    questions = [
        Question(address, matchers.matcher_of(worker, address), first=echo or address.by_url)
        for (worker, address), why in zip(asked, skipped, strict=True)
        if not why
    ]
    wanted = [question.address for question in questions]
    prober = Prober(timeout)
    found = await prober.ask_all(questions)
    end = max(END, STEPS * timeout)
    answering = [answer.address for answer in found if answer.state == ANSWERED]
    shown, (clauses, unsure) = await asyncio.gather(
        certificates(answering, timeout, end), misled(wanted, timeout, prober.names(), end)
    )
    answers = iter(found)
    results = []
    notes: dict[str, None] = {}
    for (worker, address), why in zip(asked, skipped, strict=True):
        if why:
            results.append(AddressResult(worker, address, SKIPPED, reason=why))
            continue
        answer = next(answers)
        took = round(answer.seconds * 1000, 3)
        state, reason = answer.state, answer.reason
        certificate = shown.get((address.host, address.number), Certificate())
        if clause := clauses.get(address.host):
            # A CDN or NAT may be in front: whoever shows who it is is the right one.
            known = state == ANSWERED and bool(echo or expect or certificate.trusted)
            state, reason = (state, clause) if known or state == UNRESOLVED else (WRONG_DNS, clause)
        if answer.state == ANSWERED:
            notes[certificate.note] = None
        if state == ANSWERED and certificate.problem:
            state, reason = certificate.state, certificate.problem
        results.append(AddressResult(worker, address, state, took, answer.worker, reason))
    checked = "checked" if echo or expect else "not checked"
    warnings = [*report.warnings, *matchers.warnings, *filter(None, notes), *unsure]
    return CheckResult(
        report.job, report.namespace, socket.gethostname(), checked, tuple(results), tuple(warnings), report.unread
    )


def _skip(address: Address, mode: str, worker_port: bool) -> str:
    """Return why an address is skipped; empty if it is not."""
    if address.state != "available":
        return f"{address.state}: {address.reason}"
    if address.protocol == "SCTP":
        return "SCTP is not checked"
    if address.protocol == "UDP" and mode != "echo":
        return "UDP gives no sign unless the program answers"
    if mode == "twister2" and address.port == "worker" and not worker_port:
        return "a stray connection can kill a Twister2 worker; --worker-port connects all the same"
    return ""


def require(result: CheckResult) -> None:
    """Raise unless `result` is ok; the message has one line for each cause, with what to do.

    Raises:
        UnansweredError: An address does not answer, the wrong worker does, or none can be checked.
        PendingError: An address is not available yet or can't be read, and nothing else is wrong.
    """
    if result.ok:
        return
    total = len(result.results)
    if result.failing:
        origin = f"from this machine ({result.origin})"
        head = f"{len(result.failing)} of {total} addresses of job {result.job} fail {origin}:"
        raise UnansweredError("\n  ".join([head, *_causes(result)]))
    if not result.pending and (error := unknown(result.job, result.unread)):
        raise error
    waiting = result.pending or [r for r in result.results if r.address.state == "reserved"]
    if waiting:
        raise PendingError(
            f"{len(waiting)} of {total} addresses of job {result.job} are not available: {waiting[0].reason}.",
            f"`twister2-job status {result.job}` shows the workers.",
        )
    raise UnansweredError(f"No address of job {result.job} can be checked: {result.results[0].reason}.")


def _causes(result: CheckResult) -> list[str]:
    """Return a line for each cause of failure: the number of addresses, the first of them, and what to do."""
    through = f"`twister2-job forward {result.job}` (or kubectl port-forward) leads to a worker all the same"
    remedies = {
        REFUSED: "nothing listens there, or a NetworkPolicy or firewall rejects it; "
        f"`twister2-job status {result.job}` shows whether the workers are ready",
        TIMED_OUT: f"a firewall, security group or NetworkPolicy drops the packets; {through}",
        LATE: "it takes connections but is slow to answer; a longer --timeout tells whether it does at all",
        NO_ROUTE: f"this machine has no way to that network (VPN, IPv6?); {through}",
        WRONG_DNS: "set the DNS record, or wait until name servers have forgotten the old one",
        WRONG_CERTIFICATE: "give the proxy a certificate for this host (ingress.tls.secretName, or the Gateway's "
        "listener), or the worker if it ends TLS itself",
        UNRESOLVED: "this machine's name server doesn't know the name; set the DNS record, or advertise another host",
        WRONG: "the Service's selector or a proxy in front of it leads elsewhere, or --expect doesn't fit; "
        f"compare with `kubectl --namespace {result.namespace} get endpointslices`",
    }
    lines = []
    left = [r for r in result.failing if r.state == WRONG or r.address.source not in INSIDE_ONLY]
    if len(left) < len(result.failing):
        inside = [r for r in result.failing if r.state != WRONG and r.address.source in INSIDE_ONLY]
        lines.append(f"{_described(inside)}: they are meant for clients inside the cluster; {through}")
    node_sources = (*ADDRESS_TYPES, POD_HOST_IP)
    nodes = [r for r in result.results if r.address.source in node_sources and r.state != SKIPPED]
    if nodes and all(r.state in (TIMED_OUT, NO_ROUTE) for r in nodes):
        lines.append(
            f"{_described(nodes)}: no node is reachable from this machine (a firewall or security group, a private "
            f"network, kind or minikube on a Mac); {through}"
        )
        left = [r for r in left if r.address.source not in node_sources or r.state == SKIPPED]
    for state, remedy in remedies.items():
        if found := [r for r in left if _cause(r) == state]:
            lines.append(f"{_described(found)}: {remedy}")
    by_kind: dict[str, list[AddressResult]] = {}
    for one in left:
        if one.state == SKIPPED and one.address.state == "failed":
            kind, named, _ = one.address.service.partition("/")
            by_kind.setdefault(kind.lower() if named else "service", []).append(one)
    for kind, found in by_kind.items():
        why = f"`kubectl --namespace {result.namespace} describe {kind}` shows why"
        lines.append(f"{_described(found)}: {why}")
    return lines


def _cause(result: AddressResult) -> str:
    """Return by which remedy a result is told: its state, or that of its address if it was not asked."""
    if result.state == TIMED_OUT and result.milliseconds:
        return LATE
    return result.address.state if result.state == SKIPPED else result.state


def _described(found: Sequence[AddressResult]) -> str:
    """Return a phrase for the addresses that share a cause."""
    first = found[0]
    states = " or ".join(sorted({r.state for r in found if r.state != SKIPPED})) or "not asked"
    example = first.address.address or first.address.service
    many = f"{len(found)} addresses, the first {example}" if len(found) > 1 else example
    return f"{states}: {many}" + (f" ({first.reason})" if first.reason else "")
