"""Upgrades that the pods of a running job would not follow are refused before anything is changed."""

import pytest
from twister2_job.errors import UsageError
from twister2_job.exposure.workers import resizes
from twister2_job.release.operation import Request
from twister2_job.release.plan import to_apply
from twister2_job.twister2.workload import check_running

from tests.conftest import HELM_VERSIONS, Template

JOB = ("--set", "job.class=a.B,job.jar.url=http://a/b.jar", "--set-json", 'computeResources=[{"instances":3}]')


def rendered(*arguments):
    return Template(HELM_VERSIONS[-1]).objects(*arguments)


def scaled(objects, name, replicas):
    """Return the objects as the job's driver, or kubectl scale, leaves them."""
    return [
        {**one, "spec": {**one["spec"], "replicas": replicas}}
        if (one["kind"], one["metadata"]["name"]) == ("StatefulSet", name)
        else one
        for one in objects
    ]


@pytest.mark.parametrize(("values", "what"), [((), "the echo worker"), (("--set", "command={a}"), "a command")])
def test_a_job_does_not_take_over_the_pods_of_something_else(values, what):
    with pytest.raises(UsageError, match=f"runs {what}, and Kubernetes replaces no pod"):
        check_running("job", rendered(*values), rendered(*JOB))
    check_running("job", rendered(*values, "--set", "suspend=true"), rendered(*JOB))  # There are no pods.
    check_running("job", rendered(*values), rendered(*JOB, "--set", "suspend=true"))  # Its pods go.
    check_running("job", rendered(*JOB), rendered(*values))  # Those are replaced.
    check_running("job", [], rendered(*JOB))


def test_a_running_job_is_scaled_by_its_driver_alone():
    live = scaled(rendered(*JOB), "job-1", 6)
    with pytest.raises(UsageError) as refused:
        check_running("job", live, rendered(*JOB))
    sentence = "computeResources[0].instances: group job-1 of the running job has 6 pods, and would get 3"
    assert sentence in str(refused.value)
    assert "Set it to 6 (`twister2-job upgrade job`), or end it" in str(refused.value)
    check_running("job", live, scaled(rendered(*JOB), "job-1", 6))
    check_running("job", live, rendered(*JOB, "--set", "suspend=true"))
    check_running("job", rendered(*JOB, "--set", "suspend=true"), rendered(*JOB))
    with pytest.raises(UsageError, match=r"^instances: group job-0 of the running job has 2 pods, and would get 4"):
        check_running("job", rendered(*JOB), rendered(*JOB, "--set", "instances=4"))
    check_running("job", rendered(), rendered("--set", "instances=4"))  # Echo workers come and go.


@pytest.mark.parametrize(
    ("before", "after"), [("[]", '[{"instances":3}]'), ('[{"instances":3}]', "[]")], ids=["new", "gone"]
)
def test_a_running_job_gets_and_loses_no_group(before, after):
    live, wanted = (rendered(*JOB[:2], "--set-json", f"computeResources={groups}") for groups in (before, after))
    with pytest.raises(UsageError, match="group job-1 of the running job has") as refused:
        check_running("job", live, wanted)
    assert refused.value.hint == "End it first: `twister2-job kill job`."


def test_a_package_says_itself_how_many_pods_it_begins_with():
    """Other values would be refused by the init container of the next pod."""
    package = rendered("--set", "job.package.url=http://a/b,job.driver=a.B")
    with pytest.raises(UsageError) as refused:
        check_running("job", scaled(package, "job-0", 6), package)
    assert refused.value.hint == "End it first: `twister2-job kill job`."


def test_a_job_whose_headless_service_is_gone_is_still_that_job():
    live = [one for one in rendered(*JOB) if (one["kind"], one["metadata"]["name"]) != ("Service", "job")]
    check_running("job", live, rendered(*JOB))


def test_a_number_of_pods_may_have_another_owner():
    """Also one that is again what Helm had set: only who set it last counts."""
    live = rendered(*JOB)
    assert not resizes(live, live) and resizes(live, rendered(*JOB, "--set", "suspend=true"))
    assert resizes(live, rendered(*JOB, "--set", "instances=5")) and resizes(live, rendered())


def test_values_that_are_kept_are_given_with_the_change():
    kept, given = {"computeResources": [{"instances": 1}]}, ["--set", "computeResources[0].instances=2"]
    change = Request("job", arguments=["--reset-then-reuse-values", *given])
    assert to_apply(change, kept) == (["--reset-values", *given], kept)
    assert to_apply(Request("job", arguments=given), None) == (given, {})
    whole = Request("job", arguments=["--reset-values"], values=kept)
    assert to_apply(whole, None) == (["--reset-values"], kept)
