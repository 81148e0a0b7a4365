"""The table of exposures: what is in one folder and one row is all that the rest of the chart knows of an exposure."""

import json
import os
import re
import shutil

import pytest
import yaml

from tests.conftest import CHART, HELM_VERSIONS, helm_path, run, select

FOLDERS = sorted(path for path in (CHART / "templates" / "exposures").iterdir() if path.is_dir())
TABLE = CHART / "templates" / "exposures" / "_table.tpl"
ASKED_FOR = {"prepare", "hint", "counts", "rules", "nodePorts", "policy", "target", "notes"}
ROW = """{{- $_ := set . "sidePort" (dict
  "names" "-sideport"
  "objects" (list " Service" "networking.k8s.io Ingress")
  "entries" (dict "ports" "string")
  "needEnabled" (list "port" "ports" "nodePorts")
  "portNames" (list "ports")
  "byPort" (list "nodePorts")) }}"""
# What other templates say of an exposure, by their paths.
NAMED = {
    # The range of node ports is the cluster's, for all exposures, and is in this block for those who look for it.
    "exposures/_rules.tpl": {"nodePort.range"},
    # A job's config has keys of Twister2 for these two values, and the message names what to set instead.
    "_validate_job.tpl": {"nodePort.enabled", "nodePort.port"},
}


def test_a_row_a_folder_and_a_block_of_values_have_one_name():
    rows = re.findall(r'set \. "(\w+)"', TABLE.read_text())
    assert rows == [path.name for path in FOLDERS]
    assert set(rows) <= yaml.safe_load((CHART / "values.yaml").read_text()).keys()


@pytest.mark.parametrize("folder", FOLDERS, ids=[path.name for path in FOLDERS])
def test_an_exposure_answers_all_that_the_chart_asks_it(folder):
    text = "".join(path.read_text() for path in folder.iterdir())
    assert set(re.findall(rf'define "twister2-job\.{folder.name}\.(\w+)"', text)) >= ASKED_FOR


def test_no_template_but_its_own_names_an_exposure():
    named = re.compile(rf"\b(?:{'|'.join(path.name for path in FOLDERS)})\b(?:\.\w+)?")
    own = {path for folder in FOLDERS for path in folder.iterdir()} | {TABLE}
    found = {}
    for path in (CHART / "templates").rglob("*.*"):
        if path.is_file() and path not in own:
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
            text = re.sub(r"^  ingress:$", "", text, flags=re.MULTILINE)  # The field of a NetworkPolicy.
            if names := set(named.findall(text)):
                found[str(path.relative_to(CHART / "templates"))] = names
    assert found == NAMED


@pytest.fixture(scope="module")
def with_another(tmp_path_factory):
    """The chart with a second exposure like `nodePort`, named `sidePort`: a folder, a row and its values."""
    chart = tmp_path_factory.mktemp("exposures") / "twister2-job"
    shutil.copytree(CHART, chart)
    old, new = (chart / "templates" / "exposures" / name for name in ("nodePort", "sidePort"))
    shutil.copytree(old, new)
    for path in new.iterdir():
        # All but the field of a Service.
        text = re.sub(r"nodePort\b(?!: \{\{|\})", "sidePort", path.read_text())
        path.write_text(text.replace("-nodeport", "-sideport"))
    table = chart / "templates" / "exposures" / "_table.tpl"
    head = '{{- define "twister2-job.exposures" -}}\n'
    assert table.read_text().count(head) == 1
    table.write_text(table.read_text().replace(head, f"{head}{ROW}\n"))
    (chart / "values.schema.json").unlink()
    values = yaml.safe_load((chart / "values.yaml").read_text())
    values["sidePort"] = values["nodePort"]
    (chart / "values.yaml").write_text(yaml.safe_dump(values))
    (chart / "files" / "defaults.json").write_text(json.dumps(values))
    return chart


@pytest.fixture(scope="module")
def install(with_another, tmp_path_factory):
    """Return a function that says what `helm install --dry-run` of that chart prints: the objects, then the notes."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home"))}

    def outcome(*settings):
        command = (helm_path(HELM_VERSIONS[-1]), "install", "job", with_another, "--dry-run=client")
        return run(*command, "--set", ",".join(settings), env=environment)

    return outcome


def test_a_new_exposure_is_a_folder_and_a_row(install):
    result = install("sidePort.enabled=true", "sidePort.ports={worker}", "additionalPorts[0].name=ui")
    assert result.returncode == 0, result.stderr
    manifest, _, notes = result.stdout.partition("NOTES:\n")
    objects = [one for one in yaml.safe_load_all(manifest.partition("HOOKS:\n")[2].replace("MANIFEST:\n", "")) if one]
    service = select(objects, "Service", "job-sideport")[0]
    assert service["metadata"]["labels"]["twister2-job/exposure"] == "sidePort"
    rules = select(objects, "NetworkPolicy", "job")[0]["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule.get("ports", [])] == [9000]
    environment = select(objects, "Pod", "job-test")[0]["spec"]["containers"][0]["env"]
    targets = json.loads(environment[0]["value"])["exposures"]
    assert targets == [{"host": "job-sideport.default.svc", "ports": {"worker": [9000, 0]}, "workers": 0}]
    assert "get service job-sideport -o" in notes and "Nothing is open" not in notes


def test_notes_say_how_to_enable_a_new_exposure(install):
    notes = install("instances=1").stdout.partition("Nothing is open to the outside. ")[2]
    assert notes.splitlines()[:4] == [
        "To open a node port: helm upgrade job CHART --namespace default --reset-then-reuse-values "
        "--set nodePort.enabled=true",
        "To open one for each worker: the same with perWorker.enabled=true",
        "To open a load balancer: the same with loadBalancer.enabled=true",
        "To open a node port: the same with sidePort.enabled=true",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("sidePort.port=30001",), "sidePort.port: it is set, but sidePort.enabled is false"),
        (("sidePort.ports[0]=5",), "sidePort.ports[0]: it is a number, and must be text"),
        (("sidePort.enabled=true", "workersPerPod=2"), "workersPerPod: it is 2, but sidePort.enabled=true needs one"),
        (("sidePort.enabled=true", "sidePort.ports={no}"), "sidePort.ports[0]: the workers have no port no"),
        (("sidePort.enabled=true", "sidePort.nodePorts.no=30001"), "sidePort.nodePorts.no: it is no exposed port"),
        (("sidePort.enabled=true", "sidePort.port=5"), "sidePort.port: 5 is outside the cluster's node ports"),
        (
            ("sidePort.enabled=true", "sidePort.port=30001", "nodePort.enabled=true", "nodePort.port=30001"),
            "sidePort.port: node port 30001 is given to nodePort.port too",
        ),
        (("sidePort.labels.t2-job=x",), "sidePort.labels: t2-job is the chart's own"),
        (("sidePort.annotations.a=5",), "sidePort.annotations: the value of a is no text"),
        (
            ("sidePort.enabled=true", "networkPolicy.allowFrom={10.0.0.0/8}"),
            "with sidePort.externalTrafficPolicy=Cluster the nodes put their own address",
        ),
        (
            tuple(f"extraObjects[0].{one}" for one in ("apiVersion=v1", "kind=Service", "metadata.name=job-sideport")),
            "Service job-sideport is a name of the chart's own objects",
        ),
        (
            (
                "extraObjects[0].apiVersion=networking.k8s.io/v1",
                "extraObjects[0].kind=Ingress",
                "extraObjects[0].metadata.name=job-sideport",
            ),
            "Ingress job-sideport is a name of the chart's own objects",
        ),
    ],
)  # fmt: skip
def test_the_rules_of_all_exposures_hold_for_a_new_one(install, settings, message):
    result = install(*settings)
    assert result.returncode != 0 and message in result.stderr
