"""Reading all objects of a job, of kinds that a cluster need not serve too."""

import asyncio
import json

import pytest
from twister2_job.clients.process import Result
from twister2_job.errors import JobError
from twister2_job.release.job_objects import objects_of

TCP = "tcproutes.gateway.networking.k8s.io"
PARTLY = "error: unable to retrieve the complete list of server APIs: "


class FakeKubectl:
    """Answers `api-resources` with what it is given, and each list with one object of each kind asked for."""

    def __init__(self, served):
        self.served = served

    async def run(self, *words, **options):
        if words[0] == "api-resources":
            return self.served
        return Result(0, json.dumps({"items": [{"kind": name} for name in words[1].split(",")]}), "")


def kinds(*served):
    return [one["kind"] for one in asyncio.run(objects_of(FakeKubectl(Result(*served)), "job"))]


def test_routes_are_listed_where_they_are_served():
    assert TCP in kinds(0, f"{TCP}\n", "") and "services" in kinds(0, f"{TCP}\n", "")
    assert TCP not in kinds(0, "", "")


@pytest.mark.parametrize(
    "error",
    [
        "Error from server (ServiceUnavailable): the server is currently unable to handle the request",
        f"{PARTLY}gateway.networking.k8s.io/v1: the server is currently unable to handle the request",
        f"{PARTLY}metrics.k8s.io/v1beta1: stale, gateway.networking.k8s.io/v1: stale",
    ],
)
def test_without_knowing_what_is_served_nothing_is_taken_for_absent(error):
    with pytest.raises(JobError):
        kinds(1, "", error)


def test_another_group_that_cannot_be_found_out_does_not_matter():
    assert TCP in kinds(1, f"{TCP}\n", f"{PARTLY}metrics.k8s.io/v1beta1: stale GroupVersion discovery")
