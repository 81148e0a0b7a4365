"""`perWorker.overrides.N.closed`: one worker cut off from outside, which keeps its number."""

import json

import pytest

from tests.conftest import select

OFF = ("--set", "perWorker.enabled=true,instances=3,perWorker.nodePortBase.worker=30100")
ON = (*OFF, "--set", "perWorker.overrides.1.closed=true")


def services(template, *arguments):
    found = [s for s in select(template.objects(*arguments), "Service") if "-w-" in s["metadata"]["name"]]
    return {s["metadata"]["labels"]["twister2-job/worker"]: s for s in found}


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer", "ClusterIP"])
def test_its_service_stays_with_its_numbers_and_selects_nothing(helm_template, kind):
    bases = "perWorker.enabled=true,instances=3,perWorker.servicePortBase.worker=500"
    arguments = ("--set", f"{bases},perWorker.type={kind}")
    before, after = (services(helm_template, *arguments, *more) for more in ((), ON[-2:]))
    assert before["0"] == after["0"] and before["2"] == after["2"]
    selector = after["1"]["spec"].pop("selector")
    open_ = before["1"]["spec"].pop("selector")
    assert before["1"] == after["1"]
    assert selector == {**open_, "twister2-job/closed": "true"}


def test_no_pod_can_have_the_label(newest):
    label = ("--set-json", 'podLabels={"twister2-job/closed":"true"}')
    assert "podLabels: twister2-job/closed is the chart's own" in newest.refuses(*ON, *label)
    for workload in select(newest.objects(*ON), "StatefulSet"):
        assert "twister2-job/closed" not in workload["spec"]["template"]["metadata"]["labels"]


def test_closing_touches_nothing_but_that_service(newest):
    def others(*arguments):
        return [
            o for o in newest.objects(*arguments)
            if o["metadata"]["name"] not in ("job-w-1", "job-test")
        ]  # fmt: skip

    assert others(*OFF) == others(*ON)


def test_false_is_as_if_it_were_not_there(newest):
    assert services(newest, *OFF) == services(newest, *OFF, "--set", "perWorker.overrides.1.closed=false")


def test_helm_test_leaves_it_out(newest):
    def exposure(*arguments):
        pod = newest.one("Pod", "job-test", *arguments)
        plan = next(one["value"] for one in pod["spec"]["containers"][0]["env"] if one["name"] == "PLAN")
        return json.loads(plan)["exposures"][0]

    assert "closed" not in exposure(*OFF) and exposure(*ON)["closed"] == [1]


def test_the_test_asks_no_closed_worker():
    from tests.conftest import CHART

    space = {"__name__": "helm_test"}
    exec((CHART / "files" / "helm_test.py").read_text(), space)
    one = {"host": "w-{worker}", "ports": {"worker": [9000, 1]}, "workers": 3}
    asked = [list(space["exposed"]({"job": "job", "exposures": [{**one, **more}]})) for more in ({}, {"closed": [1]})]
    assert [[host for host, *_ in found] for found in asked] == [["w-0", "w-1", "w-2"], ["w-0", "w-2"]]


def test_notes_say_which_worker_is_closed(newest):
    from tests.conftest import CHART, helm_path, run

    result = run(helm_path(newest.version), "install", "job", CHART, "--dry-run=client", *ON)
    assert "Worker 1 is closed: its Service keeps its number and leads to nothing." in result.stdout


def test_it_is_refused_while_the_workers_have_no_services(helm_template):
    message = helm_template.refuses("--set", "perWorker.overrides.1.closed=true")
    assert "perWorker.overrides" in message and "perWorker.enabled=true" in message


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("closed=false", "closed: it is text, and must be true or false"),
        ("advertisedPort=9000", "advertisedPort: it is text, and must be a number"),
        ("nodePorts=30001", "nodePorts: it is text, and must be a map"),
        ("labels=x", "labels: it is text, and must be a map"),
        ("annotations=x", "annotations: it is text, and must be a map"),
    ],
)
def test_text_for_what_is_none_is_refused_without_the_schema_too(helm_template, argument, problem):
    """`--set-string closed=false` is text, and any text would close the worker."""
    own = ("--set-string", f"perWorker.overrides.1.{argument}", "--skip-schema-validation")
    assert f"perWorker.overrides.1.{problem}" in helm_template.refuses(*OFF, *own)


def test_a_number_for_the_host_is_refused_without_the_schema_too(newest):
    own = ("--set", "perWorker.overrides.1.advertisedHost=5", "--skip-schema-validation")
    assert "perWorker.overrides.1.advertisedHost: it is a number, and must be text" in newest.refuses(*OFF, *own)
