"""Finds the error for a failed Helm or kubectl.

The program and its step decide first which rules apply, and then the message's words: a missing file is a values file
if Helm renders, and one of the kubeconfig if Helm says that the cluster is unreachable.
"""

from __future__ import annotations

import re

from ...errors import (
    BusyError,
    HelmMissingError,
    JobError,
    JobExistsError,
    JobNotFoundError,
    KubectlMissingError,
    OutOfTimeError,
    RefusedError,
)
from . import access, api_server, forbidden, logins, rendering
from .rules import Verdict, first, rule
from .step import Step
from .text import Said, own_words, read, short

_UNREACHABLE = re.compile(r"\A(?:cluster reachability check failed: )?[Kk]ubernetes cluster unreachable: ")
_SERVER = re.compile(r"\A(?:Error|error:? error) from server(?: \((\w+)\))?: ", re.IGNORECASE)
_LOCAL = re.compile(r"\A(?:Unable to connect to the server|The connection to the server|Error in configuration)\b")
_LIST = "`twister2-job list -A` shows all."


def _exists(_: object) -> JobError:
    return JobExistsError("A release of this name was made meanwhile.", "`twister2-job list` shows it.")


def _overtaken(_: object) -> JobError:
    return BusyError("Another operation has made a revision of this release meanwhile.", "Try again when it is done.")


def _missing(_: object) -> JobError:
    return JobNotFoundError("There is no such release.", _LIST)


BUSY = (
    rule(
        "release is busy",
        r"\Aanother operation \(install/upgrade/rollback\) is in progress",
        lambda _: BusyError("Another Helm operation on this release is in progress.", "Try again when it is done."),
    ),
)
MADE = (
    rule("name is used", r"\A(?:release name check failed: )?cannot re-?use a name that is still in use", _exists),
    rule(
        "release exists",
        r'\A(?:create: )?(?:failed to create: )?(?:release: |secrets "sh\.helm\.release\.v1\.[^"]+" )already exists',
        _exists,
    ),
)
OVERTAKEN = (rule("revision exists", MADE[1].pattern.pattern, _overtaken),)
MISSING = (
    rule(
        "release is missing",
        r'\A(?:uninstall: Release not loaded: \S+: )?release: not found|\A"[^"]*" has no deployed',
        _missing,
    ),
    rule(  # Of two simultaneous uninstalls, the slower one finds no objects, which is no error, and then no release.
        "release was removed meanwhile",
        r"\Auninstallation completed with 1 error\(s\): uninstall: Failed to purge the release: "
        r'(?:release: not found|secrets "[^"]*" not found)\Z',
        _missing,
    ),
    rule("release is gone", r'\Athe release named "[^"]*" is already deleted', _missing),
    rule(
        "revision is missing",
        r"\Arelease has no (\d+) version",
        lambda found: JobNotFoundError(f"The release has no revision {found[1]}.", "`helm history` lists them."),
    ),
)
TIME = (
    rule(
        "time is out",
        r"^(?!.*(?:https?://|dial tcp)).*(?:timed out waiting for|context deadline exceeded"
        r"|would exceed context deadline)",
        lambda found: OutOfTimeError(f"It was not done in time: {short(found.string, 300)}", "Try a longer --timeout."),
        flags=re.MULTILINE,
    ),
)
BROKEN = (
    rule(
        "program crashes",
        r"^(?:panic: |fatal error: |runtime: out of memory|Killed$|Segmentation fault)|command not found$"
        r"|[Ee]xec format error"
        r"|cannot execute|^Traceback \(most recent call last\)",
        lambda found: JobError(f"it breaks down: {_line(found.string[found.start() :])}"),
        flags=re.MULTILINE,
    ),
    rule("program says nothing", r"\A\Z", lambda _: JobError("it ended without a message.")),
)
USAGE = (
    rule(
        "program is of another version",
        r"\A(?:unknown (?:flag|command|shorthand flag)|invalid argument \"[^\"]*\" for"
        r"|flag provided but not defined|accepts \d+ arg)",
        lambda found: JobError(f"it doesn't know what is asked of it: {_line(found.string)}"),
    ),
)


def _line(text: str) -> str:
    return short(text.strip().splitlines()[0])


def classify(stderr: str, tool: str, step: Step | None = None, *, chart: str = "", kubeconfig: str = "") -> Verdict:
    """Return the error as `messages.translate` does, with the name of the rule that matched; empty if none did."""
    said = read(stderr)._replace(kubeconfig=kubeconfig)
    broken = first(USAGE, said.text) or (None if _has_own_message(stderr, said) else first(BROKEN, said.text))
    if broken:
        kind, setting = (
            (HelmMissingError, "HELM_BIN") if tool == "helm" else (KubectlMissingError, "TWISTER2_JOB_KUBECTL")
        )
        name = "Helm" if tool == "helm" else "kubectl"
        return Verdict(
            broken.rule,
            kind(f"{name} doesn't run as it should: {broken.error.message}", f"Name a good one in {setting}."),
        )
    if tool != "helm":
        return _kubectl(said) or _unknown(stderr, tool)
    step = step or Step.APPLY
    if step is Step.RENDER:
        return rendering.render(said.text, chart)
    return _helm(said, step, chart) or _unknown(stderr, tool)


def _has_own_message(stderr: str, said: Said) -> bool:
    """Tell whether the output has a message of the program itself, and not only of another one that ran instead."""
    return bool(said.failed) or re.search(r"^(?:Error|error)(?: |: )", stderr, re.MULTILINE) is not None


def _helm(said: Said, step: Step, chart: str) -> Verdict | None:
    """Return the verdict on a message of Helm about a release or the cluster."""
    if unreachable := _UNREACHABLE.match(said.text):
        return access.unreachable(said.text[unreachable.end() :].strip(), said)
    local = rendering.classify(said.text, chart) if step is Step.APPLY else None
    verdict = local or _release(said, step) or api_server.classify(said.text)
    return verdict or first(TIME, said.text) or access.classify(said.text, said)


def _release(said: Said, step: Step) -> Verdict | None:
    """Return the verdict on a message about a release; rules match at the beginning, since others use such words."""
    made = OVERTAKEN if said.failed in ("upgrade", "rollback") else MADE
    return first((*BUSY, *(made if step is Step.APPLY else ()), *MISSING), said.text)


def _kubectl(said: Said) -> Verdict | None:
    """Return the verdict on a message of kubectl: the API server's answer, or a failure on the way to it."""
    if server := _SERVER.match(said.text):
        text = said.text[server.end() :]
        login = logins.classify(text, said) if server[1] == "Unauthorized" else None
        strange = (
            first(access.STRANGE, text) if server[1] in ("Forbidden", "NotFound") or "<html" in text.lower() else None
        )
        return login or api_server.classify(text) or strange or access.classify(text, said)
    answer = None if _LOCAL.match(said.text) else api_server.classify(said.text)
    return answer or first(TIME, said.text) or access.classify(said.text, said)


def _unknown(stderr: str, tool: str) -> Verdict:
    """Return the error for a message that no rule knows, which is shown unchanged."""
    name = "Helm" if tool == "helm" else "kubectl"
    return Verdict("", RefusedError(f"{name}: {own_words(stderr)}", "Run again with --debug to see the commands."))


RULES = tuple(dict.fromkeys((
    *BUSY, *MADE, *OVERTAKEN, *MISSING, *TIME, *BROKEN, *USAGE, *rendering.RULES, *rendering.OFFLINE,
    *logins.RULES, *access.RULES, *api_server.RULES, *forbidden.RULES, *api_server.PORTS,
)))  # fmt: skip
"""All rules."""
