"""`ingress`: names of Secrets, paths with placeholders, and what the shared one and a worker's may not both have."""

import pytest

from tests.chart.test_ingress import BOTH, BY_HOST, ON, OWN

TLS = ("--set", "ingress.tls.enabled=true", "--set")
WWW = "ingress.shared=true,ingress.host=www.example.com"


@BOTH
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            (*BY_HOST, "--set", "ingress.path=/{wrker}"),
            "ingress.path: /{wrker} holds a placeholder that is not known; known are",
        ),
        (
            (*BY_HOST, *TLS, "ingress.tls.secretName=tls-{wrker}"),
            "ingress.tls.secretName: tls-{wrker} holds a placeholder that is not known; known are {worker}, {pod}",
        ),
        (
            (*BY_HOST, *TLS, "ingress.tls.secretName=\\{worker\\}-"),
            "ingress.tls.secretName: filled in it is 1-, and a Secret's name is of a-z, 0-9, - and .,",
        ),
        ((*ON, *TLS, "ingress.tls.secretName=tls-"), "ingress.tls.secretName: filled in it is tls-, and a Secret's"),
        ((*ON, *TLS, "ingress.tls.secretName=a..b"), "ingress.tls.secretName: filled in it is a..b, and a Secret's"),
        (
            (*BY_HOST, *TLS, f"ingress.tls.secretName={'a' * 248}{{pod}}"),
            f"ingress.tls.secretName: filled in it is {'a' * 248}job-0-1, and a Secret's",
        ),
    ],
)
def test_names_that_would_not_be_filled_in_or_are_none(newest, arguments, sentence, skip):
    assert sentence in newest.refuses(*arguments, *skip)


@pytest.mark.parametrize(
    ("host", "template", "same"),
    [
        ("www", "{pod}", False),
        ("job-0", "{pod}", False),
        ("job-0-1-2", "{pod}", False),
        ("other-0-1", "{pod}", False),
        ("job-0-1", "{pod}", True),
        ("job-3-17", "{pod}", True),
        ("w-7", "w-{worker}", True),
        ("w-07", "w-{worker}", False),
        ("job.default", "{job}.{namespace}", True),
    ],
)
def test_the_shared_host_is_compared_with_names_that_pods_and_workers_may_have(newest, host, template, same):
    own = f"ingress.perWorker.hostTemplate={template}.example.com,perWorker.count={1 if '{job}' in template else 2}"
    both = (*OWN, "--set", f"ingress.shared=true,ingress.host={host}.example.com,{own}".replace("{", "\\{"))
    assert "may get the same host and path" in newest.refuses(*both) if same else newest.objects(*both)


@pytest.mark.parametrize("path", ["/w-0", "/w-0/"])
@pytest.mark.parametrize("template", ["/w-{worker}", "/w-{worker}/"])
def test_a_slash_at_the_end_is_no_other_path_but_for_exact_ones(newest, path, template):
    both = (*OWN, "--set", f"{WWW},ingress.path={path},ingress.perWorker.pathTemplate={template}")
    assert f"the same host and path, www.example.com{path}; take" in newest.refuses(*both)
    exact = (*both, "--set", "ingress.pathType=Exact")
    told = newest.run(*exact).returncode
    assert (told != 0) == (path.endswith("/") == template.endswith("/"))
