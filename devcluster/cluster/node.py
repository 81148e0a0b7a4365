"""A node: a network namespace and a process namespace with containerd, kubelet and kube-proxy in it.

The node's first process is a small program that sleeps. Killing it ends everything in the node at once, as a power cut.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

from . import certificates, control_plane, images, network, settings
from .processes import alive, end, run, start, wait

CRI = 'plugins."io.containerd.grpc.v1.cri"'


def folder(node: str) -> Path:
    """Return the folder with everything a node keeps."""
    return settings.STATE / "nodes" / node


def first_process(node: str) -> int | None:
    """Return the process ID, on the host, of the node's first process, or None if the node doesn't run."""
    path = folder(node) / "pid"
    if not path.exists():
        return None
    pid = int(path.read_text())
    try:
        same = os.readlink(f"/proc/{pid}/exe") == str((settings.binaries() / "pause").resolve())
    except OSError:
        return None
    return pid if same and alive(pid) else None


def inside(node: str, *command: str | Path) -> list[str]:
    """Return the command that runs `command` in all namespaces of a node."""
    return ["nsenter", "-t", str(first_process(node)), "-m", "-u", "-i", "-n", "-p", *map(str, command)]


def init_script(node: str) -> str:
    """Return the shell script that makes a node's mounts and becomes its first process."""
    own = folder(node)
    return f"""set -e
mount --make-rprivate /
hostname {node}
# A fresh sysfs shows this network namespace's devices; the cgroups are bound back onto it.
mount --rbind {settings.CGROUPS} {own}/cgroup
mount -t sysfs sysfs /sys
mount --rbind {own}/cgroup {settings.CGROUPS}
umount -l {own}/cgroup
mount -t tmpfs tmpfs /run
mount --bind {own}/log /var/log
mount --bind {own}/hosts /etc/hosts
mount --bind {own}/resolv.conf /etc/resolv.conf
# The kubelet wants to write these, and they are the whole machine's: give it plain files instead.
for key in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \\
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  copy={own}/sysctl-$(echo $key | tr / -)
  cat /proc/sys/$key > $copy
  mount --bind $copy /proc/sys/$key
done
# containerd must see the volumes that the kubelet mounts.
mount --make-rshared /
exec {settings.binaries()}/pause
"""


def write_files(node: str) -> None:
    """Write the configuration of a node's programs."""
    own = folder(node)
    for name in ("log", "cgroup", "cni", "kubelet", "containerd"):
        (own / name).mkdir(parents=True, exist_ok=True)
    (own / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (own / "resolv.conf").write_text("")
    (own / "init.sh").write_text(init_script(node))
    (own / "containerd.toml").write_text(
        f"""version = 2
root = "{own}/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[{CRI}]
sandbox_image = "{settings.PAUSE_IMAGE}"
# Some machines lack CAP_SYS_RESOURCE, and then no pod would start.
restrict_oom_score_adj = true
[{CRI}.containerd]
snapshotter = "overlayfs"
[{CRI}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{CRI}.containerd.runtimes.runc.options]
SystemdCgroup = false
[{CRI}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{own}/cni"
conf_template = "{own}/cni.template"
"""
    )
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{own}/ipam",
            "ranges": "RANGES",
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        },
    }
    port_map = {"type": "portmap", "capabilities": {"portMappings": True}}
    template = json.dumps({"cniVersion": "0.4.0", "name": "devcluster", "plugins": [bridge, port_map]})
    ranges = '[{{range $i, $r := .PodCIDRRanges}}{{if $i}},{{end}}[{"subnet":"{{$r}}"}]{{end}}]'
    (own / "cni.template").write_text(template.replace('"RANGES"', ranges))
    kubelet = {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificates.path("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificates.path(node)),
        "tlsPrivateKeyFile": str(certificates.key(node)),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.node_namespace(node)}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [settings.DNS_IPV4],
        "clusterDomain": "cluster.local",
        "resolvConf": str(own / "resolv.conf"),
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "nodeStatusUpdateFrequency": "5s",
        # How soon a pod sees a ConfigMap that has changed; a minute by default, and tests wait for it.
        "syncFrequency": "10s",
        "maxPods": 110,
        "protectKernelDefaults": False,
    }
    proxy = {
        "kind": "KubeProxyConfiguration",
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "nftables",
        "clusterCIDR": settings.POD_CIDRS,
        "hostnameOverride": node,
        "clientConnection": {"kubeconfig": str(settings.kubeconfig("kube-proxy"))},
        # By default kube-proxy opens node ports at the primary addresses alone.
        "nodePortAddresses": list(settings.NODE_SUBNETS),
        # Zero leaves the machine's own conntrack settings alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    (own / "kubelet.json").write_text(json.dumps(kubelet))
    (own / "kube-proxy.json").write_text(json.dumps(proxy))


def create_cgroups(node: str) -> None:
    """Make the node's cgroup in every controller; a new cpuset is empty until it is told its processors."""
    for controller in settings.CGROUP_CONTROLLERS:
        own = settings.CGROUPS / controller / settings.node_namespace(node)
        if own.parent.is_dir():
            own.mkdir(exist_ok=True)
    cpuset = settings.CGROUPS / "cpuset"
    for name in ("cpuset.cpus", "cpuset.mems"):
        (cpuset / settings.node_namespace(node) / name).write_text((cpuset / name).read_text())


def boot(node: str) -> None:
    """Start a node: its first process, containerd, and, when the images are there, kubelet and kube-proxy."""
    own = folder(node)
    write_files(node)
    create_cgroups(node)
    if not network.exists(settings.node_namespace(node)):
        network.create_node(node)
        if (own / "external").exists():  # Before kube-proxy starts: it looks once which addresses the node has.
            network.give_external_ips(node)
    unshare = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private")
    outer = start(
        node, ["nsenter", f"--net=/run/netns/{settings.node_namespace(node)}", *unshare, "sh", own / "init.sh"]
    )

    def running() -> bool:
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split() if alive(outer) else []
        if children:
            (own / "pid").write_text(children[0])
        return first_process(node) is not None

    wait(f"The start of {node}", running, 15, node)
    start(f"{node}-containerd", inside(node, settings.binaries() / "containerd", "--config", own / "containerd.toml"))
    ctr = settings.binaries() / "ctr"
    wait(
        f"The start of containerd in {node}",
        lambda: "Server:" in run(*inside(node, ctr, "version"), check=False),
        30,
        f"{node}-containerd",
    )
    for image in (settings.PAUSE_IMAGE, settings.PYTHON_IMAGE):
        images.load(functools.partial(inside, node), images.archive(image))
    external = ["--cloud-provider=external"] if (own / "external").exists() else []
    start(
        f"{node}-kubelet",
        inside(
            node,
            settings.binaries() / "kubelet",
            f"--config={own}/kubelet.json",
            f"--kubeconfig={settings.kubeconfig(node)}",
            f"--root-dir={own}/kubelet",
            f"--node-ip={','.join(settings.node_ips(node))}",
            f"--hostname-override={node}",
            *external,
        ),
    )
    start(f"{node}-kube-proxy", inside(node, settings.binaries() / "kube-proxy", f"--config={own}/kube-proxy.json"))


def publish_external_ips(node: str) -> None:
    """Do what a cloud's controller does for a node: write its addresses, then let pods onto it."""
    (external4, external6), (own4, own6) = settings.external_ips(node), settings.node_ips(node)
    addresses = [
        ("ExternalIP", external4),
        ("ExternalIP", external6),
        ("InternalIP", own4),
        ("InternalIP", own6),
        ("Hostname", node),
    ]
    status = {"status": {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}}
    control_plane.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    control_plane.kubectl("taint", "node", node, "node.cloudprovider.kubernetes.io/uninitialized-", check=False)


def kill(node: str) -> None:
    """End everything in a node at once."""
    pid = first_process(node)
    if pid:
        end([pid])


def remove_cgroups(node: str) -> None:
    """Remove the node's cgroups, the innermost first."""
    for controller in settings.CGROUP_CONTROLLERS:
        top = settings.CGROUPS / controller / settings.node_namespace(node)
        if top.is_dir():
            for path, _, _ in os.walk(top, topdown=False):
                os.rmdir(path)
