"""Messages of the client library of Helm and kubectl about the login that the kubeconfig names."""

from __future__ import annotations

import re

from ...errors import JobError, LoginError
from .rules import Found, Verdict, first, rule, text_after
from .text import Said, own_words, short

AGAIN = "Log in again (see your kubeconfig's user)."
_UNTOLD = re.compile(r"It looks like you are trying|To learn more about this|^\s*https://kubernetes\.io/docs/")


def _program(found: Found) -> JobError:
    """Return the error for a login program that can't be started, with the kubeconfig's own hint for its users."""
    name, why = (
        (found["name"], "is not installed") if found["name"] else (found["path"], f"can't be run: {found['why']}")
    )
    lines = [line.strip() for line in text_after(found).splitlines() if line.strip() and not _UNTOLD.search(line)]
    advice = f" {short(' '.join(lines))}" if lines and found["name"] else ""
    return LoginError(
        f"The login program {name}, which the kubeconfig names for its user, {why}.",
        f"Install it, or name another in the kubeconfig.{advice}",
    )


def _login_failed(found: Found) -> JobError:
    return LoginError(f"The login program {found[1]} of the kubeconfig's user failed with exit code {found[2]}.", AGAIN)


def _interactive(found: Found) -> JobError:
    return LoginError(
        "The login program of the kubeconfig's user wants to ask you something, and it has no terminal here.",
        "Log in with it first, `kubectl get pods` for example does so, and then try again.",
    )


def _login_answer(found: Found) -> JobError:
    return LoginError(
        f"The login program of the kubeconfig's user can't be used: {short(text_after(found))}",
        "Bring it or the kubeconfig up to date.",
    )


def _login_way(found: Found) -> JobError:
    why = short(own_words(found.string[found.start() :]).splitlines()[0])
    return LoginError(f"The kubeconfig's way of logging in is not known: {why}", "Bring the kubeconfig up to date.")


def _no_credentials(found: Found) -> JobError:
    return LoginError("The kubeconfig's user has no credentials.", AGAIN)


def _refused_login(found: Found) -> JobError:
    return LoginError("The cluster refuses the login: it is wrong or has expired.", AGAIN)


def _certificate_login(found: Found) -> JobError:
    return LoginError(f"The cluster refuses the login's certificate: {found[1]}.", AGAIN)


RULES = (
    rule(
        "login program is missing",
        r"exec: (?:executable (?P<name>.{1,1000}?) not found$|fork/exec (?P<path>.{1,1000}): (?P<why>[^:\n]+)$)",
        _program,
        flags=re.M,
    ),
    rule("login program fails", r"exec: executable (.{1,1000}?) failed with exit code (-?\d+)", _login_failed),
    rule("login program asks", r"exec plugin cannot support interactive mode", _interactive),
    rule(
        "login program is of another version",
        r"getting credentials: |exec plugin: (?=invalid apiVersion)",
        _login_answer,
    ),
    rule("way of logging in", r"no Auth Provider found for name|The \S+ auth plugin has been removed", _login_way),
    rule("no credentials", r"\AEOF\Z", _no_credentials),
    rule("certificate refused", r"remote error: (tls: [^\n\"]*)", _certificate_login),
    rule(
        "login refused",
        r"asked for the client to provide credentials|must be logged in to the server|\bUnauthorized\)?$",
        _refused_login,
        flags=re.M,
    ),
)


def classify(text: str, said: Said) -> Verdict | None:
    """Return why the login does not work; None if the message is about something else.

    Args:
        text: The message, or a part of it.
        said: The whole output: a login program's own words come before the message.
    """
    verdict = first(RULES, text)
    if verdict and verdict.rule == "login program fails" and said.before:
        last = short(said.before.splitlines()[-1])
        return Verdict(verdict.rule, LoginError(f"{verdict.error.message.rstrip('.')}: {last}", verdict.error.hint))
    return verdict
