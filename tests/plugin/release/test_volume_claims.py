"""Claims of volumes: what can't change is told before a revision is made, and what stays is named."""

import asyncio
import copy
import json

import pytest
from twister2_job.errors import NoRightsError, ValuesError
from twister2_job.exposure.workers import own_sets
from twister2_job.release.volume_claims import changed, kept, require_fitting, size, wanted

from tests.conftest import HELM_VERSIONS, Template

JOB = ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")
ON = ("--set", "persistence.enabled=true")


def rendered(*arguments):
    return Template(HELM_VERSIONS[-1]).objects(*arguments)


def live(*arguments):
    """Return the objects as the API server shows them, with what it adds to a claim template."""
    found = copy.deepcopy(rendered(*arguments))
    for one in found:
        for template in one["spec"].get("volumeClaimTemplates", []) if one["kind"] == "StatefulSet" else []:
            template["spec"]["volumeMode"], template["status"] = "Filesystem", {"phase": "Pending"}
    return found


@pytest.mark.parametrize("words", [(), JOB, ON, (*JOB, *ON)])
def test_what_stays_the_same_is_no_problem(words):
    assert changed(live(*words), rendered(*words, "--set", "nodePort.enabled=true"), "job") == []


@pytest.mark.parametrize("mode", [(), JOB])
def test_neither_on_nor_off_while_the_job_is_there(mode):
    (problem,) = changed(live(*mode), rendered(*mode, *ON), "job")
    assert problem.startswith("persistence.enabled: StatefulSet job-")
    assert "adds none to it; fix the node ports" in problem
    assert "`twister2-job uninstall job --wait` and install it anew, or install a job of another name" in problem
    for off in ((), ("--set", "persistence.enabled=true,persistence.existingClaim=mine")):
        (problem,) = changed(live(*mode, *ON), rendered(*mode, *off), "job")
        assert "has claims, and Kubernetes takes none from one that is there; fix" in problem


def test_each_value_that_would_change_is_named():
    new = "size=2Gi,jobMasterSize=3Gi,storageClass=fast,accessModes={ReadWriteMany},labels.a=b,annotations.c=d"
    words = [word for one in new.split(",") for word in ("--set", f"persistence.{one}")]
    problems = changed(live(*JOB, *ON), rendered(*JOB, *ON, *words), "job")
    found = {one.partition(":")[0].removeprefix("persistence.") for one in problems}
    assert found == {"size", "jobMasterSize", "storageClass", "accessModes", "labels", "annotations"}
    text = next(one for one in problems if one.startswith("persistence.size"))
    assert "1Gi of StatefulSet job-0, which is there, would become 2Gi" in text
    assert "raise spec.resources.requests.storage of the claims themselves" in text


def test_what_may_change_may():
    policy = "persistence.retention.whenDeleted=Delete,persistence.retention.whenScaled=Delete"
    assert changed(live(*ON), rendered(*ON, "--set", f"{policy},commonLabels.a=b"), "job") == []
    assert changed(live(*ON), rendered(*ON, "--set", "persistence.size=1024Mi"), "job") == []
    more = ("--set", "computeResources[0].instances=1")
    assert changed(live(*ON), rendered(*ON, *more), "job") == []
    claims = [("--set", f"persistence.enabled=true,persistence.existingClaim={name}") for name in "ab"]
    assert changed(live(*claims[0]), rendered(*claims[1]), "job") == []
    assert changed(live(), rendered(*claims[0]), "job") == []


def test_only_claim_templates_make_claims():
    assert wanted(rendered(*ON), "job") and wanted(rendered(*JOB, *ON), "job")
    assert not wanted(rendered(), "job")
    assert not wanted(rendered(*ON, "--set", "persistence.existingClaim=mine"), "job")


def test_stateful_sets_of_the_users_own_are_none_of_the_jobs():
    other = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "other"}}
    objects = rendered("--set-json", f"extraObjects={json.dumps([other])}")
    assert {o["metadata"]["name"] for o in objects if o["kind"] == "StatefulSet"} == {"job-0", "other"}
    assert [o["metadata"]["name"] for o in own_sets(objects, "job")] == ["job-0"]
    assert not wanted(objects, "job") and changed(objects, objects, "job") == []


@pytest.mark.parametrize(
    ("text", "same"),
    [("1Gi", "1024Mi"), ("0.5Gi", "512Mi"), (".5Gi", "512Mi"), ("1k", "1000"), ("1.", "1000m"), ("1Ei", "1024Pi"),
     ("what", "what")],
)  # fmt: skip
def test_sizes_are_compared_by_what_they_mean(text, same):
    assert size(text) == size(same) and size(text) != size("7Gi")


class Kubectl:
    """What `kept` asks of the client."""

    def __init__(self, found):
        self.found = found

    async def items(self, kinds, *options):
        assert kinds == "persistentvolumeclaims" and options[0] == "-l"
        if isinstance(self.found, Exception):
            raise self.found
        return [one if "metadata" in one else {"metadata": one} for one in self.found]

    async def namespace(self):
        return "data"


def test_claims_that_stay_are_named_with_the_command_that_deletes_them():
    names = [{"name": f"persistent-volume-job-0-{number}"} for number in range(7)]
    told = asyncio.run(kept(Kubectl(names), "job"))
    assert "persistent-volume-job-0-0, persistent-volume-job-0-1" in told and "and 2 more" in told
    assert told.endswith(
        "`kubectl delete pvc --namespace data -l app.kubernetes.io/name=twister2-job,app.kubernetes.io/instance=job`"
    )


@pytest.mark.parametrize(
    "found",
    [[], [{"name": "a", "ownerReferences": [{"kind": "StatefulSet"}]}, {"name": "b", "deletionTimestamp": "now"}],
     NoRightsError("no")],
)  # fmt: skip
def test_claims_that_go_by_themselves_are_not_told(found):
    assert asyncio.run(kept(Kubectl(found), "job")) == ""


def claim(pod, size="1Gi", storage_class="fast"):
    spec = {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": f"persistent-volume-{pod}"}, "spec": spec}


@pytest.mark.parametrize(
    ("found", "words", "told"),
    [
        (claim("job-0-0"), "storageClass=slow", ["storageClass: the claim persistent-volume-job-0-0"]),
        (claim("job-0-0", storage_class=""), "storageClass=slow", ["has none", "with slow"]),
        (claim("job-0-1"), "size=2Gi", ["size: the claim persistent-volume-job-0-1", "has 1Gi"]),
        (claim("job-jm-0"), "jobMasterSize=2Gi", ["jobMasterSize: the claim persistent-volume-job-jm-0"]),
        (claim("job-0-0"), "size=2Gi,persistence.storageClass=slow", [".size: ", ".storageClass: "]),
    ],
)
def test_claims_of_an_earlier_job_that_do_not_fit_are_told(found, words, told):
    objects = rendered(*JOB, *ON, "--set", f"persistence.{words}")
    with pytest.raises(ValuesError) as error:
        asyncio.run(require_fitting(Kubectl([found]), objects, "job"))
    assert all(word in str(error.value) for word in [*told, "kubectl delete pvc --namespace data"])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([claim("job-0-0"), claim("job-0-1", "2Gi"), claim("job-0-0-0", "1Mi"), claim("jobs-0-0", "1Mi")], ON),
        ([claim("job-0-0", "1024Mi")], (*ON, "--set", "persistence.storageClass=fast")),
        ([claim("job-0-0", storage_class="")], (*ON, "--set", "persistence.storageClass=-")),
        ([claim("job-0-0", "1Mi")], ()),
        (NoRightsError("no"), ON),
    ],
)
def test_claims_that_fit_or_are_not_for_these_pods_are_taken(found, words):
    asyncio.run(require_fitting(Kubectl(found), rendered(*words), "job"))
