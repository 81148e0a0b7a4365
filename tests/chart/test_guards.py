"""Rules come first, on complete values: with the schema skipped, with null, with the values of an older chart."""

import json
import resource
import subprocess

import pytest
import yaml

from tests.chart.write_golden import defaults
from tests.conftest import CHART, HELM_VERSIONS, OLDEST_AND_NEWEST, Template, helm_path, select

SKIP = "--skip-schema-validation"
BOTH = pytest.mark.parametrize("helm", [Template(version) for version in OLDEST_AND_NEWEST], ids=OLDEST_AND_NEWEST)
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
# Maps of Kubernetes' own: who removes a key of one wants it removed.
WHOLE = ("podSecurityContext", "resources", "securityContext", "updateStrategy")
RAW = ("nil pointer", "can't evaluate", "wrong type for value", "panic", "at <", "error calling", "YAML parse")


def paths(values, prefix=""):
    """Yield the path and the default of every value that the chart documents."""
    for key, default in values.items():
        yield f"{prefix}{key}", default
        if isinstance(default, dict) and key not in WHOLE:
            yield from paths(default, f"{prefix}{key}.")


def test_the_defaults_that_templates_read_are_those_of_the_values_file():
    assert (CHART / "files" / "defaults.json").read_text() == defaults(), "run `make golden`"


@pytest.mark.parametrize(("path", "default"), [*paths(DEFAULTS)], ids=[path for path, _ in paths(DEFAULTS)])
def test_null_means_the_default(newest, path, default):
    plain = newest.objects()
    assert newest.objects("--set", f"{path}=null") == plain


def test_null_means_the_default_without_the_schema_too(newest):
    words = [word for path in DEFAULTS for word in ("--set", f"{path}=null")]
    assert newest.objects(SKIP, *words) == newest.objects()


@BOTH
def test_a_block_with_nothing_but_comments_under_it_is_the_default(helm, tmp_path):
    (tmp_path / "values.yaml").write_text("nodePort:\n  enabled: true\n  nodePorts:\n  # worker: 30001\nenv:\njob:\n")
    found = helm.objects("-f", str(tmp_path / "values.yaml"))
    assert found == helm.objects("--set", "nodePort.enabled=true")


@BOTH
def test_the_values_of_an_older_chart_are_completed(helm, tmp_path):
    """`helm upgrade --reuse-values` takes them in the place of the chart's own."""
    old = json.loads(json.dumps(DEFAULTS))
    for path in ("drainSeconds", "lifecycle", "commonLabels"):
        del old[path]
    del old["perWorker"]["count"], old["job"]["jar"]["urlSecret"]
    chart = tmp_path / "twister2-job"
    subprocess.run(["cp", "-r", CHART, chart], check=True)
    (chart / "values.yaml").write_text(json.dumps(old))
    result = subprocess.run([helm_path(helm.version), "template", "job", chart], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [found for found in yaml.safe_load_all(result.stdout) if found] == helm.objects("--kube-version", "1.37.0")


WRONG = [
    (path, value)
    for path, default in paths(DEFAULTS)
    for value in ({"a": 1}, ["a"], "false", 7, True)
    if type(value) is not type(default)
    and not (isinstance(default, int | float) and not isinstance(default, bool) and value == 7)
    and not (path.split(".")[-1] in ("cpu", "disk", "jvmMemoryFraction") and value == "false")
    and not (path.startswith("podDisruptionBudget.m") and type(value) is int)
]


@pytest.mark.parametrize("value", [{"a": 1}, ["a"], "false", 7, True], ids=["map", "list", "text", "number", "boolean"])
def test_a_value_of_another_type_is_a_sentence_without_the_schema_too(newest, value):
    wrong = [path for path, other in WRONG if type(other) is type(value)]
    assert len(wrong) > 20
    inner = [path for path in wrong if not any(other.startswith(f"{path}.") for other in wrong)]
    for some in (inner, [path for path in wrong if "." not in path]):
        words = [word for path in some for word in ("--set-json", f"{path}={json.dumps(value)}")]
        told = newest.refuses(SKIP, *words)
        assert some and all(f"{path}: it is " in told for path in some), told
        assert not any(text in told for text in RAW), told


@BOTH
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--set-string nodePort.enabled=false", "nodePort.enabled: it is text, and must be true or false"),
        ("--set nodePort.enabled=true,workersPerPod=2", "workersPerPod: it is 2, but nodePort.enabled=true needs one"),
        ("--set instances=1000000000", "instances: it is 1000000000; a group has 1 to 10000 pods"),
        ("--set instances=0", "instances: it is 0"),
        ("--set workersPerPod=1000000000", "workersPerPod: it is 1000000000; a pod has 1 to 100 workers"),
        ("--set computeResources[0].instances=1000000000", "computeResources[0].instances: it is 1000000000"),
        ("--set perWorker.enabled=true,perWorker.count=1000000000", "perWorker.count: it is 1000000000"),
        ("--set perWorker.enabled=true,perWorker.maxServices=1000000000", "perWorker.maxServices: it is 1000000000"),
        ("--set additionalPorts[0]=a", "additionalPorts[0]: it is text, and must be a map"),
        ('--set-json commonAnnotations={"a":{}}', "commonAnnotations: the value of a is no text"),
        ("--set podLabels.a=1", "podLabels: the value of a is no text; put quotes around it"),
        ("--set perWorker.overrides.1.annotations.a=true", "perWorker.overrides.1.annotations: the value of a"),
        ("--set additionalPorts[0].protocol=UDP", "additionalPorts[0].name: it is null, and must be text"),
        ("--set computeResources[0]=a", "computeResources[0]: it is text, and must be a map"),
        ("--set perWorker.enabled=true,perWorker.overrides.1=a", "perWorker.overrides.1: it is text"),
    ],
)
def test_what_the_schema_would_refuse_is_refused_without_it(helm, words, told):
    said = helm.refuses(SKIP, *words.split())
    assert told in said and not any(text in said for text in RAW), said


LISTS = [path for path, default in paths(DEFAULTS) if isinstance(default, list)]


@pytest.mark.parametrize("path", [*LISTS, "global.imagePullSecrets"])
def test_an_odd_entry_of_a_list_is_no_raw_error_without_the_schema(newest, path):
    """In an echo job that exposes its workers, and in a Twister2 job; without a volume, which `or` would end at."""
    on = "nodePort.enabled=true,perWorker.enabled=true,networkPolicy.egress.enabled=true"
    assert len(LISTS) > 20
    for entry in ("a", 7, 1.5, True, None, [], {}):
        for more in ((), ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar,job.restore=true")):
            result = newest.run(SKIP, "--set", on, *more, "--set-json", f"{path}={json.dumps([entry])}")
            assert not any(text in result.stderr for text in (*RAW, "%!", "<nil>")), f"[{entry!r}]: {result.stderr}"


@pytest.mark.parametrize("resources", [{"limits": "a"}, {"limits": None}, {"limits": {"memory": []}}, {"requests": 7}])
def test_odd_resources_of_a_group_are_no_raw_error_without_the_schema(newest, resources):
    groups = ("--set-json", f"computeResources={json.dumps([{'resources': resources}])}")
    for more in ((), ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")):
        said = newest.run(SKIP, *groups, *more).stderr
        assert not any(text in said for text in RAW), said


SCHEMA = json.loads((CHART / "values.schema.json").read_text())
GROUP_KEYS = [*SCHEMA["properties"]["computeResources"]["items"]["properties"]]


@pytest.mark.parametrize("key", GROUP_KEYS)
def test_a_value_of_a_group_is_of_the_kind_of_group_0s_without_the_schema_too(newest, key):
    default = DEFAULTS.get(key, DEFAULTS["job"].get(key))
    number = isinstance(default, int | float)
    for value in ({"a": 1}, ["a"], "false", 7, True):
        fits = (number and value == 7 and value is not True) or (key in ("cpu", "disk") and value == "false")
        if type(value) is type(default) or fits:
            continue
        for more in ((), ("--set", "job.class=a.B,job.jar.url=https://example.org/a.jar")):
            told = newest.refuses(SKIP, *more, "--set-json", f"computeResources={json.dumps([{key: value}])}")
            assert f"computeResources[0].{key}: it is " in told and "must be" in told, told
    group = json.dumps([{key: None, "instances": 2}]) if key != "instances" else "[{}]"
    assert newest.objects(SKIP, "--set-json", f"computeResources={group}")


@BOTH
@pytest.mark.parametrize("probe", ["tcpSocket=x", "httpGet=null", "grpc.port=null", "exec=7"])
def test_an_odd_probe_breaks_no_template(helm, probe):
    result = helm.run(SKIP, "--set", f"job.class=a.B,job.jar.url=https://e.org/a.jar,readinessProbe.{probe}")
    none = "readinessProbe: it has none of" in result.stderr
    assert result.returncode == none == (probe == "httpGet=null"), result.stderr


@BOTH
def test_limits_that_are_null_are_none_or_said_to_be_null(helm):
    more = "job.class=a.B,job.jar.url=https://e.org/a.jar"
    null = f"resources.limits=null,job.master.resources.limits=null,{more}"
    assert helm.run(SKIP, "--set", null).returncode == 0
    assert "null" in helm.refuses("--set", null)


@pytest.mark.parametrize("count", [2000, 10000])
def test_thousands_of_workers_are_rendered_in_little_time_and_memory(count):
    """The goal is half a second of processor time for 2,000; three times as much is a fault on any machine."""

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    values = f"perWorker.enabled=true,perWorker.maxServices=10000,instances={count},nodePort.range.min=1"
    done = subprocess.run(
        [helm_path(HELM_VERSIONS[-1]), "template", "job", CHART, "--set", f"{values},nodePort.range.max=65535"],
        capture_output=True, text=True, preexec_fn=limited,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 and done.stdout.count("twister2-job/worker: ") == count
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5 * count / 2000


UMBRELLA = """
apiVersion: v2
name: umbrella
version: 1.0.0
dependencies:
"""
DEPENDENCY = """
- {{name: twister2-job, version: 0.1.0, repository: "", alias: {alias}, condition: {alias}.enabled}}
"""


def umbrella(folder, helm, *words, aliases=("work",)):
    """Render an umbrella chart that has this chart under other names."""
    chart = folder / "umbrella"
    subprocess.run(["mkdir", "-p", chart / "charts"], check=True)
    subprocess.run(["cp", "-r", CHART, chart / "charts"], check=True)
    (chart / "Chart.yaml").write_text(UMBRELLA + "".join(DEPENDENCY.format(alias=alias) for alias in aliases))
    return subprocess.run([helm_path(helm.version), "template", "job", chart, *words], capture_output=True, text=True)


@BOTH
def test_an_umbrella_charts_alias_changes_no_label_and_its_condition_is_allowed(helm, tmp_path):
    done = umbrella(tmp_path, helm, "--set", "work.enabled=true,work.nodePort.enabled=true,work.env=null")
    assert done.returncode == 0, done.stderr
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    plain = helm.objects("--set", "nodePort.enabled=true")
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, plain))
    assert select(found, "Service", "job-nodeport")


@BOTH
def test_two_jobs_of_one_release_are_refused_in_a_sentence(helm, tmp_path):
    done = umbrella(tmp_path, helm, aliases=("one", "two"))
    assert done.returncode and "two charts twister2-job in the release job" in done.stderr
    assert "one" in done.stderr and "two" in done.stderr
    done = umbrella(tmp_path, helm, "--set", "one.enabled=false", aliases=("one", "two"))
    assert done.returncode == 0, done.stderr
