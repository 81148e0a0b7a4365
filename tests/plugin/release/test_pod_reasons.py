"""Why pods are not ready: each cause once, with the number of pods; the objects are as Kubernetes 1.37 shows them."""

import asyncio

import pytest
from twister2_job.clients.process import Result
from twister2_job.clients.resources import Cluster
from twister2_job.release.pod_reasons import causes, reasons, unwrapped, warnings_of, why

IMAGE = "registry.invalid/nothing:3.11"
PULL = (
    f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": failed to do request: '
    'Head "https://registry.invalid/v2/nothing/manifests/3.11": dial tcp: lookup registry.invalid: no such host'
)
SCHEDULE = (
    "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available: 3 No preemption victims found"
)


def pod(name, *, waiting=None, terminated=None, last=None, node="node-1", conditions=()):
    state = {"waiting": waiting} if waiting else {"terminated": terminated} if terminated else {"running": {}}
    status = {"name": "twister2-container-0", "ready": False, "state": state, "lastState": last or {}}
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": "Pending", "containerStatuses": [status] if node else [], "conditions": list(conditions)},
    }


def event(name, reason, message, time="2026-11-29T12:00:00Z", kind="Pod"):
    return {
        "metadata": {"creationTimestamp": "2026-11-29T11:00:00Z"},
        "involvedObject": {"kind": kind, "name": name},
        "reason": reason,
        "message": message,
        "lastTimestamp": time,
        "type": "Warning",
    }


def no_image(name, reason="ImagePullBackOff"):
    told = f'Back-off pulling image "{IMAGE}": ErrImagePull: {PULL}' if reason == "ImagePullBackOff" else PULL
    return pod(name, waiting={"reason": reason, "message": told})


def crashing(name, code=3, wait="10s"):
    which = f"container=twister2-container-0 pod={name}_data(0b6c9f0a-1111-2222-3333-444455556666)"
    message = f"back-off {wait} restarting failed {which}"
    return pod(
        name,
        waiting={"reason": "CrashLoopBackOff", "message": message},
        last={"terminated": {"exitCode": code, "reason": "Error"}},
    )


def unscheduled(name):
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": SCHEDULE}
    return pod(name, node="", conditions=[condition])


def lines(objects, events=()):
    return [cause.line() for cause in causes(objects, list(events))]


def test_a_cause_is_told_once_with_the_number_of_pods():
    pods = [no_image(f"j-0-{number}") for number in range(3)]
    events = [event(p["metadata"]["name"], "Failed", "Error: ImagePullBackOff") for p in pods]
    (line,) = lines(pods, events)
    assert line.startswith(f'3 pods (j-0-0, j-0-1 and 1 more): ImagePullBackOff: Back-off pulling image "{IMAGE}"')
    assert line.endswith("no such host") and len(line) < 300 and line.count(IMAGE) == 1


@pytest.mark.parametrize(("number", "begin"), [(1, "pod j-0-0: "), (2, "2 pods (j-0-0, j-0-1): "), (500, "500 pods (")])
def test_the_first_pods_are_named(number, begin):
    (line,) = lines([no_image(f"j-0-{index}") for index in range(number)])
    assert line.startswith(begin) and "j-0-0" in line and len(line) < 320


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("Failed", "Error: ErrImagePull"),
        ("Failed", "Error: ImagePullBackOff"),
        ("Failed", f'Failed to pull image "{IMAGE}": {PULL}'),
        ("BackOff", f'Back-off pulling image "{IMAGE}"'),
    ],
)
def test_an_event_that_repeats_the_state_is_left_out(reason, message):
    assert why(no_image("j-0-0"), [event("j-0-0", reason, message)]) == why(no_image("j-0-0"), [])


def test_neither_of_a_crash_nor_of_a_node_that_lacks_room_is_told_twice():
    which = "container twister2-container-0 in pod j-0-0_data(0b6c9f0a-1111-2222-3333-444455556666)"
    again = f"Back-off restarting failed {which}"
    told = why(crashing("j-0-0"), [event("j-0-0", "BackOff", again)])
    assert told == "CrashLoopBackOff: container twister2-container-0 ends each time and is started again (exit code 3)"
    (line,) = lines([unscheduled("j-0-0"), unscheduled("j-0-1")], [event("j-0-1", "FailedScheduling", SCHEDULE)])
    assert line.startswith("2 pods (j-0-0, j-0-1): Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.")
    assert line.count("Insufficient") == 1


def test_an_event_that_says_more_is_kept():
    probe = [
        event(
            f"j-0-{n}", "Unhealthy", f"Readiness probe failed: dial tcp 10.244.1.{n}:9000: connect: connection refused"
        )
        for n in (4, 5)
    ]
    (line,) = lines([pod("j-0-4"), pod("j-0-5")], probe)
    assert (
        line.startswith("2 pods (j-0-4, j-0-5): not ready yet (Unhealthy: Readiness probe failed") and "refused" in line
    )
    old = pod("j-0-0", waiting={"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{IMAGE}"'})
    events = [
        event(
            "j-0-0",
            "Failed",
            f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = no such manifest',
            "2026-11-29T12:00:00Z",
        ),
        event("j-0-0", "BackOff", f'Back-off pulling image "{IMAGE}"', "2026-11-29T12:00:05Z"),
    ]
    (line,) = lines([old], events)
    assert line == f'pod j-0-0: ImagePullBackOff: Back-off pulling image "{IMAGE}" (Failed: no such manifest)'


def test_the_image_is_named_where_only_the_error_names_it():
    """As containerd 2 says it: the state has the reason alone, and the image in its middle."""
    said = (
        f'failed to pull and unpack image "{IMAGE}": failed to resolve image: Head "https://h/v2/x": dial tcp: refused'
    )
    told = why(
        pod("j-0-0", waiting={"reason": "ErrImagePull", "message": said}),
        [event("j-0-0", "Failed", "Error: ImagePullBackOff")],
    )
    assert told == f'ErrImagePull: image "{IMAGE}": dial tcp: refused'


def test_what_is_over_is_not_told():
    """The newest warning of a pod that has a node may be that it had none."""
    assert why(pod("j-0-0"), [event("j-0-0", "FailedScheduling", SCHEDULE)]) == "not ready yet"


def test_different_causes_stay_apart():
    told = lines(
        [
            no_image("j-0-0"),
            crashing("j-0-1"),
            crashing("j-0-2", wait="40s"),
            crashing("j-0-3", code=137),
            unscheduled("j-1-0"),
        ]
    )
    assert [line.partition(":")[0] for line in told] == ["pod j-0-0", "2 pods (j-0-1, j-0-2)", "pod j-0-3", "pod j-1-0"]


def test_one_image_is_one_cause_in_whatever_moment_it_is_seen():
    first = pod("j-0-0", waiting={"reason": "ErrImagePull", "message": "x"})
    then = pod("j-0-1", waiting={"reason": "ImagePullBackOff", "message": "x"})
    assert len(lines([first, then])) == 1


def test_pods_that_are_not_made_are_told_of_the_set():
    group = {"kind": "StatefulSet", "metadata": {"name": "j-0"}, "spec": {"replicas": 2}, "status": {"replicas": 0}}
    message = 'create Pod j-0-0 in StatefulSet j-0 failed error: pods "j-0-0" is forbidden: exceeded quota: q'
    (line,) = lines([group], [event("j-0", "FailedCreate", message, kind="StatefulSet")])
    assert line.startswith("StatefulSet j-0: FailedCreate: create Pod j-0-0") and "exceeded quota: q" in line
    assert lines([{**group, "status": {"replicas": 2}}], [event("j-0", "FailedCreate", "x", kind="StatefulSet")]) == []


def test_the_essence_keeps_image_and_reason_in_a_line_that_can_be_read():
    text = unwrapped(f'ImagePullBackOff: Back-off pulling image "{IMAGE}": ErrImagePull: {PULL}')
    assert len(text) <= 200 and IMAGE in text and text.startswith("ImagePullBackOff") and text.endswith("no such host")
    assert len(unwrapped("CreateContainerError: " + "x" * 5000)) <= 200


class Kubectl:
    """Answers with objects; `runs` are the logs that were asked for."""

    def __init__(self, objects, events, log):
        self.objects, self.events, self.log, self.runs = objects, events, log, []

    async def cluster(self, job, *, nodes):
        return Cluster(self.objects, None)

    async def items(self, kinds, *options):
        return self.events

    async def run(self, *words):
        self.runs.append(words)
        return Result(0, self.log, "")


def test_the_last_words_of_a_cause_are_told_once():
    kubectl = Kubectl(
        [crashing("j-0-0"), crashing("j-0-1"), no_image("j-0-2")], [], "one\nno more tuples " + "x" * 500 + "\n"
    )
    told = asyncio.run(reasons(kubectl, "j", ["j-0"], logs=True))
    assert [line[:14] for line in told] == ["2 pods (j-0-0,", "  one", "  no more tupl", "pod j-0-2: Ima"]
    assert len(kubectl.runs) == 1 and all(len(line) < 330 for line in told)
    kubectl.runs.clear()
    assert len(asyncio.run(reasons(kubectl, "j", ["j-0"], logs=False))) == 2 and not kubectl.runs


def test_many_causes_are_cut():
    objects = [pod(f"j-0-{n}", waiting={"reason": f"Reason{'x' * n}", "message": ""}) for n in range(30)]
    told = asyncio.run(reasons(Kubectl(objects, [], ""), "j", ["j-0"], logs=False))
    assert len(told) == 11 and told[-1] == "20 more, of 20 other causes"


def test_the_newest_warning_of_an_object():
    events = [
        event("j", "A", "old", "2026-11-29T12:00:00Z", "StatefulSet"),
        event("j", "B", "new", "2026-11-29T12:00:09Z", "StatefulSet"),
    ]
    assert asyncio.run(warnings_of(Kubectl([], events, ""), "StatefulSet", "j")) == ["B: new"]
    assert asyncio.run(warnings_of(Kubectl([], [], ""), "StatefulSet", "j")) == []
