"""Messages of the client library of Helm and kubectl about the kubeconfig and the way to the API server."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import JobError, NoClusterError, NoRightsError
from . import logins
from .rules import Found, Make, Verdict, first, rule, text_after
from .text import Said, own_words, short

CHECK = "Check the kubeconfig (KUBECONFIG, --kubeconfig, --kube-context), the network and the VPN."
_ADDRESS = re.compile(r"https?://[^\s\"/]+|(?<=The connection to the server )\S+(?= was refused)")
_UNREAD = re.compile(
    r"unable to read (certificate-authority|client-cert|client-key) (.+?) for (.+?) due to (.+?)(?=, unable to|\]"
    r"|\n|$)"
)


def _no_context(found: Found) -> JobError:
    return NoClusterError(
        f"The kubeconfig has no context {found[1] or found[2]}.", "`kubectl config get-contexts` lists them."
    )


def _unreadable_files(found: Found) -> JobError:
    """Return the error for files that the kubeconfig names."""
    what = {
        "certificate-authority": "certificate-authority of the cluster",
        "client-cert": "client-certificate of the user",
    }
    lines = []
    for kind, path, owner, why in _UNREAD.findall(found.string):
        reason = why.rpartition(": ")[2].rstrip(".")
        lines.append(f"{path} ({what.get(kind, f'{kind} of the user')} {owner}): {reason}")
    head = (
        "The kubeconfig names a file that can't be read: "
        if len(lines) == 1
        else "The kubeconfig names files that can't be read:\n  "
    )
    return NoClusterError(head + "\n  ".join(lines), "Correct the path in the kubeconfig, or put the file there.")


def _unreadable_file(found: Found) -> JobError:
    return NoClusterError(
        f"The kubeconfig names a file that can't be read: {found[1]}: {found[2]}.",
        "Correct the path in the kubeconfig, or put the file there.",
    )


def _unreadable_kubeconfig(found: Found) -> JobError:
    why = re.sub(r"; json parse error.*|^read .*: (?=is a directory)", "", found[2].strip())
    return NoClusterError(
        f"The kubeconfig {found[1]} can't be read: {short(why)}", "Check KUBECONFIG and --kubeconfig."
    )


def _invalid_kubeconfig(found: Found) -> JobError:
    why = short(re.sub(r"^\W+|\]$", "", text_after(found)).replace("* ", ""), 300)
    return NoClusterError(f"The kubeconfig is not valid: {why}", "Correct it (KUBECONFIG, --kubeconfig).")


def _invalid_certificate(found: Found) -> JobError:
    return NoClusterError(
        "The kubeconfig's certificate-authority of the cluster, or a certificate of the user, is no PEM file with one.",
        "Correct it in the kubeconfig (KUBECONFIG, --kubeconfig).",
    )


def _invalid_server(found: Found) -> JobError:
    return NoClusterError(
        f"The server of the kubeconfig's cluster is no URL that can be used: {short(own_words(found.string))}",
        "Correct it in the kubeconfig: https://HOST:PORT.",
    )


def no_kubeconfig(text: str, chosen: str = "") -> JobError:
    """Return the error for the address that the library takes when no kubeconfig names one.

    Args:
        text: The message.
        chosen: Path of the kubeconfig that the user chose; empty means KUBECONFIG or ~/.kube/config.
    """
    paths = [Path(part) for part in (chosen or os.environ.get("KUBECONFIG", "")).split(os.pathsep) if part]
    paths = paths or [Path("~/.kube/config").expanduser()]
    there = [path for path in paths if path.is_file()]
    named = " and ".join(str(path) for path in there or paths)
    if os.environ.get("HELM_KUBEAPISERVER") or any("localhost:8080" in _start_of(path) for path in there):
        return _no_answer(text, "it refuses the connection")
    if not there:
        return NoClusterError(
            f"No kubeconfig names a cluster: {named} {'is no file' if len(paths) == 1 else 'are no files'}.",
            "Give one with KUBECONFIG or --kubeconfig.",
        )
    return NoClusterError(
        f"The kubeconfig {named} names no cluster: it has no current context, or that has no cluster with a server.",
        "`kubectl config get-contexts` lists what it has; choose with --kube-context.",
    )


def _start_of(path: Path) -> str:
    try:
        with path.open(errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return ""


def _no_answer(text: str, why: str) -> JobError:
    server = _ADDRESS.search(text)
    return NoClusterError(f"The cluster{f' at {server[0]}' if server else ''} can't be reached: {why}.", CHECK)


def _unreachable(why: str) -> Make:
    """Return a function that makes the error for an unreachable server; `{0}` in `why` is the match's first group."""
    return lambda found: _no_answer(found.string, why.replace("{0}", short(found[1] or "") if found.re.groups else ""))


def _web_page(found: Found) -> JobError:
    title = re.search(r"<title>([^<]*)</title>", found.string, re.IGNORECASE)
    named = f" ({short(title[1])})" if title and title[1].strip() else ""
    return _no_answer(found.string, f"what answers there is a web page{named}, no Kubernetes")


def _cluster_fault(found: Found) -> JobError:
    return NoClusterError(
        f"The cluster has a fault of its own: {short(own_words(found.string), 300)}",
        "Try again in a moment; if it stays, ask whoever runs the cluster.",
    )


def _refused_without_reason(found: Found) -> JobError:
    return NoRightsError("The cluster doesn't let this user in, and gives no reason (403).", logins.AGAIN)


KUBECONFIG = (
    rule("context", r'context "([^"]*)" does not exist|context was not found for specified context: (.*)', _no_context),
    rule("files of the kubeconfig", _UNREAD.pattern, _unreadable_files),
    rule("kubeconfig is unreadable", r'error loading config file "([^"]*)": ([^\n]*)', _unreadable_kubeconfig),
    rule(
        "kubeconfig is invalid",
        r"invalid configuration: |Error in configuration: |(?=invalid 'proxy-url')|(?=client-key\S* or \S+ must be)",
        _invalid_kubeconfig,
    ),
    rule(
        "certificates of the kubeconfig",
        r"unable to load root certificates|unable to parse bytes as PEM|tls: failed to find any PEM|tls: private key",
        _invalid_certificate,
    ),
    rule(
        "server of the kubeconfig",
        r"host must be a URL|unsupported protocol scheme|invalid port .* after host|\Aparse \"",
        _invalid_server,
    ),
    rule(
        "no kubeconfig",
        r"http://localhost:8080/|the server localhost:8080 was refused|no configuration has been provided"
        r"|current-context is not set",
        lambda found: no_kubeconfig(found.string),
    ),
    rule(
        "file of the kubeconfig",
        r"\A(?:open|read) (.+): (no such file or directory|permission denied|is a directory|not a directory)\Z",
        _unreadable_file,
    ),
)
NETWORK = (
    rule("proxy", r"proxyconnect \w+: (?:dial tcp )?(.+)", _unreachable("the proxy does not answer ({0})")),
    rule(
        "proxy refuses",
        r'": (Proxy Authentication Required|Forbidden|Bad Gateway|Service Unavailable|Gateway Timeout'
        r"|Method Not Allowed)$|(?:\A|server: )Proxy Authentication Required$",
        _unreachable("the proxy on the way refuses the connection"),
    ),
    rule(
        "host name", r"no such host|server misbehaving|name resolution", _unreachable("its host name doesn't resolve")
    ),
    rule("certificate", r"x509: ([^\n\"]*)", _unreachable("its certificate is not accepted ({0})")),
    rule(
        "no TLS",
        r"first record does not look like a TLS|HTTP response to HTTPS client|HTTP request to an HTTPS server",
        _unreachable("one side speaks HTTPS and the other HTTP; see the server's address in the kubeconfig"),
    ),
    rule("refused", r"connection refused|was refused", _unreachable("it refuses the connection")),
    rule(
        "no way",
        r"network is unreachable|no route to host|cannot assign requested address|connect: permission denied",
        _unreachable("its network can't be reached"),
    ),
    rule(
        "broken off",
        r"connection reset by peer|broken pipe|connection lost|: (?:unexpected )?EOF$"
        r"|use of closed network connection",
        _unreachable("it breaks the connection off"),
    ),
    rule(
        "silent",
        r"i/o timeout|TLS handshake timeout|Client\.Timeout|request canceled|context deadline exceeded"
        r"|unable to return a response in the time|connection timed out",
        _unreachable("it does not answer"),
    ),
)
STRANGE = (
    rule(
        "web page",
        r"<html|<!DOCTYPE|invalid character '<' looking for|unable to parse the server version|invalid wire-format",
        _web_page,
        flags=re.I,
    ),
    rule(
        "no API",
        r"the server could not find the requested resource|404 page not found|responded with the status code 3\d\d",
        _unreachable("what answers there is no Kubernetes API"),
    ),
    rule("forbidden without a reason", r"(?:\A|: )unknown\Z", _refused_without_reason),
)
TROUBLE = (
    rule(
        "fault of the cluster",
        r"an error on the server \((?!\"<)|currently unable to handle the request|etcdserver: "
        r"|asked us to try again later|[Tt]oo many requests|apiserver is shutting down"
        r"|not yet ready to handle request|Internal error occurred: ",
        _cluster_fault,
    ),
)
RULES = (*KUBECONFIG, *NETWORK, *STRANGE, *TROUBLE)


def classify(text: str, said: Said) -> Verdict | None:
    """Return why the API server can't be asked; None if the message is about something else.

    Args:
        text: The message, or a part of it.
        said: The whole output.
    """
    if verdict := logins.classify(text, said):
        return verdict
    verdict = first(RULES, text)
    if verdict and verdict.rule == "no kubeconfig":
        return Verdict(verdict.rule, no_kubeconfig(text, said.kubeconfig))
    return verdict


def unreachable(text: str, said: Said) -> Verdict:
    """Return the same for a message that is certainly about the way to the server."""
    error = NoClusterError(f"The cluster can't be used: {short(own_words(text), 300)}", CHECK)
    return classify(text, said) or Verdict("", error)
