"""Generated values (see tests/fuzz): what the chart renders is what the API server takes, in a strict dry run."""

import secrets

import pytest

from tests.cluster import gateways
from tests.cluster.conftest import only_newest_helm
from tests.fuzz.apiserver import ApiServer
from tests.fuzz.generator import Case
from tests.fuzz.renderer import Renderer
from tests.fuzz.run import Fuzz

pytestmark = only_newest_helm
CASES = 250
SEED = 21


@pytest.fixture
def server(kube, cluster_kubeconfig):
    """The API server, with a namespace that enforces nothing: the values may be about root as well."""
    gateways.needed(kube)  # The chart makes routes and ListenerSets of many values.
    name = f"test-{secrets.token_hex(4)}"
    kube("create", "namespace", name)
    found = ApiServer(["kubectl", "--kubeconfig", cluster_kubeconfig], name)
    yield found
    found.close()
    kube("delete", "namespace", name, "--wait=false")


@pytest.fixture
def fuzz(server):
    """The chart and the API server."""
    with Renderer() as renderer:
        yield Fuzz(renderer, server)


def test_the_api_server_takes_what_generated_values_render(fuzz):
    outcome = fuzz.run(CASES, SEED)
    faults = [found.text() for found in fuzz.shrink(outcome, limit=5)]
    assert not faults, "\n\n".join([f"{len(faults)} kinds of faults", *faults])
    assert outcome.counts["accepted by the API server"] > CASES / 4


def test_the_api_server_is_asked_in_earnest(server, fuzz):
    """It refuses a wrong type, a field that it does not know and a bad name, and says so; the defaults pass."""
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    assert server.refused(good).result() == ""
    assert "cannot unmarshal" in server.refused({**good, "data": {"a": 1}}).result()
    assert "unknown field" in server.refused({**good, "dat": {}}).result()
    assert "RFC 1123" in server.refused({**good, "metadata": {"name": "A_"}}).result()
    outcome, faults = fuzz.faults(Case("job", "default", {}))
    assert outcome == "rendered" and not faults and len(server.seen) > 8
