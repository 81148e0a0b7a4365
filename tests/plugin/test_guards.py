"""Upgrades that the pods of a running job would not follow are refused before anything is changed."""

import pytest
from twister2_job.errors import UsageError
from twister2_job.guards import check_running
from twister2_job.workers import scaled_outside

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
    assert "Give computeResources[0].instances=6 with it" in str(refused.value)
    check_running("job", live, scaled(rendered(*JOB), "job-1", 6))
    check_running("job", live, rendered(*JOB, "--set", "suspend=true"))
    check_running("job", rendered(*JOB, "--set", "suspend=true"), rendered(*JOB))
    with pytest.raises(UsageError, match=r"^instances: group job-0 of the running job has 2 pods, and would get 4"):
        check_running("job", rendered(*JOB), rendered(*JOB, "--set", "instances=4"))
    check_running("job", rendered(), rendered("--set", "instances=4"))  # Echo workers come and go.


def test_a_number_of_pods_that_somebody_else_has_set():
    live = rendered()
    assert not scaled_outside(live, rendered("--set", "instances=5"))  # The number is Helm's own.
    scaled_to_3 = scaled(live, "job-0", 3)
    assert scaled_outside(scaled_to_3, live) and scaled_outside(scaled_to_3, rendered("--set", "suspend=true"))
    assert not scaled_outside(scaled_to_3, rendered("--set", "instances=3"))  # Two may own the same number.
