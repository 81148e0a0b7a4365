"""Helm's messages about values and charts, before it asks the cluster; every rule matches at a message's beginning."""

from __future__ import annotations

import re

from ...errors import ChartError, JobError, ValuesError
from .rules import Found, Verdict, first, rule, text_after
from .text import own_words

CORRECT = "Correct the values (-f, --set)."
CHECK = "Check --chart: a folder with a Chart.yaml, or a .tgz."
REASONS = (
    "no such file or directory|is a directory|not a directory|permission denied|file name too long|"
    "too many levels of symbolic links|input/output error|no such device or address|operation not permitted"
)


def _refused(found: Found) -> JobError:
    return ValuesError(own_words(found.string), CORRECT)


def _option(found: Found) -> JobError:
    """Return the error for a --set option; for JSON it has only the key, since the value may be a secret."""
    option, why = found[1], text_after(found)
    if option == "--set-json" and "open " not in why:
        key = why.removeprefix("JSON: ").partition("=")
        of = f" of {key[0]}" if key[1] and "{" not in key[0] else ""
        return ValuesError(f"{option}: the value{of} is no JSON.", f"Write {option} 'KEY=JSON'; text needs quotes.")
    return ValuesError(f"{option}: {why}", f"Correct {option}.")


def _unparsed(found: Found) -> JobError:
    path = "on the standard input" if found[1] == "-" else found[1]
    wrapping = r"^(cannot unmarshal yaml document: )?(error converting YAML to JSON: )?(yaml: )?"
    why = re.sub(wrapping, "", text_after(found))
    if "cannot unmarshal" in why:
        why = "it must hold keys and values (a map)"
    return ValuesError(f"The values file {path} is no valid YAML: {why}", f"Correct {path}.")


def _unread(found: Found) -> JobError:
    return ValuesError(f"The values file {found[1]} can't be read: {found[2]}.", "Check -f and --set-file.")


def _unfetched(found: Found) -> JobError:
    return ValuesError(
        f"The values at {found[1]} can't be fetched: {text_after(found) or 'no answer'}",
        "Check the URL of -f, or --set-file.",
    )


def _kubernetes(found: Found) -> JobError:
    return ChartError(f"The chart doesn't fit: {own_words(found.string)}.", "Take another chart with --chart.")


def _chart(found: Found) -> JobError:
    return ChartError(f"The chart can't be used: {own_words(found.string)}", CHECK)


def _schema(found: Found) -> JobError:
    return ChartError(f"The values.schema.json of the chart is broken: {own_words(text_after(found))}", CHECK)


def _template(found: Found) -> JobError:
    return ChartError(f"The chart can't be rendered: {own_words(found.string)}", "Check the values and --chart.")


RULES = (
    rule("schema is broken", r"\Avalues don't meet the specifications of [^\n]*\n\S+:\n(?![ \t]*- )", _schema),
    rule("schema refuses values", r"\Avalues don't meet the specifications of the schema", _refused),
    rule("template refuses values", r"\Aexecution error at \(", _refused),
    rule("option of values", r"\Afailed parsing (--set\S*) data:? ?", _option),
    rule("values are no YAML", r"\Afailed to parse (.+?): (?=cannot unmarshal|error |yaml: |json: )", _unparsed),
    rule("values file", rf"\A(?:open|read|stat|lstat) (.+): ({REASONS})\Z", _unread),
    rule("values URL", r"\A(?:Get|Head) \"((?![^\"]*/(?:apis?|version|openapi)\b)https?://[^\"]*)\":?", _unfetched),
    rule("values URL answers", r"\Afailed to fetch (\S+) :", _unfetched),
    rule(
        "values in a registry", r"\Afailed to (?:do request|perform)(?: \"\w+\" on source)?:? ?((?:Head \")?)", _refused
    ),
    rule("chart needs another Kubernetes", r"\Achart requires kubeVersion", _kubernetes),
    rule(
        "chart",
        r"\A(?:file '.*' (?:seems to be|does not appear)|Chart\.yaml file is missing|unable to detect chart"
        r"|path \".*\" not found"
        r"|no files in chart archive|unable to load chart archive|cannot load |validation: chart\.metadata"
        r"|unsupported chart"
        r"|library charts are not installable|[Aa]n error occurred while checking for chart dependencies"
        r"|chart illegally"
        r"|error reading |repo \S+ not found|unexpected EOF|gzip: )",
        _chart,
    ),
    rule(
        "template",
        r"\A(?:parse error at|template: |YAML parse error on|[^\n]*:\d+(?::\d+)?\n\s+executing "
        r"|error converting YAML)",
        _template,
    ),
)
"""The rules; each matches at the beginning of Helm's message."""
OFFLINE = (rule("values URL offline", r"\A(?:Get|Head) \"(https?://[^\"]*)\":?", _unfetched),)
"""Rules for `helm template` only: other commands ask a cluster, whose URLs may look the same."""


def classify(text: str, chart: str = "") -> Verdict | None:
    """Return the verdict on a message about values or the chart; None if it is about something else.

    Args:
        text: Helm's message.
        chart: Path of the chart in use: Helm's messages name its file in the same way as a values file.
    """
    verdict = first(RULES, text)
    if verdict and verdict.rule == "values file" and chart and re.match(rf"\w+ {re.escape(chart)}: ", text):
        return Verdict("chart", ChartError(f"The chart can't be used: {own_words(text)}", CHECK))
    return verdict


def render(text: str, chart: str = "") -> Verdict:
    """Return the verdict on a message of `helm template`: it works offline, so an unknown one is about the chart."""
    unknown = ChartError(f"The chart can't be rendered: {own_words(text)}", "Check the values and --chart.")
    return classify(text, chart) or first(OFFLINE, text) or Verdict("", unknown)
