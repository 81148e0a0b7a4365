"""Which Helm is used, and that its version is known: by asking it, once."""

import asyncio
import json
import os
import shutil
import time

import pytest
from twister2_job.clients import helm_version as module
from twister2_job.clients.connection import find_helm
from twister2_job.clients.helm_version import helm_version
from twister2_job.errors import HelmMissingError

from tests.conftest import HELM_VERSIONS, helm_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A place of our own for what is kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "twister2-job"


def script(path, text):
    """Write a shell script that takes the place of Helm."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def asked(path):
    """Return the version of a Helm."""
    return asyncio.run(helm_version(str(path)))


@pytest.fixture
def binary(tmp_path):
    """A copy of a real Helm."""
    return shutil.copy(helm_path(HELM_VERSIONS[0]), tmp_path / "helm")


def test_a_helm_that_is_named_and_missing_is_not_replaced_by_another(tmp_path, monkeypatch):
    good = script(tmp_path / "helm", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "plain").write_text("no program")
    for named in ("/not/there", str(tmp_path), str(tmp_path / "plain"), "no-such-helm", "./helm2"):
        monkeypatch.setenv("HELM_BIN", named)
        with pytest.raises(HelmMissingError, match="HELM_BIN") as error:
            find_helm()
        assert named in error.value.message and error.value.exit_code == 15
    for named in ("helm", good, ""):  # Helm itself sets the variable for its plugins, maybe to its bare name.
        monkeypatch.setenv("HELM_BIN", named)
        assert find_helm() == good


@pytest.mark.parametrize("version", HELM_VERSIONS)
def test_every_helm_says_its_version(version):
    assert asked(helm_path(version)) == tuple(map(int, version.split(".")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo v3.16.4+gdead", ["3.16.4", "3.17"]),
        ("echo 'Client: v2.17.0+gdead'; echo 'Error: could not find tiller' >&2; exit 1", ["2.17.0", "3.17"]),
        ("echo v3.19.0; echo 'Error: no such library' >&2; exit 127", ["no such library"]),
        ("exit 3", ["exit code 3"]),
        ("true", ["says nothing"]),
        ("echo unreleased", ["'unreleased'", "no version"]),
        ("kill -SEGV $$", ["signal 11"]),
        ("exec yes", ["printed more"]),
        ("exec /not/there", ["not"]),
    ],
)
def test_a_helm_that_is_old_or_of_no_known_version_is_refused(text, words, tmp_path, monkeypatch, cache):
    monkeypatch.setattr("twister2_job.clients.process.MOST", 2**20)
    with pytest.raises(HelmMissingError) as error:
        asked(script(tmp_path / "helm", text))
    assert all(word in str(error.value) for word in (*words, str(tmp_path / "helm"), "HELM_BIN")), error.value
    assert error.value.exit_code == 15 and not cache.exists()


@pytest.mark.parametrize(
    ("said", "version"), [("v3.17.0", (3, 17, 0)), ("v4.0.0-rc.1", (4, 0, 0)), ("v3.18", (3, 18, 0))]
)
def test_versions_of_other_builds(said, version, tmp_path):
    assert asked(script(tmp_path / "helm", f"echo {said}")) == version


def test_a_helm_that_hangs_is_given_up_and_can_be_interrupted(tmp_path, monkeypatch):
    hung = script(tmp_path / "helm", f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done")
    monkeypatch.setattr(module, "LIMIT", 0.5)
    began = time.monotonic()
    with pytest.raises(HelmMissingError, match="did not say its version"):
        asked(hung)
    monkeypatch.setattr(module, "LIMIT", 60)

    async def interrupted():
        await asyncio.wait_for(helm_version(hung), 0.5)

    with pytest.raises((asyncio.TimeoutError, TimeoutError)):
        asyncio.run(interrupted())
    assert time.monotonic() - began < 6
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_answer_is_kept_for_just_this_file(binary, cache):
    version = asked(binary)
    (kept,) = cache.iterdir()
    data = json.loads(kept.read_text())
    kept.write_text(json.dumps({**data, "version": [9, 8, 7]}))
    assert asked(binary) == (9, 8, 7)
    os.utime(binary)
    assert asked(binary) == version == asked(binary)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 3}', '{"version": [1, 2]}', "\x00", '"a"'])
def test_a_kept_answer_that_is_none_is_asked_for_again(text, binary, cache):
    version = asked(binary)
    (kept,) = cache.iterdir()
    good = kept.read_text()
    kept.write_text(text)
    assert asked(binary) == version and kept.read_text() == good and [*cache.iterdir()] == [kept]


@pytest.mark.parametrize("place", ["/dev/null/here", "/proc/here"])
def test_without_a_place_for_the_answer_it_is_asked_for_each_time(place, binary, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    assert asked(binary) == asked(binary)


def test_what_may_be_another_helm_tomorrow_is_asked_each_time(tmp_path, binary, cache):
    (tmp_path / "launcher").write_text(f"#!/bin/sh\necho $(cat {tmp_path}/now)\n")
    (tmp_path / "launcher").chmod(0o755)
    for said in ("v3.18.1", "v4.0.2"):  # As version managers do: one file, and the folder says which.
        (tmp_path / "now").write_text(said)
        assert asked(tmp_path / "launcher") == tuple(map(int, said[1:].split(".")))
    os.rename(binary, tmp_path / "snap")
    os.symlink(tmp_path / "snap", tmp_path / "helm")
    asked(tmp_path / "helm")
    assert not cache.exists()
