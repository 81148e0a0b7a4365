"""What the real Helm and kubectl say about kubeconfig, login and the way to the API server, without a cluster."""

import pytest
from twister2_job.clients.messages import Step, classify
from twister2_job.errors import HelmMissingError, LoginError, NoClusterError, NoRightsError

from tests.conftest import CHART, OLDEST_AND_NEWEST
from tests.plugin.faults import (
    CREDENTIAL,
    EXEC,
    KUBECTL,
    Server,
    certificate,
    closed_port,
    environment,
    helm,
    kubeconfig,
    kubectl,
    script,
    status,
)

PAGE = "<html><head><title>Log in</title></head><body></body></html>"
SERVERS = {
    "401": status(401, "Unauthorized", "Unauthorized"),
    "403": status(403, "Forbidden", 'forbidden: User "system:anonymous" cannot get path "/"'),
    "page": (403, PAGE, "text/html"),
    "200": (200, PAGE, "text/html"),
    "404": (404, "404 page not found", "text/plain"),
    "302": (302, "", "text/plain"),
    "407": (407, "", "text/plain"),
    "500": status(500, "InternalError", "Internal error occurred: boom"),
    "502": (502, PAGE, "text/html"),
    "503": status(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """Addresses of servers, one for each of the faults above, and one with TLS."""
    folder = tmp_path_factory.mktemp("net")
    tls = certificate(folder)
    servers = {name: Server(*answer) for name, answer in SERVERS.items()}
    servers["tls"] = Server(tls=tls)
    yield {"folder": folder, "crt": tls[0], **{name: server.host for name, server in servers.items()}}
    for server in servers.values():
        server.close()


def insecure(net):
    return f"https://{net['tls']}", {"insecure-skip-tls-verify": True}


def login(net, tmp, command, **more):
    """Return a kubeconfig whose user logs in with a program."""
    server, cluster = insecure(net)
    return kubeconfig(tmp / "k", server, cluster=cluster, user={"exec": {**EXEC, "command": command, **more}})


def program(net, tmp, text):
    return login(net, tmp, script(tmp / "login", text))


def files(net, tmp):
    user = {"client-certificate": "/none/c.crt", "client-key": "/none/c.key"}
    return kubeconfig(tmp / "k", f"https://{net['tls']}", user=user)


def written(tmp, text):
    (tmp / "k").write_text(text)
    return str(tmp / "k")


def served(name):
    return lambda net, tmp: kubeconfig(tmp / "k", f"http://{net[name]}")


HOST = "https://host.invalid"
KINDS = {
    "login program is missing": LoginError,
    "login program fails": LoginError,
    "login program asks": LoginError,
    "login program is of another version": LoginError,
    "way of logging in": LoginError,
    "login refused": LoginError,
    "certificate refused": LoginError,
    "nobody logged in": LoginError,
    "no credentials": LoginError,
    "forbidden without a reason": NoRightsError,
}
"""Of every other rule: NoClusterError."""
V1 = '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1'
# Name, kubeconfig, rule, words.
FAULTS = [
    ("missing kubeconfig", lambda n, t: "/none/config", "no kubeconfig", ["/none/config is no file"]),
    ("two missing", lambda n, t: "/none/a:/none/b", "no kubeconfig", ["/none/a and /none/b are no files"]),
    ("empty kubeconfig", lambda n, t: written(t, ""), "no kubeconfig", ["/k names no cluster"]),
    (
        "no context",
        lambda n, t: kubeconfig(t / "k", HOST, **{"current-context": ""}),
        "no kubeconfig",
        ["/k names no cluster", "get-contexts"],
    ),
    ("no cluster", lambda n, t: kubeconfig(t / "k", HOST, clusters=[]), "no kubeconfig", ["names no cluster"]),
    (
        "unknown context",
        lambda n, t: kubeconfig(t / "k", HOST, **{"current-context": "z"}),
        "context",
        ["no context z."],
    ),
    ("folder", lambda n, t: str(t), "kubeconfig is unreadable", ["can't be read: is a directory"]),
    ("no YAML", lambda n, t: written(t, "a: [\n"), "kubeconfig is unreadable", ["/k can't be read"]),
    ("text", lambda n, t: written(t, "text\n"), "kubeconfig is unreadable", ["/k can't be read"]),
    (
        "no base64",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"certificate-authority-data": "%"}),
        "kubeconfig is unreadable",
        ["base64"],
    ),
    (
        "missing CA",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"certificate-authority": "/none/ca.crt"}),
        "files of the kubeconfig",
        ["/none/ca.crt", "certificate-authority of the cluster c", "no such file"],
    ),
    ("missing certificate and key", files, "files of the kubeconfig", ["/none/c.crt", "\n", "/none/c.key"]),
    (
        "missing token",
        lambda n, t: kubeconfig(t / "k", f"https://{n['tls']}", user={"tokenFile": "/none/token"}),
        "file of the kubeconfig",
        ["/none/token: no such file"],
    ),
    (
        "CA is no PEM",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"certificate-authority-data": "aGVsbG8="}),
        "certificates of the kubeconfig",
        ["PEM"],
    ),
    (
        "no key",
        lambda n, t: kubeconfig(t / "k", HOST, user={"client-certificate": n["crt"]}),
        "kubeconfig is invalid",
        ["client-key"],
    ),
    (
        "proxy of no kind",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"proxy-url": "ftp://u:not-a-secret@h"}),
        "kubeconfig is invalid",
        ["proxy-url"],
    ),
    (
        "half a login program",
        lambda n, t: kubeconfig(t / "k", HOST, user={"exec": {"command": "x"}}),
        "kubeconfig is invalid",
        ["apiVersion must be specified"],
    ),
    ("no URL", lambda n, t: kubeconfig(t / "k", "https://bad host:1"), "server of the kubeconfig", ["bad host"]),
    ("FTP", lambda n, t: kubeconfig(t / "k", "ftp://h"), "server of the kubeconfig", ["ftp"]),
    (
        "missing login program",
        lambda n, t: login(n, t, "no-such-login"),
        "login program is missing",
        ["login program no-such-login", "is not installed"],
    ),
    (
        "with the kubeconfig's advice",
        lambda n, t: login(n, t, "no-such-login", installHint="Get it from the shop."),
        "login program is missing",
        ["no-such-login", "Get it from the shop."],
    ),
    (
        "missing path",
        lambda n, t: login(n, t, "./not/there"),
        "login program is missing",
        ["not/there", "no such file"],
    ),
    ("no program", lambda n, t: login(n, t, n["crt"]), "login program is missing", ["tls.crt", "permission denied"]),
    (
        "login program fails",
        lambda n, t: program(n, t, "echo Token is gone >&2; exit 3"),
        "login program fails",
        ["/login", "exit code 3", "Token is gone."],
    ),
    (
        "says what others say",
        lambda n, t: program(n, t, "echo 'Error: release: not found' >&2; exit 3"),
        "login program fails",
        ["exit code 3"],
    ),
    (
        "says nonsense",
        lambda n, t: program(n, t, "echo text"),
        "login program is of another version",
        ["can't be used"],
    ),
    (
        "another version",
        lambda n, t: program(n, t, f"echo '{V1}beta1\"}}'"),
        "login program is of another version",
        ["v1beta1"],
    ),
    ("asks", lambda n, t: login(n, t, "x", interactiveMode="Always"), "login program asks", ["no terminal"]),
    (
        "removed way",
        lambda n, t: kubeconfig(t / "k", HOST, user={"auth-provider": {"name": "gcp"}}),
        "way of logging in",
        ["gcp auth plugin has been removed"],
    ),
    (
        "no such way",
        lambda n, t: kubeconfig(t / "k", HOST, user={"auth-provider": {"name": "zz"}}),
        "way of logging in",
        ['"zz"'],
    ),
    ("401", served("401"), "login refused", ["wrong or has expired"]),
    (
        "closed port",
        lambda n, t: kubeconfig(t / "k", f"https://127.0.0.1:{closed_port()}"),
        "refused",
        ["127.0.0.1", "refuses the connection"],
    ),
    (
        "localhost:8080 by name",
        lambda n, t: kubeconfig(t / "k", "http://localhost:8080"),
        "no kubeconfig",
        ["localhost:8080", "refuses the connection"],
    ),
    ("self-signed", lambda n, t: kubeconfig(t / "k", f"https://{n['tls']}"), "certificate", ["unknown authority"]),
    ("HTTP for HTTPS", lambda n, t: kubeconfig(t / "k", f"https://{n['404']}"), "no TLS", ["HTTPS"]),
    (
        "no such host",
        lambda n, t: kubeconfig(t / "k", "https://does-not-exist.invalid"),
        "host name",
        ["does-not-exist.invalid", "doesn't resolve"],
    ),
    (
        "closed proxy",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"proxy-url": f"http://127.0.0.1:{closed_port()}"}),
        "proxy",
        ["the proxy does not answer"],
    ),
    (
        "proxy wants a login",
        lambda n, t: kubeconfig(t / "k", HOST, cluster={"proxy-url": f"http://{n['407']}"}),
        "proxy refuses",
        ["proxy"],
    ),
    ("page", served("page"), "web page", ["web page (Log in)"]),
    ("200", served("200"), "web page", ["web page"]),
    ("502", served("502"), "web page", ["web page"]),
    ("404", served("404"), "no API", ["no Kubernetes API"]),
    ("302", served("302"), "no API", ["no Kubernetes API"]),
    ("403", served("403"), "forbidden without a reason", ["403"]),
    ("500", served("500"), "fault of the cluster", ["fault of its own"]),
    ("503", served("503"), "fault of the cluster", ["unable to handle"]),
]
OTHER_OF_KUBECTL = {
    "proxy wants a login": "proxy refuses",
    "closed proxy": "refused",  # It says no more than that.
    "200": None,  # `get --raw` takes any answer for a good one.
    "403": "nobody logged in",
}


def judged(verdict, rule, said):
    assert (verdict.rule, type(verdict.error)) == (rule, KINDS.get(rule, NoClusterError)), verdict
    assert all(word in str(verdict.error) for word in said), verdict.error
    assert "not-a-secret" not in str(verdict.error)


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
@pytest.mark.parametrize(("name", "make", "rule", "said"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_helm_without_a_cluster(net, tmp_path, monkeypatch, version, name, make, rule, said):
    path = make(net, tmp_path)
    monkeypatch.setenv("KUBECONFIG", path)  # Which file is missing is found out here.
    env = environment(tmp_path, KUBECONFIG=path)
    judged(classify(helm(version, "history", "job", env=env), "helm", Step.READ), rule, said)
    if name in ("missing CA", "missing kubeconfig", "missing token", "missing login program", "closed port"):
        for step, words in ((Step.APPLY, ("install", "job", CHART)), (Step.REMOVE, ("uninstall", "job"))):
            judged(classify(helm(version, *words, env=env), "helm", step), rule, said)


@pytest.mark.skipif(not KUBECTL, reason="there is no kubectl")
@pytest.mark.parametrize(("name", "make", "rule", "said"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_kubectl_without_a_cluster(net, tmp_path, monkeypatch, name, make, rule, said):
    path = make(net, tmp_path)
    monkeypatch.setenv("KUBECONFIG", path)
    rule = OTHER_OF_KUBECTL.get(name, rule)
    if rule is None:
        return
    said = kubectl("get", "--raw", "/api/v1/nodes", env=environment(tmp_path, KUBECONFIG=path))
    verdict = classify(said, "kubectl", Step.READ)
    assert verdict.rule == rule, verdict
    assert type(verdict.error) is KINDS.get(rule, NoClusterError)


@pytest.mark.skipif(not KUBECTL, reason="there is no kubectl")
def test_kubectl_that_looks_for_what_the_server_has_first(net, tmp_path):
    """Its message stands behind its log then, and in other steps behind that it could not check an object."""
    env = environment(tmp_path, KUBECONFIG=login(net, tmp_path, "no-such-login"))
    for step, words in ((Step.READ, ("get", "pods")), (Step.WRITE, ("create", "-f", "-"))):
        text = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}'
        verdict = classify(kubectl(*words, env=env, input=text), "kubectl", step)
        judged(verdict, "login program is missing", ["no-such-login"])
    env = environment(tmp_path, KUBECONFIG=kubeconfig(tmp_path / "k", "https://h", user={}))
    verdict = classify(kubectl("get", "pods", env=env), "kubectl", Step.READ)
    judged(verdict, "no credentials", ["has no credentials"])


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_a_chosen_kubeconfig_is_the_one_that_is_named(net, tmp_path, monkeypatch, version):
    monkeypatch.setenv("KUBECONFIG", "/none/config")
    path = kubeconfig(tmp_path / "chosen", "https://h", **{"current-context": ""})
    text = helm(version, "history", "job", "--kubeconfig", path, env=environment(tmp_path))
    error = classify(text, "helm", Step.READ, kubeconfig=path).error
    assert path in error.message and "/none" not in error.message


# What no server can be made to say here, in the middle of it all: as the client library prints it.
TOLD = [
    (
        "silent",
        'Error: kubernetes cluster unreachable: Get "https://192.0.2.1/version": dial tcp 192.0.2.1:443: i/o timeout',
    ),
    ("silent", 'Error: kubernetes cluster unreachable: Get "https://h/version": net/http: TLS handshake timeout'),
    (
        "silent",
        'Error: query: failed to query with labels: Get "https://h/api/v1/secrets": context deadline exceeded'
        " (Client.Timeout exceeded while awaiting headers)",
    ),
    (
        "no way",
        'Error: Kubernetes cluster unreachable: Get "https://h/version": dial tcp 1.2.3.4:443: no route to host',
    ),
    ("broken off", 'Error: query: failed to query with labels: Get "https://h/api/v1/secrets": EOF'),
    (
        "broken off",
        'Error: UPGRADE FAILED: Get "https://h/api/v1/services/a": read tcp 1.2.3.4:5->6.7.8.9:443: read: '
        "connection reset by peer",
    ),
    (
        "refused",
        'Error: UPGRADE FAILED: Get "https://h/apis/statefulsets/a": dial tcp 1.2.3.4:443: connect: connection refused',
    ),
    (
        "certificate refused",
        'Error: kubernetes cluster unreachable: Get "https://h/version": remote error: tls: certificate required',
    ),
]


@pytest.mark.parametrize(("rule", "text"), TOLD)
def test_what_the_client_library_says_of_a_network_that_stops(rule, text):
    verdict = classify(text, "helm", Step.APPLY)
    assert verdict.rule == rule, verdict
    assert type(verdict.error) is KINDS.get(rule, NoClusterError)


def test_a_program_that_breaks_down_is_told_as_that():
    for text in (
        "panic: runtime error: index out of range\n\ngoroutine 1 [running]:",
        "",
        "/x/helm: line 2: foo: command not found",
    ):
        assert type(classify(text, "helm", Step.READ).error) is HelmMissingError, text
    assert classify("", "kubectl").error.exit_code == 16


def test_the_credential_of_a_login_program_is_never_told(net, tmp_path):
    text = str(CREDENTIAL).replace("'", '"').replace('"t"', '"not-a-secret"')
    env = environment(tmp_path, KUBECONFIG=program(net, tmp_path, f"echo '{text}'"))
    said = helm(OLDEST_AND_NEWEST[-1], "history", "job", env=env)
    assert "not-a-secret" not in str(classify(said, "helm", Step.READ).error)
