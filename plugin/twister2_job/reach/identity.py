"""Decides whether the right worker answers: by the identity in an echo worker's answer, and by the user's --expect."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..exposure.model import Address, JobAddresses
from .probe import Matcher, Reply, any_page, excerpt, identity

PLACEHOLDER = "{worker}"


class Matchers:
    """Makes the matcher of each address, which decides whether the right worker answers."""

    def __init__(self, report: JobAddresses, expect: str) -> None:
        """Compile the regular expression for the addresses that share one.

        Raises:
            UsageError: `expect` is no regular expression.
        """
        self._job, self._echo, self._expect = report.job, report.mode == "echo", expect
        self.warnings: list[str] = []
        running = [worker.id for worker in report.workers if not worker.reserved]
        try:
            self._any = self._compiled(f"(?:{'|'.join(map(str, running))})" if running else r"\d+")
        except re.error as error:
            raise UsageError(
                f"--expect {expect!r} is no regular expression: {error}.", r"Write \ before a character meant as such."
            ) from None
        if expect and PLACEHOLDER not in expect and any(worker.addresses for worker in report.workers):
            self.warnings.append(f"--expect has no {PLACEHOLDER}, so it can't tell one worker from another.")

    def _compiled(self, worker: str) -> re.Pattern[str]:
        """Return the pattern with the worker's ID instead of the placeholder; ID 1 does not match in 12 or 21."""
        whole = re.sub(r"(?<!\d)\{worker\}(?!\d)", PLACEHOLDER.join(("(?<![0-9])", "(?![0-9])")), self._expect)
        return re.compile(whole.replace(PLACEHOLDER, worker))

    def matcher_of(self, worker: int, address: Address) -> Matcher | None:
        """Return the matcher of one address; None if a connection is all that can be checked."""
        matchers = [self._echo_worker(worker, address)] if self._echo else []
        if self._expect:
            named = worker >= 0 and PLACEHOLDER in self._expect
            matchers.append(self._expected(self._compiled(re.escape(str(worker))) if named else self._any))
        if not matchers:
            return any_page if address.by_url else None

        def all_match(data: bytes, quiet: bool) -> Reply | None:
            reply: Reply | None = None
            for matcher in matchers:
                if not (last := matcher(data, quiet)) or last.wrong:
                    return last
                reply = reply or last
            return reply

        return all_match

    def _echo_worker(self, worker: int, address: Address) -> Matcher:
        """Return the matcher for an echo worker's answer: its job, port and, unless the address is shared, worker."""
        wanted: dict[str, str | int] = {"job": self._job, "portName": address.port}
        if worker >= 0:
            wanted["worker"] = worker

        def matcher(data: bytes, _quiet: bool) -> Reply | None:
            said = identity(data)
            if said is None:
                return None
            by = said["worker"] if isinstance(said.get("worker"), int) else -1
            if all(said.get(key) == value for key, value in wanted.items()):
                return Reply(by)
            if not {"job", "worker", "portName"} <= set(said):
                return Reply(wrong=f"it says {excerpt(data)}")
            return Reply(by, f"worker {by} of job {said['job']} answers, on its port {said['portName']}")

        return matcher

    def _expected(self, pattern: re.Pattern[str]) -> Matcher:
        """Return the matcher for the pattern of `expect`."""

        def matcher(data: bytes, quiet: bool) -> Reply | None:
            text = data.decode(errors="replace")
            found = pattern.search(text)
            # A match at the end of the data may fail with more data: `worker 1` may become `worker 12`.
            return Reply() if found and (quiet or found.end() < len(text)) else None

        return matcher
