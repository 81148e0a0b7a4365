"""etcd, API server, controller manager, scheduler and DNS server, as processes in the fabric."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import certificates, settings
from .processes import in_namespace, run, start, wait


def grant(user: str, *rules: tuple[str, str, list[str]]) -> list[dict[str, Any]]:
    """Return the objects that let one of our programs read; a rule is an API group, its resources, the verbs."""
    api, name = "rbac.authorization.k8s.io", f"system:{user}"
    return [
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [
                {"apiGroups": [group], "resources": resources.split(), "verbs": verbs}
                for group, resources, verbs in rules
            ],
        },
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": api, "kind": "User", "name": name}],
        },
    ]


READ = ["list", "watch"]
# Permissions of the programs that are not Kubernetes' own, a default StorageClass, and the Service that leads to the
# DNS server: it is no pod, so its endpoints are written by hand.
OBJECTS: list[dict[str, Any]] = [
    *grant(
        "coredns",
        ("", "endpoints services pods namespaces", READ),
        ("discovery.k8s.io", "endpointslices", READ),
    ),
    *grant(
        "kube-router",
        ("", "endpoints services pods namespaces nodes", READ),
        ("", "nodes", ["get"]),
        ("discovery.k8s.io", "endpointslices", READ),
        ("networking.k8s.io", "networkpolicies", READ),
    ),
    {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/host-path",
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {
            "clusterIP": settings.DNS_IPV4,
            "clusterIPs": [settings.DNS_IPV4, settings.DNS_IPV6],
            "ipFamilyPolicy": "RequireDualStack",
            "ipFamilies": ["IPv4", "IPv6"],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    },
    *(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"kube-dns-{family.lower()}",
                "namespace": "kube-system",
                "labels": {"kubernetes.io/service-name": "kube-dns"},
            },
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        }
        for family, address in (("IPv4", settings.FABRIC_IPV4), ("IPv6", settings.FABRIC_IPV6))
    ),
]


def program(name: str) -> Path:
    """Return a program of the cluster."""
    return settings.binaries() / name


def kubectl(*arguments: str, text: str | None = None, check: bool = True, seconds: float = 120) -> str:
    """Run kubectl as the cluster's administrator and return its output."""
    command = in_namespace(settings.FABRIC, program("kubectl"), f"--kubeconfig={settings.kubeconfig()}", *arguments)
    return run(*command, text=text, check=check, seconds=seconds)


def ready() -> bool:
    """Tell whether the API server says that it is ready."""
    return kubectl("get", "--raw", "/readyz", "--request-timeout=2s", check=False).strip() == "ok"


def in_fabric(name: str, *arguments: str) -> None:
    """Start one of the cluster's programs in the fabric."""
    start(name, in_namespace(settings.FABRIC, program(name), *arguments))


def start_etcd() -> None:
    """Start etcd; it needs no lasting storage, hence no fsync."""
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    in_fabric(
        "etcd",
        "--name=e",
        f"--data-dir={settings.STATE}/etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=e={peer}",
        "--log-level=warn",
    )


def start_apiserver() -> None:
    """Start the API server and wait until it is ready."""
    path, key = certificates.path, certificates.key
    in_fabric(
        "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=::",
        "--secure-port=6443",
        f"--advertise-address={settings.FABRIC_IPV4}",
        "--allow-privileged=true",
        f"--client-ca-file={path('ca')}",
        f"--tls-cert-file={path('kube-apiserver')}",
        f"--tls-private-key-file={key('kube-apiserver')}",
        f"--service-account-key-file={certificates.FOLDER}/sa.pub",
        f"--service-account-signing-key-file={certificates.FOLDER}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={settings.SERVICE_CIDRS}",
        f"--service-node-port-range={settings.NODE_PORT_RANGE}",
        f"--kubelet-certificate-authority={path('ca')}",
        f"--kubelet-client-certificate={path('kubelet-client')}",
        f"--kubelet-client-key={key('kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={path('ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={path('front-proxy')}",
        f"--proxy-client-key-file={key('front-proxy')}",
    )
    wait("The API server's start", ready, 60, "kube-apiserver")


def start_controllers() -> None:
    """Start the controller manager and the scheduler. Before the API server is ready they would give up at once."""
    for name in ("kube-controller-manager", "kube-scheduler"):
        configurations = [
            f"--{kind}kubeconfig={settings.kubeconfig(name)}" for kind in ("", "authentication-", "authorization-")
        ]
        more = (
            []
            if name == "kube-scheduler"
            else [
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={certificates.FOLDER}/sa.key",
                f"--root-ca-file={certificates.path('ca')}",
                f"--cluster-signing-cert-file={certificates.path('ca')}",
                f"--cluster-signing-key-file={certificates.key('ca')}",
                "--allocate-node-cidrs=true",
                f"--cluster-cidr={settings.POD_CIDRS}",
                "--node-cidr-mask-size-ipv4=24",
                "--node-cidr-mask-size-ipv6=64",
                f"--service-cluster-ip-range={settings.SERVICE_CIDRS}",
                "--enable-hostpath-provisioner=true",
            ]
        )
        in_fabric(name, *configurations, "--leader-elect=false", *more)


def start_dns() -> None:
    """Start the DNS server. Without a cache: a name that was asked for too early must not stay unknown."""
    corefile = settings.STATE / "Corefile"
    corefile.write_text(
        f""".:53 {{
    bind {settings.FABRIC_IPV4} {settings.FABRIC_IPV6}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {settings.kubeconfig("coredns")}
        ttl 1
    }}
}}
"""
    )
    in_fabric("coredns", "-conf", str(corefile))


def create_objects() -> None:
    """Create what the cluster has from the start."""
    kubectl(
        "apply", "--server-side", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS})
    )
