"""NetworkPolicy: kube-router on every node, which turns the policies into rules of the node's own packet filter."""

from __future__ import annotations

from . import node, processes, settings

FOLDER = settings.STATE / "kube-router"  # Comes first in kube-router's PATH.
# kube-router 2.1.0 can't do two families at once. It names its IPv6 sets `inet6:KUBE-...` and leaves `inet6:` out of
# the rules, which ip6tables-restore then refuses: so the prefix is put there on the way. And what it reads back with
# `ipset save` are the sets of both families, so that it writes old contents of one family over the new: so it is shown
# none and makes all it needs anew each time, and the sets that no rule needs any more are removed here instead.
# It writes all rules anew for each pod that starts, changes or goes, on every node, which was a third of all the
# processors' work in the tests; what happens while it works it does in one go. So it is made to wait here, where it
# begins a family: a policy holds some seconds later, and the work of many pods is done once.
PROGRAMS = {
    "ip6tables-restore": """#!/bin/sh
sed 's/--match-set KUBE-/--match-set inet6:KUBE-/g' | exec /usr/sbin/ip6tables-{variant}-restore "$@"
""",
    "ipset": """#!/bin/sh
[ "$1" = save ] || exec /usr/sbin/ipset "$@"
sleep 1
/usr/sbin/ipset list -terse |
  awk '/^Name:/ {name = $2} /^References: 0$/ {print "destroy " name}' |
  /usr/sbin/ipset restore
""",
}
# For each change kube-router runs iptables and ip6tables forty times. On nftables they took a fifth of the time
# that the processors worked in the tests; the legacy variants answer in a quarter of it. Not every kernel has these.
TABLES = ("iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore")
# kube-router takes IPv6's neighbour discovery, its ARP, for traffic that a policy must allow: a pod with an egress rule
# would find no other over IPv6. It keeps what its chains begin with.
ALLOW_NEIGHBOURS = """
for chain in KUBE-ROUTER-INPUT KUBE-ROUTER-FORWARD KUBE-ROUTER-OUTPUT; do
  ip6tables -N $chain 2>/dev/null || continue  # A node that was dead has its rules still.
  for kind in neighbour-solicitation neighbour-advertisement; do
    ip6tables -A $chain -p ipv6-icmp --icmpv6-type $kind -j ACCEPT
  done
done
"""


def environment(name: str) -> dict[str, str]:
    """Return the variables that choose kube-router's programs; each node has a lock of its own."""
    return {"PATH": f"{FOLDER}:/usr/sbin:/usr/bin:/sbin:/bin", "XTABLES_LOCKFILE": f"{FOLDER}/{name}.lock"}


def inside(name: str, *words: str) -> list[str]:
    """Return the command that runs one on a node as kube-router runs it."""
    return node.inside(name, "env", *(f"{key}={value}" for key, value in environment(name).items()), *words)


def write_programs(name: str) -> None:
    """Write the programs that kube-router finds first."""
    FOLDER.mkdir(exist_ok=True)
    tried = [processes.run(*node.inside(name, f"{one}-legacy", "-S"), check=False) for one in TABLES[:2]]
    variant = "legacy" if all("-P INPUT" in found for found in tried) else "nft"
    for program, script in PROGRAMS.items():
        (FOLDER / program).write_text(script.replace("{variant}", variant))
        (FOLDER / program).chmod(0o755)
    for program in TABLES:
        family, _, verb = program.partition("-")
        if not (FOLDER / program).is_symlink():  # Other nodes may use it already.
            (FOLDER / program).symlink_to(f"/usr/sbin/{'-'.join(filter(None, [family, variant, verb]))}")


def start(name: str) -> None:
    """Start kube-router on a node whose Node object has its addresses; it does nothing but NetworkPolicy."""
    write_programs(name)
    processes.run(*inside(name, "sh", "-e"), text=ALLOW_NEIGHBOURS)
    command = node.inside(
        name,
        settings.binaries() / "kube-router",
        f"--kubeconfig={settings.kubeconfig('kube-router')}",
        f"--hostname-override={name}",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--enable-cni=false",
        "--enable-ipv4=true",
        "--enable-ipv6=true",
        f"--service-cluster-ip-range={settings.SERVICE_CIDRS}",
        f"--service-node-port-range={settings.NODE_PORT_RANGE.replace('-', ':')}",
        "--health-port=0",
        # On a busy machine a change was missed now and then; it was made good after five minutes, the default.
        "--iptables-sync-period=10s",
    )
    processes.start(f"{name}-kube-router", command, environment(name))


def enforced(name: str) -> bool:
    """Tell whether kube-router has written its rules on a node once, in both families."""
    rules = [
        processes.run(*inside(name, program, "-S", "KUBE-ROUTER-FORWARD"), check=False)
        for program in ("iptables", "ip6tables")
    ]
    return all("explicitly ACCEPT" in found for found in rules)
