"""Turns the arguments of `submit` into values of the chart, which the user's own values override."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import UsageError

URL = re.compile(r"https?://", re.IGNORECASE)
ZOOKEEPER = "twister2.resource.zookeeper"
_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_SECRET = re.compile(
    r".*(token|secret|password|passwd|pwd|jwt|signature|credentials?|(api|access|auth|subscription)[-_.]?key)"
    r"|sig|auth|authorization",
    re.IGNORECASE,
)
"""Names of a URL's parameters that hold credentials; the chart has the same rule."""
_SHORTEST_CODE = 12
"""The fewest characters of a parameter `code` that is a key, as for Azure Functions, not a number or language."""


@dataclass(frozen=True)
class Submission:
    """A job to submit.

    Attributes:
        jar: Path or URL of the jar; empty with `package`, or where the URL is in a Secret.
        worker_class: Class of the workers, an IWorker or a Twister2Worker; a package names its own.
        driver: Class of the driver; empty means none.
        config: Twister2's settings, with their types.
        package: Path of a job package that Twister2's own client made.
        url_secret: `NAME` or `NAME:KEY` of a Secret that holds the URL of the jar or of the package.
    """

    jar: str = ""
    worker_class: str = ""
    driver: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    url_secret: str = ""

    def check(self) -> None:
        """Raise UsageError unless it names the job's classes in exactly one way."""
        if self.package and (self.jar or self.worker_class or self.driver or self.config):
            raise UsageError(
                "A package has its own jar, classes and settings.", "Leave JAR, --class, --driver and --config out."
            )
        if self.jar and self.url_secret:
            raise UsageError("The jar comes from its path or URL, or from --url-secret.", "Leave one of them out.")
        if not (self.jar or self.package or self.url_secret):
            raise UsageError("There is nothing to run.", "Give a jar, its URL, --url-secret or --package.")
        if not (self.worker_class or self.package):
            raise UsageError("The class of the workers is missing.", "Name it: --class org.example.MyWorker.")
        if self.by_url:
            check_url(self.jar)

    @property
    def by_url(self) -> bool:
        """Tell whether the pods fetch the jar from a URL that is not in a Secret."""
        return bool(URL.match(self.jar))

    @property
    def local(self) -> bool:
        """Tell whether a file of this machine has to be sent to the cluster."""
        return not (self.by_url or self.url_secret)

    def source(self, names: Sequence[str], sha256: str) -> dict[str, Any]:
        """Return the value of `job.jar` or `job.package`: where the pods get it from.

        Args:
            names: Names of the ConfigMaps that hold it, in order; empty if the pods get it elsewhere.
            sha256: Checksum of the file; empty if it isn't known here.
        """
        found: dict[str, Any] = {"sha256": sha256} if sha256 else {}
        if self.url_secret:
            name, _, key = self.url_secret.partition(":")
            return found | {"urlSecret": {"name": name, **({"key": key} if key else {})}}
        return found | ({"url": self.jar} if self.by_url else {"configMaps": list(names)})


def submission_time() -> str:
    """Return the present time in Twister2's form: milliseconds since 1970, as text."""
    return str(time.time_ns() // 1_000_000)


def zookeeper(job: str, settings: Mapping[str, Any], *, packaged: bool = False) -> str:
    """Return a sentence about a job's state in ZooKeeper after this run; empty if its settings name no ZooKeeper.

    Args:
        job: Name of the job.
        settings: Twister2's settings: those of the values, or of a package.
        packaged: Whether they are a package's, which is run unchanged.
    """
    if not settings.get(f"{ZOOKEEPER}.server.addresses"):
        return ""
    root = str(settings.get(f"{ZOOKEEPER}.root.node.path") or "/twister2").rstrip("/")
    if packaged:
        return (
            f"the package names a ZooKeeper: this run's state stays there at {root}/{job}, and Twister2 starts no run "
            f"where there is one; delete it before each rerun (`deleteall {root}/{job}` in zkCli.sh)"
        )
    return (
        f"the job keeps its state in ZooKeeper: this run at {root}/TIME/{job}, where TIME is its job.submissionTime; "
        "what earlier runs have left stays there until somebody deletes it"
    )


def values(submission: Submission, names: Sequence[str], sha256: str) -> dict[str, Any]:
    """Return the values of a job with a jar; arguments as for `Submission.source`."""
    job: dict[str, Any] = {
        "class": submission.worker_class,
        "jar": submission.source(names, sha256),
        "submissionTime": submission_time(),
    }
    if submission.driver:
        job["driver"] = submission.driver
    if submission.config:
        job["config"] = dict(submission.config)
    return {"job": job}


def check_url(url: str) -> None:
    """Raise UsageError for a URL with credentials: all who may read the release or the pods could read them."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    code = any(key.lower() == "code" and len(value) >= _SHORTEST_CODE for key, value in query)
    if parts.username or parts.password or code or any(_SECRET.fullmatch(key) for key, _ in query):
        raise UsageError(
            "The URL of the jar holds credentials, which everybody who may look at the job would see.",
            "Put the URL into a Secret (`kubectl create secret generic NAME --from-file=url=FILE`) and give "
            "--url-secret NAME.",
        )


def typed(text: str) -> Any:
    """Return a setting with its type: a number, true or false, a list in YAML, quoted or plain text.

    All else stays text: `no`, `1:30`, `007` and dates.

    Raises:
        UsageError: A list or quoted text is not closed, or holds a value that JSON doesn't know.
    """
    stripped = text.strip()
    if stripped in ("true", "false"):
        return stripped == "true"
    if found := _NUMBER.fullmatch(stripped):
        return float(stripped) if found[2] or found[3] else int(stripped)
    if stripped[:1] not in ("[", '"', "'"):
        return text
    import yaml

    try:
        value = yaml.safe_load(stripped)
        json.dumps(value)
    except (yaml.YAMLError, TypeError, ValueError):
        raise UsageError(
            f"--config: {text} is no list or quoted text.", "Write [a, b] or 'text', in one word of your shell."
        ) from None
    return value


def config(pairs: Sequence[str]) -> dict[str, Any]:
    """Return settings given as KEY=VALUE; a later one overrides an earlier one with the same key.

    Raises:
        UsageError: One has no key or no `=`.
    """
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key.strip() and equals):
            raise UsageError(f"--config {pair!r} is not KEY=VALUE.", "Write twister2.some.key=value.")
        found[key.strip()] = typed(text)
    return found
