"""Ingresses at a real controller, with packets: is it this worker that answers, and what survives.

The controller is the one of IngressClass `traefik`, which `devcluster up --with ingress` brings. Names are published
nowhere, so they are asked for at the address that it reports.
"""

import concurrent.futures
import contextlib
import http.client
import json
import socket
import ssl
import subprocess

import pytest
from twister2_job import Job

from tests.cluster.conftest import eventually, only_newest_helm, refused
from tests.cluster.test_per_worker import groups, kill

CLASS = "traefik"
TIMES = 100
AT_ONCE = 12
# Pod of each worker of `groups`; counted by hand.
PODS = {0: "0-0", 1: "1-0", 2: "1-0", 3: "2-0", 4: "2-1"}
OWN = ("--set", "perWorker.enabled=true,perWorker.type=ClusterIP,ingress.enabled=true,ingress.shared=false")
OWN = (*OWN, "--set", f"ingress.className={CLASS},ingress.perWorker.enabled=true")
BY_HOST = (*OWN, "--set", "ingress.perWorker.hostTemplate=w{worker}.{job}.example.com")
PENDING = 3


def needs_ingress(kube):
    """Skip the test if the cluster has no controller."""
    found = kube("get", "ingressclasses", CLASS, "--ignore-not-found", "-o", "name").strip()
    if not found:
        pytest.skip(f"needs a controller of the IngressClass {CLASS}: `devcluster up --with ingress` brings it")


@pytest.fixture(autouse=True)
def controller(kube):
    needs_ingress(kube)


def proxies(release, name, seconds=60):
    """Return the addresses that the controller reports for an Ingress, once it does."""

    def reported():
        status = release.get("ingress", name)["status"]["loadBalancer"]
        return [one["ip"] for one in status.get("ingress") or []]

    return eventually(reported, seconds)


def ask(proxy, host, path="/", tls=None, tries=3):
    """Return the answer of whoever a proxy leads to; TLS with the host's name if there is a context for it.

    Asks again after an error of the proxy: the echo worker answers silence of half a second with a bare line, which a
    proxy that gets to its request later than that, on a busy machine, takes for broken HTTP.
    """
    with contextlib.ExitStack() as stack:
        it = stack.enter_context(socket.create_connection((proxy, 443 if tls else 80), 5))
        if tls:
            it = stack.enter_context(tls.wrap_socket(it, server_hostname=host))
        connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection(host, timeout=5)))
        connection.sock = it
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read()
    if answer.status == 500 and tries > 1:
        return ask(proxy, host, path, tls, tries - 1)
    assert answer.status == 200, f"{host}{path}: HTTP {answer.status} {text[:80]!r}"
    return json.loads(text)


def by_host(release, worker):
    return f"w{worker}.{release.name}.example.com", "/"


def by_path(release, worker):
    return "", f"/{release.name}/{worker}"


def all_right(release, table=PODS, times=TIMES, place=by_host, tls=None):
    """Ask each worker, by each address of the controller, and assert that it is this one that answers."""
    answered = {}
    first = f"{release.name}-w-0-worker"
    asked = [
        (worker, proxy, *place(release, worker))
        for worker in table
        for proxy in proxies(release, first)
        for _ in range(times)
    ]

    def one(question):
        worker, proxy, host, path = question
        said = ask(proxy, host or proxy, path, tls)
        return said["worker"] == worker and said["pod"] == f"{release.name}-{table[worker]}"

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for question, right in zip(asked, pool.map(one, asked), strict=True):
            answered.setdefault(question[0], []).append(right)
    assert answered.keys() == table.keys() and all(len(given) >= times for given in answered.values())
    wrong = {worker: given.count(False) for worker, given in answered.items() if not all(given)}
    assert not wrong, f"answers of other workers, by worker: {wrong}"
    return True


@only_newest_helm
def test_every_worker_answers_at_its_own_host(release):
    """Three groups, two workers in a pod of one; 100 requests each, again after a pod was killed and an upgrade."""
    release.install(*BY_HOST, *groups())
    eventually(lambda: all_right(release, times=1), 60)
    all_right(release)
    kill(release, f"{release.name}-1-0")
    eventually(lambda: all_right(release, times=1), 60)
    all_right(release)
    uids = release.uids()
    release.upgrade(*BY_HOST, *groups(last=3))
    more = {**PODS, 5: "2-2"}
    eventually(lambda: all_right(release, more, times=1), 60)
    all_right(release, more)
    assert uids.items() <= release.uids().items(), "the upgrade replaced pods"


@only_newest_helm
def test_every_worker_answers_at_its_own_path(release):
    release.install(*OWN, *groups(), "--set", "ingress.perWorker.pathTemplate=/{job}/{worker}")
    eventually(lambda: all_right(release, times=1, place=by_path), 60)
    all_right(release, place=by_path, times=20)


@only_newest_helm
def test_any_worker_answers_at_the_shared_host_beside_those_of_single_workers(release):
    host = f"all.{release.name}.example.com"
    release.install(*BY_HOST, "--set", f"ingress.shared=true,ingress.host={host},instances=3")
    (first, *_) = proxies(release, f"{release.name}-worker")
    assert eventually(lambda: {ask(first, host)["worker"] for _ in range(30)} == {0, 1, 2}, 60)
    eventually(lambda: all_right(release, {n: f"0-{n}" for n in range(3)}, times=3), 60)
    uids = release.uids()
    release.upgrade("--set", "instances=3")
    assert release.uids() == uids, "switching it off touched pods"
    gone = json.loads(release.kube("-n", release.namespace, "get", "ingresses", "-o", "json"))["items"]
    assert not gone and f"{release.name}-clusterip" not in release.services()


@only_newest_helm
def test_only_the_named_proxies_get_in(release):
    """The workers see the proxy's address, so a policy tells proxies apart, and not clients."""

    def peers(namespace):
        return "--set-json", (
            'networkPolicy.proxiesFrom=[{"namespaceSelector":{"matchLabels":'
            f'{{"kubernetes.io/metadata.name":"{namespace}"}}}}}}]'
        )

    table = {n: f"0-{n}" for n in range(2)}
    release.install(*BY_HOST, *peers(CLASS))
    eventually(lambda: all_right(release, table, times=3), 60)
    release.upgrade(*BY_HOST, *peers("other"))
    (first, *_) = proxies(release, f"{release.name}-w-0-worker")

    def shut():
        try:
            ask(first, *by_host(release, 0))
        except (OSError, AssertionError):
            return True
        return False

    assert eventually(shut, 30)


@pytest.fixture
def certificate(release, kube, tmp_path):
    """A function that makes a certificate for hosts and puts it into the Secret `cert`; its path is returned."""

    def make(*hosts):
        files = ("-keyout", tmp_path / "key", "-out", tmp_path / "cert")
        names = ",".join(f"DNS:{host}" for host in hosts)
        words = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90")
        subject = ("-subj", "/CN=worker", "-addext", f"subjectAltName={names}")
        subprocess.run(("openssl", "req", "-x509", *words, *files, *subject), check=True, capture_output=True)
        secret = ("create", "secret", "tls", "cert", f"--cert={tmp_path / 'cert'}", f"--key={tmp_path / 'key'}")
        text = kube("-n", release.namespace, *secret, "--dry-run=client", "-o", "yaml")
        kube("-n", release.namespace, "apply", "-f", "-", input=text)
        return str(tmp_path / "cert")

    return make


TLS = (*BY_HOST, "--set", "ingress.tls.enabled=true,ingress.tls.secretName=cert")


@only_newest_helm
def test_tls_with_a_certificate_for_all_workers(release, certificate):
    trusted = ssl.create_default_context(cafile=certificate(*(f"w{n}.{release.name}.example.com" for n in range(5))))
    release.install(*TLS, *groups())
    eventually(lambda: all_right(release, times=1, tls=trusted), 60)
    all_right(release, tls=trusted)


@pytest.fixture
def named(monkeypatch, release):
    """DNS as it should be set: each name of the job leads to the controller, or where the test sets it."""
    real, places = socket.getaddrinfo, {}

    def look(host, *more, **options):
        if str(host).endswith(f".{release.name}.example.com"):
            host = places.get(host) or places.setdefault("*", proxies(release, f"{release.name}-w-0-worker")[0])
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return places


@only_newest_helm
def test_check_and_connect_know_names_and_certificates(release, certificate, named, monkeypatch, environment):
    import asyncio

    from twister2_job.reach.check import check

    for name in ("KUBECONFIG", "PATH"):
        monkeypatch.setenv(name, environment[name])
    host = f"w0.{release.name}.example.com"
    context = ssl.create_default_context(cafile=certificate(host))
    release.install(*TLS, "--set", "instances=2")
    job = Job(release.name, namespace=release.namespace)
    eventually(lambda: all(a.state == "available" for a in job.addresses().all()), 60)
    eventually(lambda: all_right(release, {0: "0-0"}, times=1, tls=context), 60)

    def results():
        found = asyncio.run(check(job.addresses()))
        print(*found.warnings, sep="\n")
        return {r.worker: (r.state, r.reason, r.answered_by) for r in found.results if r.address.via == "ingress"}

    other = f"the certificate is of another name than w1.{release.name}.example.com"
    expected = {0: ("answered", "", 0), 1: ("wrong certificate", other, 1)}
    assert eventually(lambda: results() == expected, 60), results()
    with job.connect(0, tls=context) as endpoint:
        assert (endpoint.host, endpoint.port, endpoint.via) == (host, 443, "ingress")
        with socket.create_connection(endpoint, 5) as plain:
            endpoint.tls.wrap_socket(plain, server_hostname=endpoint.host).close()
    named[host] = "127.0.0.9"
    assert results()[0][0] == "wrong DNS record"


@only_newest_helm
def test_without_a_controller_it_is_pending_and_says_what_is_missing(command, job, kube, namespace):
    """The release stays, nothing hangs, and another class repairs it."""
    wrong = [word.replace(CLASS, "nobody") for word in BY_HOST]
    result = command("install", job, *wrong, "--set", "instances=1,drainSeconds=0")
    refused(result, PENDING, f"Ingress/{job}-w-0-worker", "is there one for the class nobody?")
    found = json.loads(command("address", job, "-o", "json").stdout)["workers"][0]["addresses"]
    (place,) = [one for one in found if one["via"] == "ingress"]
    assert (place["state"], place["host"], place["number"]) == ("pending", f"w0.{job}.example.com", 80)
    inside = [one["source"] for one in found if one["via"] == "perWorker"]
    assert "clusterIP" in inside and "serviceDNS" in inside
    status = json.loads(command("status", job, "-o", "json").stdout)
    assert status["release"]["status"] == "deployed" and status["ready"]
    repaired = command("upgrade", job, "--reuse-values", "--set", f"ingress.className={CLASS}")
    assert repaired.returncode == 0, repaired.stderr
    found = json.loads(command("address", job, "-o", "json").stdout)["workers"][0]["addresses"]
    assert found[0]["via"] == "ingress" and found[0]["state"] == "available", found[0]
    assert command("uninstall", job, "--wait").returncode == 0
    assert not kube("-n", namespace, "get", "ingresses", "-o", "name").strip()


@only_newest_helm
def test_an_ingress_that_the_release_does_not_have_is_told_and_removed(command, job, kube, namespace):
    result = command("install", job, *BY_HOST, "--set", "instances=1,drainSeconds=0")
    assert result.returncode == 0, result.stderr
    live = json.loads(kube("-n", namespace, "get", "ingress", f"{job}-w-0-worker", "-o", "json"))
    live["metadata"] = {key: live["metadata"][key] for key in ("labels", "annotations", "namespace")}
    live["metadata"]["name"] = f"{job}-w-7-worker"
    kube("create", "-f", "-", input=json.dumps(live))
    status = command("status", job)
    assert f"Ingress {job}-w-7-worker: left by a failed upgrade" in status.stdout + status.stderr
    assert command("uninstall", job).returncode == 0
    assert eventually(lambda: not kube("-n", namespace, "get", "ingresses", "-o", "name").strip())


@only_newest_helm
def test_an_upgrade_that_kubernetes_would_refuse_changes_nothing(command, job, kube, namespace):
    kube("-n", namespace, "create", "quota", "none", "--hard=count/ingresses.networking.k8s.io=0")
    result = command("install", job, "--set", "instances=1,drainSeconds=0")
    assert result.returncode == 0, result.stderr
    result = command("upgrade", job, *BY_HOST, "--set", "instances=1,drainSeconds=0")
    assert result.returncode != 0 and "quota" in result.stderr and "Nothing was changed" in result.stderr
    assert json.loads(command("status", job, "-o", "json").stdout)["release"]["revision"] == 1
