"""The cluster's certificates and kubeconfigs, made anew by each `up` with openssl."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path

from . import settings
from .processes import run

DAYS = "365"
FOLDER = settings.STATE / "certificates"
# Name -> (common name, organisation); the organisation is the Kubernetes group.
CLIENTS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet-client": ("kubelet-client", "system:masters"),
    "front-proxy": ("front-proxy-client", ""),
    "coredns": ("system:coredns", ""),
    "kube-router": ("system:kube-router", ""),
}


def path(name: str) -> Path:
    """Return the certificate of `name`."""
    return FOLDER / f"{name}.crt"


def key(name: str) -> Path:
    """Return the private key of `name`."""
    return FOLDER / f"{name}.key"


def issue(hosts: list[str], folder: Path, days: int) -> None:
    """Write a certificate for names and addresses, its key, and the authority's own certificate into `folder`.

    The authority is not the one of the cluster's own programs, whose certificates are rights in the cluster.
    """
    names = ",".join(f"{'IP' if is_address(host) else 'DNS'}:{host}" for host in hosts)
    own = f"issued-{os.getpid()}"
    sign(own, hosts[0][:64], addresses=names, authority="users", days=str(days))
    (folder / "ca.crt").write_bytes(path("users").read_bytes())
    for source, target in ((path(own), "tls.crt"), (key(own), "tls.key")):
        shutil.move(source, folder / target)


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def new_authority(name: str, common_name: str) -> None:
    """Make an authority: a key and a certificate that it signs itself."""
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key(name))
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 and newer demand it.
    run("openssl", "req", "-x509", *new_key, "-subj", f"/CN={common_name}", "-days", DAYS, *usage, "-out", path(name))


def sign(
    name: str, common_name: str, organisation: str = "", addresses: str = "", authority: str = "ca", days: str = DAYS
) -> None:
    """Make a key and a certificate; `addresses` are the subject's alternative names in openssl's words."""
    subject = (f"/O={organisation}" if organisation else "") + f"/CN={common_name}"
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key(name))
    extensions = ["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=clientAuth,serverAuth"] + (
        [f"subjectAltName={addresses}"] if addresses else []
    )
    added = [word for extension in extensions for word in ("-addext", extension)]
    signer = ("-CA", path(authority), "-CAkey", key(authority))
    run("openssl", "req", "-x509", *new_key, "-subj", subject, "-days", days, *added, *signer, "-out", path(name))


def kubeconfig(name: str) -> None:
    """Write the kubeconfig of a client; everything in it is in the one file."""
    import base64

    def content(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    target = settings.kubeconfig(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_text(
        f"""apiVersion: v1
kind: Config
current-context: devcluster
clusters:
  - name: devcluster
    cluster:
      server: https://{settings.FABRIC_IPV4}:6443
      certificate-authority-data: {content(path("ca"))}
contexts:
  - name: devcluster
    context: {{cluster: devcluster, user: {name}}}
users:
  - name: {name}
    user:
      client-certificate-data: {content(path(name))}
      client-key-data: {content(key(name))}
"""
    )


def create(nodes: list[str]) -> None:
    """Make all certificates and kubeconfigs of a new cluster."""
    FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    new_authority("ca", "devcluster")
    new_authority("users", "devcluster users")
    names = [f"DNS:kubernetes{tail}" for tail in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    addresses = ["127.0.0.1", settings.FABRIC_IPV4, settings.FABRIC_IPV6, settings.API_SERVICE_IPV4]
    sign(
        "kube-apiserver",
        "kube-apiserver",
        addresses=",".join(["DNS:localhost", *names, *(f"IP:{one}" for one in addresses)]),
    )
    for name, (common_name, organisation) in CLIENTS.items():
        sign(name, common_name, organisation)
        kubeconfig(name)
    for node in nodes:
        own = ",".join([f"DNS:{node}", *(f"IP:{one}" for one in settings.node_ips(node))])
        sign(node, f"system:node:{node}", "system:nodes", own)
        kubeconfig(node)
    run("openssl", "genrsa", "-out", FOLDER / "sa.key", "2048")
    run("openssl", "rsa", "-in", FOLDER / "sa.key", "-pubout", "-out", FOLDER / "sa.pub")
