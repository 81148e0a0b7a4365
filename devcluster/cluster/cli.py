"""The command line: `devcluster COMMAND`."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_binaries

from . import addons, certificates, control_plane, images, install, lifecycle, network, node, settings
from .processes import DevclusterError, in_namespace

DOWN = "The development cluster is down; `devcluster up` starts it."


def say(sentence: str) -> None:
    """Tell the user how far we are, on standard error."""
    print(f"devcluster: {sentence}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Hold the lock of all commands that change the cluster."""
    install.require_machine()
    with settings.LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DevclusterError(
                "Another devcluster command is changing the cluster; wait until it is done and try again."
            ) from error
        yield


def require_up() -> None:
    """Raise DevclusterError if there is no cluster to talk to."""
    install.require_machine()
    if not network.exists(settings.FABRIC) or not settings.kubeconfig().exists():
        raise DevclusterError(DOWN)


def command_install(arguments: argparse.Namespace) -> int:
    """Install and build what the cluster and its add-ons need."""
    with_addons = addons.parse(arguments.addons)
    with lock():
        addons.prepare(with_addons, say)
    return 0


def command_up(arguments: argparse.Namespace) -> int:
    """Start the cluster and its add-ons."""
    with_addons = addons.parse(arguments.addons)
    if not 1 <= arguments.nodes <= settings.MAXIMUM_NODES:
        raise DevclusterError(f"--nodes {arguments.nodes}: the cluster has 1 to {settings.MAXIMUM_NODES} nodes.")
    with lock():
        lifecycle.up(arguments.nodes, say, with_addons)
    return 0


def command_down(_: argparse.Namespace) -> int:
    """Stop the cluster and remove everything of it."""
    with lock():
        lifecycle.down(say)
    return 0


def command_status(arguments: argparse.Namespace) -> int:
    """Say what runs; exit code 3 if the cluster isn't up."""
    install.require_machine()
    up = lifecycle.is_up()
    nodes: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    if network.exists(settings.FABRIC) and settings.kubeconfig().exists():
        live = {found["metadata"]["name"]: found for found in lifecycle.live_nodes()}
        for name in lifecycle.expected_nodes():
            found = live.get(name, {"status": {}})
            addresses = [
                {"type": one["type"], "address": one["address"]} for one in found["status"].get("addresses", [])
            ]
            running, ready = node.first_process(name) is not None, lifecycle.node_ready(found)
            nodes.append({"name": name, "running": running, "ready": ready, "addresses": addresses})
        added = [{"name": name, "ready": addons.ready(name)} for name in addons.started()]
    if arguments.output == "json":
        print(json.dumps({"up": up, "nodes": nodes, "addons": added}))
    else:
        print(f"Kubernetes {settings.KUBERNETES}: {'up' if up else 'not up' if nodes else 'down'}")
        for entry in nodes:
            state = "Ready" if entry["ready"] else "running, not Ready" if entry["running"] else "not running"
            print(f"{entry['name']}: {state}; {', '.join(one['address'] for one in entry['addresses'])}")
        for entry in added:
            print(f"{entry['name']}: {'ready' if entry['ready'] else 'not ready'}; {addons.ALL[entry['name']].WHAT}")
    return 0 if up else 3


def environment() -> dict[str, str]:
    """Return the environment of commands that talk to the cluster."""
    # What `make` has put into the checkout and the cache comes last: whoever has a Helm or a wrapper uses that.
    helm = helm_binaries.cache_root() / "helm" / list(helm_binaries.BINARIES)[-1]
    made = [settings.SOURCE.parents[1] / ".venv" / "bin", helm]
    path = ":".join([str(settings.binaries()), os.environ.get("PATH", ""), *map(str, made)])
    return {**os.environ, "KUBECONFIG": str(settings.kubeconfig()), "PATH": path}


def command_exec(arguments: argparse.Namespace) -> int:
    """Become a command in the cluster's network; everything else, the folder, files, stays as it is."""
    require_up()
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise DevclusterError("devcluster exec: say what to run, as in `devcluster exec -- kubectl get nodes`.")
    command = in_namespace(settings.FABRIC, *words)
    os.execvpe(command[0], command, environment())


def command_shell(_: argparse.Namespace) -> int:
    """Open a shell in the cluster's network."""
    require_up()
    command = in_namespace(settings.FABRIC, os.environ.get("SHELL", "/bin/bash"))
    prompt = "devcluster \\w \\$ "
    # The second one because the user's .bashrc sets the first anew.
    prompts = {"PS1": prompt, "PROMPT_COMMAND": f"PS1='{prompt}'; unset PROMPT_COMMAND"}
    os.execvpe(command[0], command, {**environment(), **prompts})


def command_kubeconfig(_: argparse.Namespace) -> int:
    """Print the path of the administrator's kubeconfig; it is of use inside `exec` and `shell`."""
    require_up()
    print(settings.kubeconfig())
    return 0


def command_certificate(arguments: argparse.Namespace) -> int:
    """Make a key and a certificate for host names, signed by an authority that this cluster has for its users."""
    require_up()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    certificates.issue(arguments.hosts, arguments.folder, arguments.days)
    say(f"{arguments.folder} has tls.crt, tls.key and, for those who connect, ca.crt")
    return 0


def command_load(arguments: argparse.Namespace) -> int:
    """Import image archives (`docker save`, OCI) into every node that doesn't have them yet."""
    require_up()
    paths = [Path(archive) for archive in arguments.archives]
    for path in paths:
        if not path.is_file():
            raise DevclusterError(f"There is no file {path}; make one with `docker save IMAGE -o FILE`.")
    with lock():
        nodes = [name for name in lifecycle.expected_nodes() if node.first_process(name)]
        for path in paths:
            loaded = [name for name in nodes if images.load(functools.partial(node.inside, name), path)]
            what = ", ".join(images.contents(path)) or path.name
            say(f"{what} is now in {', '.join(loaded)}" if loaded else f"{what} was in every node already")
    return 0


def command_node(arguments: argparse.Namespace) -> int:
    """Kill a node, as a power cut does, or start it again."""
    require_up()
    if arguments.name not in lifecycle.expected_nodes():
        raise DevclusterError(
            f"There is no node {arguments.name}; the nodes are {', '.join(lifecycle.expected_nodes())}."
        )
    with lock():
        if arguments.action == "kill":
            node.kill(arguments.name)
            say(f"{arguments.name} is dead; the cluster notices within a minute")
        elif node.first_process(arguments.name):
            say(f"{arguments.name} runs already")
        else:
            node.boot(arguments.name)
            lifecycle.finish_nodes([arguments.name])
            say(f"{arguments.name} is started")
    return 0


def command_logs(arguments: argparse.Namespace) -> int:
    """Print the logs of the cluster's programs, or of one of them."""
    folder = settings.STATE / "logs"
    names = sorted(path.stem for path in folder.glob("*.log")) if folder.exists() else []
    if not names:
        raise DevclusterError(f"There are no logs. {DOWN}")
    if arguments.program and arguments.program not in names:
        raise DevclusterError(f"There is no log of {arguments.program}; there are {', '.join(names)}.")
    chosen = [folder / f"{arguments.program}.log"] if arguments.program else [folder / f"{name}.log" for name in names]
    return subprocess.run(["tail", "-n", str(arguments.lines), *map(str, chosen)], check=False).returncode


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="devcluster", description="A real Kubernetes on this machine, for development.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        added.set_defaults(function=function)
        return added

    start = command("up", command_up)
    start.add_argument("--nodes", type=int, default=3, help="number of nodes (default 3)")
    for one in (command("install", command_install), start):
        one.add_argument(
            "--with",
            dest="addons",
            action="append",
            default=[],
            metavar="ADDON[,ADDON...]",
            help=f"add-ons: {', '.join(addons.ALL)}; the others need load-balancer, which comes with them",
        )
    command("down", command_down)
    command("status", command_status).add_argument("-o", "--output", choices=("text", "json"), default="text")
    command("exec", command_exec).add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    command("shell", command_shell)
    command("kubeconfig", command_kubeconfig)
    command("load", command_load).add_argument("archives", nargs="+", metavar="FILE")
    certificate = command("certificate", command_certificate)
    certificate.add_argument("hosts", nargs="+", metavar="HOST", help="a host name, *.example.com or an IP address")
    certificate.add_argument("--folder", type=Path, required=True, help="where to write ca.crt, tls.crt and tls.key")
    certificate.add_argument("--days", type=int, default=30, help="how long it is valid (default 30)")
    nodes = command("node", command_node)
    nodes.add_argument("action", choices=("kill", "start"))
    nodes.add_argument("name")
    logs = command("logs", command_logs)
    logs.add_argument("program", nargs="?")
    logs.add_argument("--lines", type=int, default=20)
    return top


def main(words: list[str]) -> int:
    """Run one command and return its exit code."""
    arguments = parser().parse_args(words)
    try:
        result: int = arguments.function(arguments)
        return result
    except DevclusterError as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("interrupted; `devcluster down` removes what is half made")
        return 130


__all__ = ["control_plane", "main"]
