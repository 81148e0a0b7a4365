"""`drainSeconds` and `lifecycle`: a worker that goes waits until the nodes send it no more connections."""

import itertools
import json
import time

import kubernetes_validate
import pytest

from tests.conftest import run

COMMAND = ("--set", "command={serve}")
JOB = ("--set", "job.class=org.example.MyWorker,job.jar.url=https://example.com/a.jar")
NO_SCHEMA = "--skip-schema-validation"
OWN = {"exec": {"command": ["say", "goodbye"]}}
SCHEMA_ON_AND_OFF = pytest.mark.parametrize("options", [(), (NO_SCHEMA,)], ids=["schema", "no schema"])


def hooks(template, *arguments):
    """Return the `lifecycle` of each worker container of the first group."""
    pod = template.one("StatefulSet", "job-0", *arguments)["spec"]["template"]["spec"]
    return [one.get("lifecycle") for one in pod["containers"] if one["name"].startswith("twister2-container-")]


def exec_hook(*command):
    return {"preStop": {"exec": {"command": list(command)}}}


def python_waits(seconds):
    return exec_hook("python3", "-I", "-S", "-c", f"import time; time.sleep({seconds})")


def test_the_echo_worker_and_a_command_wait_three_seconds_and_a_twister2_job_does_not(helm_template):
    assert hooks(helm_template) == [python_waits(3)]
    assert hooks(helm_template, *COMMAND) == [exec_hook("sleep", "3")]
    assert hooks(helm_template, "--set", "args={serve}") == [exec_hook("sleep", "3")]
    assert hooks(helm_template, *JOB) == [None]


def test_every_worker_of_a_pod_waits_and_a_sidecar_does_not(helm_template):
    sidecar = ("--set-json", 'sidecars=[{"name":"beside","image":"x"}]')
    arguments = ("--set", "workersPerPod=3", *sidecar)
    assert hooks(helm_template, *arguments) == [python_waits(3)] * 3
    pod = helm_template.one("StatefulSet", "job-0", *arguments)["spec"]["template"]["spec"]
    assert "lifecycle" not in pod["containers"][3]


@pytest.mark.parametrize("seconds", [1, 5, 9])
def test_the_wait_is_as_long_as_the_value_says(helm_template, seconds):
    assert hooks(helm_template, "--set", f"drainSeconds={seconds}") == [python_waits(seconds)]
    assert hooks(helm_template, *COMMAND, "--set", f"drainSeconds={seconds}") == [exec_hook("sleep", str(seconds))]


@SCHEMA_ON_AND_OFF
def test_zero_is_no_hook(helm_template, options):
    assert hooks(helm_template, "--set", "drainSeconds=0", *options) == [None]
    assert hooks(helm_template, *COMMAND, "--set", "drainSeconds=0", *options) == [None]


def test_a_twister2_job_never_waits(helm_template):
    """It has no grace period in which a hook could run, so no value is wrong for it either."""
    assert hooks(helm_template, *JOB, "--set", "drainSeconds=60") == [None]
    master = helm_template.one("StatefulSet", "job-jm", *JOB, "--set", "drainSeconds=60")
    assert "lifecycle" not in json.dumps(master)


@pytest.mark.parametrize("mode", [(), COMMAND, JOB], ids=["echo", "command", "job"])
def test_a_pre_stop_hook_of_the_users_wins_and_another_hook_stays_beside_ours(helm_template, mode):
    waits = {(): python_waits(3), COMMAND: exec_hook("sleep", "3"), JOB: {}}[mode]
    both = {"preStop": OWN, "postStart": OWN}
    assert hooks(helm_template, *mode, "--set-json", f"lifecycle={json.dumps(both)}") == [both]
    start = {"postStart": OWN}
    assert hooks(helm_template, *mode, "--set-json", f"lifecycle={json.dumps(start)}") == [start | waits]


def test_an_empty_pre_stop_hook_is_none(helm_template):
    """Kubernetes refuses one."""
    assert hooks(helm_template, "--set-json", 'lifecycle={"preStop":{}}') == [python_waits(3)]
    assert hooks(helm_template, "--set-json", 'lifecycle={"preStop":null}') == [python_waits(3)]


@SCHEMA_ON_AND_OFF
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            "drainSeconds=10",
            "drainSeconds: it is 10, but a pod is killed 10 seconds (terminationGracePeriodSeconds) after it was told"
            " to go, and the worker would not see SIGTERM before that; set drainSeconds=9, or"
            " terminationGracePeriodSeconds=11 or higher",
        ),
        ("terminationGracePeriodSeconds=3", "set drainSeconds=2, or terminationGracePeriodSeconds=4 or higher"),
        ("terminationGracePeriodSeconds=0", "set drainSeconds=0, or terminationGracePeriodSeconds=4 or higher"),
        ("command={serve},drainSeconds=11", "set drainSeconds=9, or terminationGracePeriodSeconds=12 or higher"),
    ],
)
def test_a_wait_as_long_as_the_grace_period_is_refused(helm_template, options, values, sentence):
    assert sentence in helm_template.refuses("--set", values, *options)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "drainSeconds=9"),
        ("--set", "terminationGracePeriodSeconds=4"),
        ("--set", "terminationGracePeriodSeconds=0,drainSeconds=0"),
        ("--set", "terminationGracePeriodSeconds=1", "--set-json", f'lifecycle={{"preStop":{json.dumps(OWN)}}}'),
        (*JOB, "--set", "terminationGracePeriodSeconds=1"),
    ],
)
def test_what_fits_into_the_grace_period_is_accepted(helm_template, arguments):
    assert helm_template.objects(*arguments)


@pytest.mark.parametrize("seconds", ["-1", "soon", "1.5", "true"])
def test_what_is_no_number_of_seconds_is_refused(helm_template, seconds):
    assert "drainSeconds" in helm_template.refuses("--set", f"drainSeconds={seconds}")


def test_a_negative_number_is_refused_without_the_schema_too(helm_template):
    message = helm_template.refuses("--set", "drainSeconds=-1", NO_SCHEMA)
    assert "drainSeconds: it is -1" in message and "set drainSeconds=0 or higher" in message


def test_a_lifecycle_that_is_no_map_is_refused(helm_template):
    assert "lifecycle" in helm_template.refuses("--set", "lifecycle=x")


def test_every_group_waits(helm_template):
    arguments = ("--set-json", 'computeResources=[{"workersPerPod":2}]', "--set", "drainSeconds=4")
    pod = helm_template.one("StatefulSet", "job-1", *arguments)["spec"]["template"]["spec"]
    assert [one["lifecycle"] for one in pod["containers"]] == [python_waits(4)] * 2


EXPOSURES = ("nodePort.enabled=true", "perWorker.enabled=true", "networkPolicy.enabled=false")


def test_the_wait_does_not_depend_on_what_is_exposed(newest):
    """Switching an exposure must not restart a pod."""
    templates = set()
    for count in range(len(EXPOSURES) + 1):
        for chosen in itertools.combinations(EXPOSURES, count):
            arguments = ("--set", ",".join(chosen)) if chosen else ()
            templates.add(json.dumps(newest.one("StatefulSet", "job-0", *arguments)["spec"]["template"]))
    assert len(templates) == 1


def test_kubernetes_1_27_knows_the_hook(newest):
    """The hook `sleep` came with 1.30."""
    for arguments in ((), COMMAND):
        found = newest.one("StatefulSet", "job-0", *arguments, "--kube-version", "1.27.0")
        kubernetes_validate.validate(found, "1.27", strict=True)
        (container,) = found["spec"]["template"]["spec"]["containers"]
        assert container["lifecycle"]["preStop"].keys() == {"exec"}


def test_the_hooks_run(newest):
    """As they are rendered they wait, that long."""
    for arguments in ((), COMMAND):
        (found,) = hooks(newest, *arguments, "--set", "drainSeconds=1")
        began = time.monotonic()
        assert run(*found["preStop"]["exec"]["command"]).returncode == 0
        assert 0.9 < time.monotonic() - began < 4
