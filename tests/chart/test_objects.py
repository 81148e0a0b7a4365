"""Objects beside the workers': a PodDisruptionBudget, the job's rights and accounts, and the user's own objects."""

import functools
import json

import pytest

from tests.conftest import OLDEST_AND_NEWEST, Template, select

SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("helm", [Template(version) for version in OLDEST_AND_NEWEST], ids=OLDEST_AND_NEWEST)
JOB = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
WAYS = pytest.mark.parametrize("skip", [(), (SKIP,)], ids=["schema", "template"])


def budget(helm, values, *more):
    words = ",".join(f"podDisruptionBudget.{one}" for one in ("enabled=true", *values))
    (found,) = select(helm.objects("--set", words, *more), "PodDisruptionBudget")
    return found


@BOTH
@pytest.mark.parametrize(
    ("values", "spec"),
    [
        ((), {"maxUnavailable": 1}),
        (("maxUnavailable=0",), {"maxUnavailable": 0}),
        (("maxUnavailable=25%",), {"maxUnavailable": "25%"}),
        (("minAvailable=0",), {"minAvailable": 0}),
        (("minAvailable=1000000",), {"minAvailable": 1000000}),
        (("minAvailable=100%", "unhealthyPodEvictionPolicy=AlwaysAllow"),
         {"minAvailable": "100%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
    ],
)  # fmt: skip
def test_a_budget_for_the_workers_alone(helm, values, spec):
    found = budget(helm, values, *JOB)
    selector = found["spec"].pop("selector")
    assert (found["apiVersion"], found["metadata"]["name"], found["spec"]) == ("policy/v1", "job", spec)
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in select(helm.objects(*JOB), "StatefulSet")
    }
    assert selector["matchLabels"].items() <= pods["job-0"].items()
    assert not selector["matchLabels"].items() <= pods["job-jm"].items()


def test_no_budget_unless_asked_for(helm_template):
    assert not select(helm_template.objects(), "PodDisruptionBudget")


@WAYS
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--set", "podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1,"
          "podDisruptionBudget.maxUnavailable=1"), "podDisruptionBudget: it has minAvailable and maxUnavailable, and"),
        (("--set", "podDisruptionBudget.minAvailable=1"),
         "podDisruptionBudget.minAvailable: it is set, but podDisruptionBudget.enabled is false; set"),
    ],
)  # fmt: skip
def test_budgets_that_are_none(newest, words, sentence, skip):
    assert sentence in newest.refuses(*words, *skip)


@WAYS
@pytest.mark.parametrize("key", ["minAvailable", "maxUnavailable"])
def test_a_number_in_quotes_is_told_as_such(newest, key, skip):
    words = ("--set", "podDisruptionBudget.enabled=true", "--set-string", f"podDisruptionBudget.{key}=1")
    assert f'podDisruptionBudget.{key}: "1" is text; write 1 without quotes, or 50%\n' in newest.refuses(*words, *skip)


def test_an_amount_of_another_type_is_told_what_may_stand_there(newest):
    told = newest.refuses("--set", "podDisruptionBudget.minAvailable=true", SKIP)
    assert "minAvailable: it is true or false, and must be a number or text such as 50%" in told


@pytest.mark.parametrize("amount", [-1, 1.5, "101%", "a", "50 %", 2147483648, "%"])
def test_amounts_that_kubernetes_would_refuse(helm_template, amount):
    words = (
        "--set",
        "podDisruptionBudget.enabled=true",
        "--set-json",
        f"podDisruptionBudget.maxUnavailable={json.dumps(amount)}",
    )
    assert "maxUnavailable" in helm_template.refuses(*words)
    told = helm_template.refuses(*words, SKIP)
    assert "podDisruptionBudget.maxUnavailable: " in told and "is no number of pods and no percentage; write" in told


@BOTH
def test_roles_that_somebody_else_makes(helm):
    words = (*JOB, "--set", "job.driver=a.D")
    without = helm.objects(*words, "--set", "rbac.create=false")
    assert not select(without, "Role") and not select(without, "RoleBinding")
    assert {one["metadata"]["name"] for one in select(without, "ServiceAccount")} == {"job", "job-jm"}
    left = [one for one in helm.objects(*words) if one["kind"] not in ("Role", "RoleBinding")]
    assert sorted(map(json.dumps, left)) == sorted(map(json.dumps, without))


@BOTH
def test_the_job_masters_account_is_the_users_or_named_by_the_user(helm):
    def account(*words):
        found = helm.objects(*JOB, "--set", ",".join(f"job.master.serviceAccount.{one}" for one in words))
        (pods,) = select(found, "StatefulSet", "job-jm")
        (binding,) = select(found, "RoleBinding", "job-jm")
        name = pods["spec"]["template"]["spec"]["serviceAccountName"]
        assert [one["name"] for one in binding["subjects"]] == [name]
        made = [one for one in select(found, "ServiceAccount") if one["metadata"]["name"] == name]
        return name, made[0]["metadata"].get("annotations") if made else "not made"

    assert account("create=true") == ("job-jm", None)
    assert account("name=master", "annotations.example\\.com/a=b") == ("master", {"example.com/a": "b"})
    assert account("create=false", "name=mine") == ("mine", "not made")


@WAYS
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ("job.master.serviceAccount.create=false", "job.master.serviceAccount.name: without a ServiceAccount of"),
        ("job.master.serviceAccount.create=false,job.master.serviceAccount.name=default", "rights of the job; name"),
        ("job.master.serviceAccount.name=job", "serviceAccount.name: job is the job master's own"),
        ("serviceAccount.name=a,job.master.serviceAccount.name=a", "serviceAccount.name: a is the job master's own"),
    ],
)  # fmt: skip
def test_the_job_masters_rights_are_its_own(newest, values, sentence, skip):
    assert sentence in newest.refuses(*JOB, "--set", values, *skip)


CLAIM = {
    "apiVersion": "example.com/v1", "kind": "Odd",
    "metadata": {"name": "a", "namespace": "other", "labels": {"a": "on"}},
    "spec": {"text": "{{ .Release.Name }}: #", "number": 1000000, "list": [{"a": None}], "yes": True},
}  # fmt: skip


def config_map(**metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}


def extra(*objects):
    return "--set-json", f"extraObjects={json.dumps(objects)}"


@BOTH
@pytest.mark.parametrize("text", ["\n", "x\n", "x\n\n", "\n\n x \n\n\n", " ", "#"])
def test_the_last_text_of_a_further_object_keeps_its_line_breaks(helm, text):
    last = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "z"}, "stringData": {"a": text}}
    found = helm.objects(*extra(last, {**last, "metadata": {"name": "a"}}))
    assert [one["stringData"]["a"] for one in found if one["kind"] == "Secret"] == [text, text]


@BOTH
def test_further_objects_are_as_they_are(helm):
    given = [CLAIM, config_map(name="b"), config_map(namespace="other", name="b"), config_map(name="job-b")]
    plain = helm.objects()
    found = helm.objects(*extra(*given), "--set", "commonLabels.team=data")
    mine = [one for one in found if "helm.sh/chart" not in one["metadata"].get("labels", {})]
    text = functools.partial(json.dumps, sort_keys=True)
    assert sorted(map(text, mine)) == sorted(map(text, given))  # Helm has an order of its own.
    assert len(found) == len(plain) + len(given)


@WAYS
@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ([{}], "extraObjects[0].apiVersion: it is missing or no text; each object needs one"),
        ([{}], "extraObjects[0].metadata.name: it is missing"),
        ([config_map(), {**CLAIM, "kind": 5}], "extraObjects[1].kind: it is missing or no text"),
        ([{**CLAIM, "metadata": "a"}], "extraObjects[0].metadata.name: it is missing"),
        ([config_map(name=True)], "extraObjects[0].metadata.name: it is missing or no text"),
        ([config_map(), config_map()], "extraObjects[1].metadata.name: ConfigMap a is there twice, in extraObjects[0]"),
        ([config_map(name="job-echo")], "extraObjects[0].metadata.name: ConfigMap job-echo is a name of the chart"),
        ([config_map(name="job", namespace="other")], "ConfigMap job is a name of the chart's own objects; take"),
        ([{**config_map(name="job-w-7"), "kind": "Service"}], "Service job-w-7 is a name of the chart's own objects"),
        # Of a jar that the command `twister2-job submit` brought.
        ([config_map(name="job-jar-0a1b2c3d-0")], "ConfigMap job-jar-0a1b2c3d-0 is a name of the chart's own objects"),
    ],
)  # fmt: skip
def test_further_objects_that_are_none_or_the_charts_own(newest, objects, sentence, skip):
    assert sentence in newest.refuses(*extra(*objects), *skip)


def test_a_kind_of_another_group_is_another_kind(newest):
    """Knative has a Service too."""
    given = {**config_map(name="job"), "apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    assert given in newest.objects(*extra(given, config_map(name="job-jar-of-mine")))


def test_an_account_of_the_chart_with_another_name_is_its_own_too(newest):
    account = {**config_map(name="workers"), "kind": "ServiceAccount"}
    assert "ServiceAccount workers is a name" in newest.refuses(*extra(account), "--set", "serviceAccount.name=workers")


def test_a_further_object_that_is_no_map_is_told_without_the_schema_too(newest):
    assert "extraObjects[0]: it is text, and must be a map" in newest.refuses(*extra("a"), SKIP)


def test_every_object_of_the_chart_has_a_name_that_is_its_own(newest):
    """The pattern of names in the rule has to know each."""
    on = "nodePort.enabled=true,perWorker.enabled=true,podDisruptionBudget.enabled=true"
    on += ",networkPolicy.egress.enabled=true"
    for words in ((*JOB, "--set", on), ("--set", on)):
        for one in newest.objects(*words):
            assert f"{one['kind']} {one['metadata']['name']} is a name of the chart's own" in newest.refuses(
                *words, *extra({**one, "metadata": {"name": one["metadata"]["name"]}})
            )
