"""Objects beside the workers' on a real cluster: a PodDisruptionBudget that holds, and the user's own objects."""

import json

from tests.cluster.conftest import BAD, eventually, only_newest_helm

BUDGET = ("--set", "podDisruptionBudget.enabled=true,podDisruptionBudget.maxUnavailable=0")
MINE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "{{ on }}"}}
# Its pod never starts, which is nothing that the job's workers are waited for.
OTHER = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "other"},
    "spec": {
        "serviceName": "other",
        "selector": {"matchLabels": {"app": "other"}},
        "template": {
            "metadata": {"labels": {"app": "other"}},
            "spec": {"nodeSelector": {"a": "is-none"}, "containers": [{"name": "a", "image": "registry.invalid/x"}]},
        },
    },
}
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mine"}, "spec": {}}


def evict(run, namespace, pod):
    """Ask for the eviction of a pod, as `kubectl drain` does; return what the API server says."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    return run("kubectl", "create", "--raw", path, "-f", "-", input=json.dumps(body))


@only_newest_helm
def test_a_budget_refuses_evictions_until_it_is_gone(release, run):
    pod = f"{release.name}-0-0"
    release.install("--set", "instances=1", *BUDGET)
    uids = release.uids()

    def counted():
        found = release.get("poddisruptionbudget", release.name)["status"]
        return found.get("expectedPods") == found.get("currentHealthy") == 1

    assert eventually(counted)
    refused = evict(run, release.namespace, pod)
    assert refused.returncode and "disruption budget" in refused.stderr, refused.stderr
    release.upgrade("--set", "instances=1")
    assert release.uids() == uids
    taken = evict(run, release.namespace, pod)
    assert taken.returncode == 0, taken.stderr


@only_newest_helm
def test_a_budget_that_a_failed_upgrade_left_is_swept(command, run, job, namespace, left):
    assert command("install", job).returncode == 0
    chart = command("chart").stdout.strip()
    assert run("helm", "upgrade", job, chart, "-n", namespace, *BUDGET, *BAD).returncode != 0
    assert run("helm", "upgrade", job, chart, "-n", namespace).returncode == 0
    before = left()
    result = command("upgrade", job, "--reset-values")
    assert result.returncode == 0 and f"PodDisruptionBudget {job}" in result.stderr, result.stderr
    assert before.count(job) - left().count(job) == 1


@only_newest_helm
def test_who_may_not_read_budgets_sees_everything_else(
    command, kube, job, namespace, restricted_kubeconfig, bind_documented_role
):
    """The Role of an older version of the documentation has no right to them."""
    bind_documented_role()
    role = json.loads(kube("-n", namespace, "get", "role", "twister2-job-user", "-o", "json"))
    role["rules"] = [rule for rule in role["rules"] if rule["apiGroups"] != ["policy"]]
    kube("replace", "-f", "-", input=json.dumps(role))
    mine = ("--kubeconfig", restricted_kubeconfig())
    for words in (("install", job), ("status", job), ("upgrade", job, "--set", "instances=1"), ("uninstall", job)):
        result = command(*words, *mine)
        assert result.returncode == 0, f"{words}: {result.stdout}{result.stderr}"


@only_newest_helm
def test_the_users_own_objects_come_and_go_with_the_release(command, kube, job, namespace):
    """One is of a kind that the command does not know."""

    def objects(*kinds):
        return kube("-n", namespace, "get", ",".join(kinds), "-o", "name").split()

    extra = ("--set-json", f"extraObjects={json.dumps([MINE, LEASE, OTHER])}")
    result = command("install", job, *extra, "--timeout", "60")
    assert result.returncode == 0, result.stderr
    assert {"configmap/mine", "lease.coordination.k8s.io/mine"} <= set(objects("configmap", "lease"))
    found = json.loads(kube("-n", namespace, "get", "configmap", "mine", "-o", "json"))
    assert found["data"] == MINE["data"] and "helm.sh/chart" not in found["metadata"]["labels"]
    changed = [{**MINE, "data": {"a": "b"}}, OTHER]
    assert command("upgrade", job, "--set-json", f"extraObjects={json.dumps(changed)}").returncode == 0
    assert "mine" not in "".join(objects("lease"))
    assert json.loads(kube("-n", namespace, "get", "configmap", "mine", "-o", "json"))["data"] == {"a": "b"}
    refused = command("upgrade", job, "--set-json", f"extraObjects={json.dumps([{**MINE, 'data': 5}])}")
    assert refused.returncode == 18 and "ConfigMap" in refused.stderr, refused.stderr
    assert command("status", job).returncode == 0
    assert command("uninstall", job, "--wait").returncode == 0
    assert "configmap/mine" not in objects("configmap")
