"""Checks the arguments of the Python API: a wrong one would cause an error deep inside, or none at all."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..clients.connection import Connection
from ..errors import UsageError

if TYPE_CHECKING:
    import ssl

    from .operation import Request

StrPath = str | os.PathLike[str]

LONGEST = 2**63 // 10**9
"""Seconds that Helm and kubectl can count, in nanoseconds: 292 years."""
_TWO_WORDS = re.compile(r"--?[A-Za-z][\w-]*\s")


def silent(text: str) -> None:
    """Ignore a message: the default of `say`."""


def _error(name: str, what: str, given: object, hint: str = "") -> UsageError:
    """Return the error for an argument of the wrong type."""
    kind = type(given).__name__
    try:
        shown = repr(given)
    except Exception:  # The repr of a user's object, or of an int with more digits than Python converts.
        return UsageError(f"{name} must be {what}, not this ({kind}).", hint)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    return UsageError(f"{name} must be {what}, not {shown} ({kind}).", hint)


def text(name: str, given: object, what: str = "text", hint: str = "") -> str:
    """Return a text that can be an argument of a command line.

    Raises:
        UsageError: It is no text, or holds a character that no command line can hold.
    """
    if not isinstance(given, str):
        raise _error(name, what, given, hint)
    try:
        encoded = os.fsencode(given)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise UsageError(f"{name} holds a character that no command line can hold: {given[:60]!r}.", "Leave it out.")
    return given


def path(name: str, given: object, what: str = "a path", hint: str = "") -> str:
    """Return a path as text.

    Raises:
        UsageError: It is none.
    """
    plain = os.fspath(given) if isinstance(given, os.PathLike) else given
    return text(name, plain if isinstance(plain, str) else given, what, hint)


def flag(name: str, given: object) -> bool:
    """Return a bool; other types are refused, since a text such as "no" would count as True.

    Raises:
        UsageError: It is neither True nor False.
    """
    if not isinstance(given, bool):
        raise _error(name, "True or False", given)
    return given


def tls(name: str, given: object) -> ssl.SSLContext | None:
    """Return how TLS is spoken: as a context says, for True with the authorities of this machine, for False not at all.

    Raises:
        UsageError: It is neither a context nor True or False.
    """
    import ssl

    if isinstance(given, ssl.SSLContext):
        return given
    if not isinstance(given, bool):
        raise _error(name, "an ssl.SSLContext, True or False", given)
    return ssl.create_default_context() if given else None


def seconds(name: str, given: object) -> float:
    """Return a time in seconds.

    Raises:
        UsageError: It is no number, negative, or more than Helm can count.
    """
    from numbers import Real

    what, hint = "a number of seconds", f"Five minutes are {name}=300."
    if isinstance(given, bool) or not isinstance(given, Real):
        raise _error(name, what, given, hint)
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not 0 <= number <= LONGEST:  # Also true of NaN.
        raise _error(name, f"{what} from 0 to {LONGEST}", given, hint)
    return number


def worker(name: str, given: object) -> None:
    """Raise UsageError unless it is the ID of a worker, or None."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int)):
        raise _error(name, "the ID of a worker or None", given)


def function(name: str, given: object) -> None:
    """Raise UsageError unless it can be called."""
    if not callable(given):
        raise _error(name, "a function", given)


def settings(name: str, given: object) -> Mapping[str, Any]:
    """Return settings by their names.

    Raises:
        UsageError: They are no mapping of names to values that JSON can hold.
    """
    import json

    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise _error(name, "a dict with names of settings as its keys", given)
    for key, value in given.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise _error(f"{name}[{key!r}]", "a number, text, True, False, or a list or dict of them", value) from None
    return given


def _as_list(name: str, given: object, what: str, hint: str) -> Sequence[object]:
    """Return a sequence; a single text or path becomes a list of one, not of its letters."""
    if isinstance(given, str | os.PathLike):
        return [given]
    if isinstance(given, bytes | bytearray | memoryview) or not isinstance(given, Sequence):
        raise _error(name, f"{what}, or a list of them", given, hint)
    return given


def _csv_quoted(file: str) -> str:
    """Return a path quoted for Helm's --values, a line of CSV in which a comma begins the next file."""
    return '"' + file.replace('"', '""') + '"' if re.search(r'[,"\r\n]', file) else file


def connection(namespace: object, kube_context: object, kubeconfig: object) -> Connection:
    """Return the connection for the arguments of `AsyncJob` of these names.

    Raises:
        UsageError: One has the wrong type.
    """
    return Connection.chosen(
        text("namespace", namespace), text("kube_context", kube_context), path("kubeconfig", kubeconfig)
    )


def value_options(values: object, set: object, arguments: object) -> list[str]:
    """Return Helm's options for the arguments of `AsyncJob.install` of these names.

    Raises:
        UsageError: One has the wrong type, or is empty.
    """
    found: list[str] = []
    what, hint = "the path of a values file", 'Single values are given with set="KEY=VALUE".'
    for each in _as_list("values", values, what, hint):
        found += ["--values", _csv_quoted(_not_empty("values", path("values", each, what, hint)))]
    what, hint = "KEY=VALUE as text", 'Write set="instances=3", for example.'
    for each in _as_list("set", set, what, hint):
        found += ["--set", _not_empty("set", text("set", each, what, hint))]
    what, hint = "an option of Helm as text", 'Write arguments=["--set-string", "KEY=VALUE"], for example.'
    for each in _as_list("arguments", arguments, what, hint):
        word = _not_empty("arguments", text("arguments", each, what, hint))
        if _TWO_WORDS.match(word):
            option, rest = word.split(None, 1)
            raise UsageError(f"arguments has two words in one: {word!r}.", f"Write [{option!r}, {rest!r}].")
        found.append(word)
    return found


def _not_empty(name: str, word: str) -> str:
    if not word:
        raise UsageError(f"{name} has an empty text.", "Leave it out.")
    return word


def request(
    job: str,
    *,
    values: object = (),
    set: object = (),
    arguments: object = (),
    chart: object = "",
    timeout: object = 300,
    create_namespace: object = False,
    rollback_on_failure: object = False,
    force_conflicts: object = False,
) -> Request:
    """Return the request for the arguments of `AsyncJob.install` of the same names.

    Args:
        job: Name of the job.
        values: As for `value_options`.
        set: As for `value_options`.
        arguments: As for `value_options`.
        chart: Path of another chart.
        timeout: Seconds within which the workers must be ready.
        create_namespace: Make the namespace if it is missing.
        rollback_on_failure: Undo the change also if the workers are not ready in time.
        force_conflicts: Take over the fields that others have set.

    Raises:
        UsageError: One of them has the wrong type.
    """
    from .operation import Request

    return Request(
        job,
        arguments=value_options(values, set, arguments),
        chart=path("chart", chart),
        timeout=seconds("timeout", timeout),
        create_namespace=flag("create_namespace", create_namespace),
        rollback_on_failure=flag("rollback_on_failure", rollback_on_failure),
        force_conflicts=flag("force_conflicts", force_conflicts),
    )
