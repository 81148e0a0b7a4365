"""`pin` and `unpin` as functions over values; the upgrade itself is tested in tests/cluster."""

import sys

import pytest
import yaml
from twister2_job.errors import NotExposedError, UsageError
from twister2_job.release.pin import HEADER, check_file, live_numbers, merged, require_numbers, unpinned, write_file

from tests.conftest import HELM_VERSIONS, Template, run
from tests.plugin.release.test_preflight import with_live_ports

VALUES = {"additionalPorts": [{"name": "ui"}], "perWorker": {"enabled": True}, "nodePort": {"enabled": True}}


def live():
    arguments = ("--set", "nodePort.enabled=true,perWorker.enabled=true", "--set", "additionalPorts[0].name=ui")
    return with_live_ports(Template(HELM_VERSIONS[-1]).objects(*arguments))


def test_every_live_number_becomes_a_value():
    numbers = live_numbers(live())
    assert numbers["nodePort"]["enabled"] is True and set(numbers["nodePort"]["nodePorts"]) == {"worker", "ui"}
    assert numbers["perWorker"]["count"] == 2
    assert [sorted(one["nodePorts"]) for one in numbers["perWorker"]["overrides"].values()] == [["ui", "worker"]] * 2


def test_the_pinned_values_render_the_live_numbers(tmp_path):
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(merged(VALUES, live_numbers(live()))))
    found = Template(HELM_VERSIONS[0]).objects("-f", str(path))
    services = [one for one in found if one["kind"] == "Service"]
    expected = [one for one in live() if one["kind"] == "Service"]
    assert [one["spec"].get("ports") for one in services] == [one["spec"].get("ports") for one in expected]


def test_values_of_the_users_stay():
    base = {
        "nodePort": {"port": 30001, "advertisedHost": "h"},
        "perWorker": {"overrides": {"0": {"advertisedHost": "x"}}},
    }
    both = merged(base, live_numbers(live()))
    assert both["nodePort"]["port"] == 0 and both["nodePort"]["advertisedHost"] == "h"
    assert set(both["perWorker"]["overrides"]["0"]) == {"advertisedHost", "nodePorts"}
    assert base["nodePort"]["port"] == 30001


def test_unpinned_values_hold_no_number():
    pinned = merged({**VALUES, "perWorker": {"enabled": True, "nodePortBase": {"ui": 30000}}}, live_numbers(live()))
    pinned["perWorker"]["overrides"]["1"]["advertisedHost"] = "h"
    values = unpinned(pinned, 2)
    assert values["nodePort"] == {"enabled": True}
    assert values["perWorker"] == {
        "enabled": True, "type": "NodePort", "overrides": {"1": {"advertisedHost": "h"}},
    }  # fmt: skip
    assert unpinned(pinned, 1)["perWorker"]["count"] == 2
    assert "nodePorts" in pinned["perWorker"]["overrides"]["1"]


def test_nothing_to_pin():
    objects = Template(HELM_VERSIONS[-1]).objects("--set", "perWorker.enabled=true,perWorker.type=ClusterIP")
    with pytest.raises(NotExposedError, match="no node port to pin"):
        require_numbers("job", live_numbers(objects))


def test_a_file_of_the_users_is_not_overwritten(tmp_path):
    path = tmp_path / "job-ports.yaml"
    check_file(path, "job")
    write_file(path, "job", {"nodePort": {"enabled": True}})
    assert path.read_text().startswith(HEADER) and yaml.safe_load(path.read_text()) == {"nodePort": {"enabled": True}}
    check_file(path, "job")
    with pytest.raises(UsageError, match="--file"):
        check_file(path, "another")
    path.write_text("mine: true")
    with pytest.raises(UsageError, match="--file"):
        check_file(path, "job")


# What makes it, its path, and what is said of it.
NO_FILE = [
    ("mkdir x", "x", "is a folder"),
    ("mkfifo x", "x", "is a device or a pipe"),
    (":", "/dev/full", "is a device"),
    (":", "/dev/zero", "is a device"),
    (":", "/dev/null", "is a device or a pipe"),
    (":", "/dev/stdin", "is a device or a pipe"),
    (":", "-", "is a device or a pipe"),
    ("printf '\\x00\\xff' >x", "x", "exists and is not of `twister2-job pin job`"),
    ("head -c 1000000 /dev/urandom >x", "x", "exists and is not of"),
    ("truncate -s 100G x", "x", "exists and is not of"),
    (":", "no/such/x", "There is no folder"),
    ("touch file", "file/x", "There is no folder"),
    ("ln -s x x", "x", "Too many levels of symbolic links"),
    ("ln -s no/such x", "x", "There is no folder"),
    (":", "a" * 300, "File name too long"),
]
CHECK = """
import pathlib, resource, sys
from twister2_job.errors import UsageError
from twister2_job.release.pin import check_file
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
try:
    check_file(pathlib.Path(sys.argv[1]), "job")
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(("made", "path", "said"), NO_FILE, ids=[f"{made} {path[:9]}" for made, path, _ in NO_FILE])
def test_what_is_no_file_of_ports_is_refused_without_reading_it(tmp_path, made, path, said):
    run("sh", "-c", made, cwd=tmp_path)
    result = run(sys.executable, "-c", CHECK, path, cwd=tmp_path, timeout=20)
    assert said in result.stdout and result.stdout.endswith("--file.\n"), result.stdout + result.stderr


def test_a_link_to_a_file_that_is_still_to_be_made_is_taken(tmp_path):
    (tmp_path / "x").symlink_to("y")
    check_file(tmp_path / "x", "job")
    write_file(tmp_path / "x", "job", {})
    assert (tmp_path / "y").read_text().startswith(HEADER)
    check_file(tmp_path / "x", "job")
