"""The forms of output: tables for people, json and yaml for programs, plain lines and shell variables for scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..exposure.model import Address, JobAddresses, exposing

if TYPE_CHECKING:
    from ..clients.release import Release
    from ..reach.check import CheckResult
    from ..twister2.status import JobStatus

READABLE = 200_000
"""JSON of at most this many characters is indented."""


def structured(data: Any, form: str, *, line: bool = False) -> str:
    """Return data as `json` or `yaml`; with `line` as a document of a stream: JSON on one line, YAML after `---`."""
    if form == "json":
        text = json.dumps(data)
        # A megabyte is not read by people, and indenting it takes longer than the rest of the command.
        return text if line or len(text) > READABLE else json.dumps(data, indent=2)
    import yaml

    return f"{'---' + chr(10) if line else ''}{yaml.safe_dump(data, sort_keys=False)}".rstrip()


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with aligned columns; an empty cell is shown as a dash."""
    lines = [list(head), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def narrowed(report: JobAddresses, *, worker: int | None, port: str) -> JobAddresses:
    """Return the report with the addresses of one worker (without shared ones), of one port, or of both."""

    def of_port(addresses: Iterable[Address]) -> tuple[Address, ...]:
        return tuple(address for address in addresses if not port or address.port == port)

    workers = tuple(w for w in report.workers if worker is None or w.id == worker)
    return report._replace(
        shared=of_port(report.shared) if worker is None else (),
        workers=tuple(w._replace(addresses=of_port(w.addresses)) for w in workers),
    )


def shown(address: Address) -> str:
    """Return an address as it is printed: as its URL where host and path tell a proxy which worker is wanted."""
    return address.url if address.by_url else address.address


def _row(who: str, address: Address) -> list[str]:
    where = shown(address) or (f"port {address.number}" if address.number else "")
    note = address.source if address.state == "available" else f"{address.state}: {address.reason}"
    return [
        who,
        address.port,
        where,
        address.protocol,
        address.via,
        address.node,
        note,
    ]


def addresses_table(report: JobAddresses) -> str:
    """Return the addresses as a table; the worker of a shared address is `any`."""
    rows = [_row("any", address) for address in report.shared]
    rows += [_row(str(worker.id), address) for worker in report.workers for address in worker.addresses]
    if not rows:
        from ..exposure.unread import unknown

        if error := unknown(report.job, report.unread):
            return str(error)
        return f"Job {report.job}: no worker is exposed; {exposing(report.job)} exposes them."
    return columns(("WORKER", "PORT", "ADDRESS", "PROTOCOL", "VIA", "NODE", "SOURCE"), rows)


def changed_addresses(old: JobAddresses | None, new: JobAddresses) -> list[str]:
    """Return the available addresses that are new (`+`) or gone (`-`), a line each: sign, worker, port, address."""

    def lines(report: JobAddresses | None) -> dict[str, None]:
        if report is None:
            return {}
        rows = [("any", address) for address in report.shared]
        rows += [(str(worker.id), address) for worker in report.workers for address in worker.addresses]
        return {f"{who} {a.port} {shown(a)}": None for who, a in rows if a.state == "available" and a.address}

    before, after = lines(old), lines(new)
    return [f"- {line}" for line in before if line not in after] + [f"+ {line}" for line in after if line not in before]


def addresses_env(report: JobAddresses) -> str:
    """Return shell variables with the best address of each port: of the job, and of each worker.

    Beside the address of a proxy for HTTP is its URL, quoted for a shell.
    """
    from shlex import quote

    def lines(prefix: str, addresses: Iterable[Address]) -> list[str]:
        seen: dict[str, str] = {}
        for address in (a for a in addresses if a.state == "available" and a.address):
            name = "" if address.port == "worker" else re.sub(r"[^A-Z0-9]", "_", address.port.upper()) + "_"
            key = f"{prefix}_{name}"
            if f"{key}ADDRESS" not in seen:
                seen[f"{key}ADDRESS"] = address.address
                if address.by_url:
                    seen[f"{key}URL"] = quote(address.url)
        return [f"{name}={value}" for name, value in seen.items()]

    found = lines("TWISTER2_JOB", report.shared)
    for worker in report.workers:
        found += lines(f"TWISTER2_JOB_WORKER_{worker.id}", worker.addresses)
    return "\n".join(found)


def status_table(status: JobStatus) -> str:
    """Return release, workers and exposures for a person."""
    release = status.release
    head = (
        f"Job {release.name} in namespace {release.namespace}: revision {release.revision} ({release.status}), "
        f"chart {release.chart}, {sum(w.ready for w in status.workers)} of {len(status.workers)} workers ready"
    )
    titles = ["WORKER", "GROUP", "POD", "NODE", "READY", "RESTARTS", "REASON"]
    rows = [
        [str(w.id), str(w.group), w.pod, w.node, "yes" if w.ready else "no", str(w.restarts), w.reason]
        for w in status.workers
    ]
    parts = [head]
    if status.job:
        progress = {worker.id: worker for worker in status.job.workers}
        titles.insert(1, "STATE")
        for row, worker in zip(rows, status.workers, strict=True):
            row[5] = str(progress[worker.id].restarts)
            row.insert(1, progress[worker.id].state)
        why = f" ({status.job.reason})" if status.job.reason else ""
        again = status.job.master_restarts
        restarts = f"; job master restarts: {again}" if again else ""
        parts.append(f"State of the job: {status.job.state}{why}{restarts}")
    return "\n\n".join([*parts, columns(titles, rows), addresses_table(status.addresses)])


def _to_the_second(time: str) -> str:
    """Return a time that Helm has written without the fractions of its seconds."""
    return re.sub(r"(:\d\d)\.\d+", r"\1", time)


def releases_table(releases: Iterable[Release]) -> str:
    """Return releases for a person."""
    rows = [[r.name, r.namespace, str(r.revision), r.status, r.chart, _to_the_second(r.updated)] for r in releases]
    return (
        columns(("NAME", "NAMESPACE", "REVISION", "STATUS", "CHART", "UPDATED"), rows) if rows else "There are no jobs."
    )


def check_table(result: CheckResult) -> str:
    """Return the result for a person: a row for each address, then the totals and the warnings."""
    rows = [
        [
            "any" if r.worker < 0 else str(r.worker),
            r.address.port,
            shown(r.address),
            r.address.via,
            r.state,
            f"{r.milliseconds:.1f}" if r.milliseconds else "",
            str(r.answered_by) if r.answered_by >= 0 else "",
            r.reason,
        ]
        for r in result.results
    ]
    head = ("WORKER", "PORT", "ADDRESS", "VIA", "STATE", "MS", "ANSWERED BY", "REASON")
    last = f"{result.answered} of {len(result.results)} addresses answer from this machine ({result.origin})"
    last += f", {result.skipped} skipped." if result.skipped else "."
    if result.identity == "not checked":
        last += " Identity not checked: --expect REGEX compares what the workers say."
    return "\n".join([columns(head, rows), "", last, *result.warnings])
