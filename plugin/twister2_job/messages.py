"""Turns what Helm and kubectl print on failure into this package's errors: one sentence with the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable

from . import errors
from .errors import JobError

_LOG_LINE = re.compile(
    r"^(level=|time=|Flag --|WARNING:|W\d{4} |I\d{4} |E\d{4} |walk\.go|coalesce\.go|Pulled:|Digest:)"
)
_SCHEMA_HEADER = re.compile(r"values don't meet the specifications of the schema\(s\) in the following chart\(s\):\s*")
# Lines of the schema's branches, which say nothing that the lines below them don't say.
_BRANCH = re.compile(r"('(all|any|one)Of' failed|validation failed|: Must validate .*)$")
_EXECUTION = re.compile(r"execution error at \([^)]*\):\s*")
_LOCAL = re.compile(r"(?:error calling include|error calling fail|executing \"[^\"]+\" at <[^>]*>):\s*")
_TAKEN = re.compile(r"nodePort: Invalid value: (\d+): provided port is already allocated")
_RANGE = re.compile(r"nodePort: Invalid value: (\d+): provided port is not in the valid range[^\d]*([\d-]*)")
_FORBIDDEN = re.compile(
    r'User "([^"]*)" cannot (\w+) resource "([^"]+)"[^"]*(?:in the namespace "([^"]+)"|at the cluster)?'
)
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: ([^\s,]+)")
RIGHTS = "Ask for the Role that docs/wrapper.md shows."


def own_words(stderr: str) -> str:
    """Return Helm's or kubectl's message without log lines, headers and doubled texts."""
    lines = []
    for line in stderr.replace('\\"', '"').splitlines():
        if _LOG_LINE.match(line) or line.strip() in ("", "twister2-job:"):
            continue
        line = re.sub(r"^Error: (UPGRADE FAILED: |INSTALLATION FAILED: )?|^error: ", "", line)
        if line.startswith("Use --debug flag to render out invalid YAML"):
            continue
        lines.append(line.rstrip())
    text = "\n".join(dict.fromkeys(lines))
    text = _SCHEMA_HEADER.sub("", text)
    text = re.sub(
        r"^(\s*)- at '/?([^']*)': ", lambda m: f"{m[1]}{m[2].replace('/', '.') or 'values'}: ", text, flags=re.M
    )
    text = re.sub(r"^(\s*)- ", r"\1", text, flags=re.M)
    if _EXECUTION.search(text):
        text = _EXECUTION.split(text)[-1]
    told = [line.strip() for line in _LOCAL.sub("", text).strip().splitlines()]
    return "\n  ".join(dict.fromkeys(line for line in told if not _BRANCH.search(line)) or told)


def _values(text: str) -> JobError | None:
    if "don't meet the specifications of the schema" in text or "execution error at" in text:
        return errors.ValuesError(own_words(text), "Correct the values (-f, --set).")
    if found := re.search(
        r"failed to parse (\S+): (.+)|open (\S+): (no such file.*|permission denied)|"
        r"failed parsing (--set\S*) data: (.+)",
        text,
    ):
        return errors.ValuesError(own_words(text), f"Correct {found[1] or found[3] or found[5]}.")
    return None


def _ports(text: str) -> JobError | None:
    taken, outside = sorted(set(_TAKEN.findall(text))), sorted(set(_RANGE.findall(text)))
    if taken:
        one = len(taken) == 1
        return errors.PortTakenError(
            f"Node port{'' if one else 's'} {', '.join(taken)} {'is' if one else 'are'} used by another Service.",
            "Leave the port out to get a free one, or choose another.",
        )
    if outside:
        span = f" ({outside[0][1]})" if outside[0][1] else ""
        return errors.PortRangeError(
            f"Node port {outside[0][0]} is outside the range of this cluster{span}.",
            "Leave the port out to get a free one, or choose one inside.",
        )
    return None


def _access(text: str) -> JobError | None:
    low = text.lower()
    if quota := _QUOTA.search(text):
        return errors.RefusedError(
            f"Quota {quota[1]} is exceeded: requested {quota[2]}.", "Ask for more, or ask for less."
        )
    if "violates podsecurity" in low:
        return errors.RefusedError(own_words(text), "Use values the namespace's Pod Security level allows.")
    if (
        "unauthorized" in low
        or "provide credentials" in low
        or "must be logged in" in low
        or "getting credentials" in low
    ):
        return errors.LoginError(
            "The cluster refuses the login: it is wrong or has expired.", "Log in again (see your kubeconfig's user)."
        )
    if found := re.search(r'namespaces "([^"]+)" not found', text):
        return errors.NamespaceMissingError(
            f"Namespace {found[1]} doesn't exist.", "Create it, or add --create-namespace."
        )
    if found := _FORBIDDEN.search(text):
        where = f"in namespace {found[4]}" if found[4] else "in this cluster"
        return errors.NoRightsError(f"{found[1]} may not {found[2]} {found[3]} {where}.", RIGHTS)
    if "is forbidden" in low or "(forbidden)" in low:
        return errors.NoRightsError(own_words(text), RIGHTS)
    return None


def _cluster(text: str) -> JobError | None:
    low = text.lower()
    if found := re.search(r'context "([^"]*)" does not exist|context was not found for specified context: (\S+)', text):
        return errors.NoClusterError(
            f"The kubeconfig has no context {found[1] or found[2]}.", "kubectl config get-contexts lists them."
        )
    signs = (
        ("no configuration has been provided", "no kubeconfig names a cluster"),
        ("current-context is not set", "the kubeconfig has no current context"),
        ("invalid configuration", "the kubeconfig is not valid"),
        ("error loading config file", "the kubeconfig can't be read"),
        ("no such host", "its host name doesn't resolve"),
        ("x509:", "its certificate is not accepted"),
        ("connection refused", "it refuses the connection"),
        ("was refused", "it refuses the connection"),
        ("network is unreachable", "its network can't be reached"),
        ("no route to host", "its network can't be reached"),
        ("i/o timeout", "it does not answer"),
        ("tls handshake timeout", "it does not answer"),
        ("client.timeout exceeded", "it does not answer"),
        ("unable to connect to the server", "it does not answer"),
        ("cluster unreachable", "it does not answer"),
        ("etcdserver", "its database does not answer"),
    )
    for sign, why in signs:
        if sign in low:
            server = re.search(r"https?://[^\s\"/]+", text)
            where = f" ({server[0]})" if server else ""
            return errors.NoClusterError(
                f"The cluster can't be used{where}: {why}.",
                "Check the kubeconfig (KUBECONFIG, --kubeconfig, --kube-context), the network and the VPN.",
            )
    return None


def _release(text: str) -> JobError | None:
    low = text.lower()
    if "another operation (install/upgrade/rollback) is in progress" in low:
        return errors.BusyError("Another Helm operation on this release is in progress.", "Try again when it is done.")
    if "cannot re-use a name" in low or re.search(r'"sh\.helm\.release\.[^"]+" already exists', low):
        return errors.JobExistsError("A release of this name was made meanwhile.", "`twister2-job list` shows it.")
    if "cannot be imported into the current release" in low or "already exists" in low:
        return errors.RefusedError(own_words(text), "Take another job name, or delete that object.")
    if "release: not found" in low or "has no deployed releases" in low:
        return errors.JobNotFoundError("There is no such release.", "twister2-job list -A shows all.")
    if re.search(r"chart\.yaml file is missing|path \"[^\"]*\" not found|chart.*not found|failed to download", low):
        return errors.ChartError(own_words(text), "Check --chart.")
    return None


Step = str


def translate(stderr: str, tool: str, *, step: Step = "read") -> JobError:
    """Return the error for what `tool` (Helm or kubectl) printed on failing."""
    text = stderr.replace('\\"', '"')
    checks: tuple[Callable[[str], JobError | None], ...] = (_values, _ports, _access, _cluster, _release)
    for check in checks:
        if error := check(text):
            return error
    words = own_words(stderr) or f"{tool} failed without a message"
    if "parse error" in words or "YAML parse error" in words or "executing" in words:
        return errors.ChartError(f"The chart can't be rendered: {words}", "Check the values and --chart.")
    return errors.RefusedError(f"{tool}: {words}", "Run again with --debug to see the commands.")
