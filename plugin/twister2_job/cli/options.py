"""Options that several commands have, and the checks of their values."""

from __future__ import annotations

import argparse
import re

TYPE_CHECKING = False  # Like typing.TYPE_CHECKING; importing `typing` takes longer than the rest of this module.
if TYPE_CHECKING:
    from typing import Any

VALUE_OPTIONS = ("-f", "--values", "--set", "--set-string", "--set-json", "--set-file", "--set-literal")
FORMS = ("table", "json", "yaml", "plain", "env")
LONGEST = 2**63 // 10**9
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Verbatim(argparse.Action):
    """Collects Helm's own options in the order in which they were given, to be passed to Helm unchanged."""

    def __call__(self, _parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Append the option, and its value if it has one."""
        given = [option or ""] if self.nargs == 0 else [option or "", str(values)]
        namespace.arguments = [*(namespace.arguments or []), *given]


def seconds(text: str) -> float:
    """Return a duration in seconds from a number of seconds, or from Helm's form: 90s, 5m, 1h30m."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        found = float(text)
    elif not parts or "".join(a + b for a, b in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write seconds, or 90s, 5m, 1h30m")
    else:
        found = sum(float(number) * UNITS[unit] for number, unit in parts)
    if found > LONGEST:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is more than the {LONGEST} s that Helm can count")
    return found


def port_number(text: str) -> int:
    """Return a TCP port number."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port number; write 1 to 65535")
    return int(text)


def output(to: argparse.ArgumentParser, *forms: str) -> None:
    """Add the option for the form of the output."""
    to.add_argument("-o", "--output", choices=forms, default="table", help="form of the output (default: table)")


def one_worker(to: argparse.ArgumentParser) -> None:
    """Add the options that choose a worker and one of its ports."""
    to.add_argument("--worker", type=int, metavar="ID", help="only this worker")
    to.add_argument("--port", default="", metavar="NAME", help="only this port of the workers")


def chart(to: argparse.ArgumentParser) -> None:
    """Add the option for another chart."""
    to.add_argument("--chart", default="", help="folder or .tgz of another chart (default: the packaged one)")


def rollout(to: argparse.ArgumentParser, *, undo: bool = True) -> None:
    """Add the options of a command that changes a release and then waits for its workers."""
    chart(to)
    to.add_argument("--timeout", type=seconds, default=300.0, help="time until the workers must be ready (300, 5m)")
    if undo:
        to.add_argument("--rollback-on-failure", action="store_true", help="undo also when the time is out")
    output(to, *FORMS)


def values(to: argparse.ArgumentParser) -> None:
    """Add Helm's own options for values."""
    for option in VALUE_OPTIONS[2:]:
        to.add_argument(option, action=Verbatim, dest="arguments", metavar="KEY=VALUE", help=f"Helm's {option}")
    to.add_argument(*VALUE_OPTIONS[:2], action=Verbatim, dest="arguments", metavar="FILE", help="Helm's --values")


def force_conflicts(to: argparse.ArgumentParser) -> None:
    """Add the option that takes over fields set by others."""
    to.add_argument("--force-conflicts", action="store_true", help="take over fields that others have set (Helm 4)")


def create_namespace(to: argparse.ArgumentParser) -> None:
    """Add the option that makes the namespace."""
    to.add_argument("--create-namespace", action="store_true", help="make the namespace if it is missing")


def detach(to: argparse.ArgumentParser) -> None:
    """Add the option that returns without following the job."""
    to.add_argument("--detach", action="store_true", help="don't follow the job: return when its pods run")
