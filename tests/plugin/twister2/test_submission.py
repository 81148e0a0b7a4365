"""What `submit` is given, as values: settings with their types, sources of the jar, and what makes no sense."""

import json

import pytest
from twister2_job.cli.parser import parse
from twister2_job.errors import UsageError
from twister2_job.twister2.submission import Submission, check_url, config, submission_time, typed, values, zookeeper


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("8000000000", 8_000_000_000),
        ("true", True),
        ("false", False),
        ("[a, b]", ["a", "b"]),
        ('["a", 1]', ["a", 1]),
        ("{a: 1}", "{a: 1}"),
        ('"5"', "5"),
        ("'true'", "true"),
        ("text", "text"),
        ("a, b", "a, b"),
        ("", ""),
        ("007", "007"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("True story", "True story"),
        ("null", "null"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        (" text ", " text "),
    ],
)
def test_settings_have_the_type_that_they_look_like(text, value):
    found = typed(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["[a", '"a', "[2020-01-01]"])
def test_what_is_not_closed_is_refused(text):
    with pytest.raises(UsageError, match="--config"):
        typed(text)


def test_the_later_setting_wins_and_keys_keep_their_points():
    assert config(["a.b=1", "c=x=y", "a.b=2"]) == {"a.b": 2, "c": "x=y"}


@pytest.mark.parametrize("pair", ["a", "=1", " =1"])
def test_a_setting_without_a_key(pair):
    with pytest.raises(UsageError, match="KEY=VALUE"):
        config([pair])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Submission(), "nothing to run"),
        (Submission(jar="a.jar"), "class of the workers is missing"),
        (Submission(jar="a.jar", worker_class="A", url_secret="s"), "Leave one of them out"),
        (Submission(package="p", jar="a.jar"), "A package has its own"),
        (Submission(package="p", worker_class="A"), "A package has its own"),
        (Submission(package="p", config={"a": 1}), "A package has its own"),
        (Submission(jar="https://user:secret@host/a.jar", worker_class="A"), "--url-secret"),
    ],
)
def test_what_makes_no_sense_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        given.check()


@pytest.mark.parametrize(
    "given",
    [
        Submission(jar="a.jar", worker_class="A"),
        Submission(jar="https://host/a.jar", worker_class="A"),
        Submission(url_secret="s:k", worker_class="A"),
        Submission(package="p"),
        Submission(package="p", url_secret="s"),
    ],
)
def test_what_makes_sense(given):
    given.check()


@pytest.mark.parametrize(
    "query",
    ["X-Amz-Signature=1", "sig=1", "token=1", "X-Goog-Signature=1", "api_key=1", "access_token=1", "code=Ab3_Ab3_Ab3_"],
)
def test_signed_urls_are_credentials(query):
    with pytest.raises(UsageError, match="Secret"):
        check_url(f"https://host/a.jar?version=1&{query}")
    check_url("https://host/design/a.jar?version=1&signed=no&code=200")


def test_where_the_pods_get_the_jar_from():
    local = values(Submission(jar="a.jar", worker_class="A", driver="D", config={"k": 1}), ["job-jar-0"], "abc")["job"]
    assert local["jar"] == {"configMaps": ["job-jar-0"], "sha256": "abc"}
    assert (local["class"], local["driver"], local["config"]) == ("A", "D", {"k": 1})
    assert local["submissionTime"].isdigit() and abs(int(local["submissionTime"]) - int(submission_time())) < 5000
    by_url = values(Submission(jar="HTTP://host/a.jar", worker_class="A"), [], "")["job"]
    assert by_url["jar"] == {"url": "HTTP://host/a.jar"} and "driver" not in by_url
    secret = Submission(url_secret="s:k", worker_class="A")
    assert not secret.local and values(secret, [], "")["job"]["jar"] == {"urlSecret": {"name": "s", "key": "k"}}
    assert Submission(url_secret="s").source([], "abc") == {"urlSecret": {"name": "s"}, "sha256": "abc"}
    json.dumps(local)


@pytest.mark.parametrize(
    "words",
    [
        ["submit", "job", "a.jar", "--class", "A", "--config", "a=1", "--config", "b=2", "--set", "x=y"],
        ["submit", "job", "--class", "A", "a.jar", "--config", "a=1", "--config", "b=2", "--set", "x=y"],
        ["submit", "--class", "A", "--config", "a=1", "--config", "b=2", "--set", "x=y", "job", "a.jar"],
    ],
)
def test_the_jar_may_stand_anywhere(words):
    found = parse(words)
    assert (found.name, found.jar, found.worker_class, found.config) == ("job", "a.jar", "A", ["a=1", "b=2"])
    assert found.arguments == ["--set", "x=y"]


@pytest.mark.parametrize(
    "words", [["submit", "job", "a.jar", "b.jar"], ["submit", "job", "a.jar", "--no"], ["wait", "a", "b"]]
)
def test_words_that_mean_nothing_are_refused(words, capsys):
    with pytest.raises(SystemExit):
        parse(words)
    assert "unrecognized" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({}, ""),
        ({"root.node.path": "/mine"}, ""),
        ({"server.addresses": "zk:2181"}, "/twister2/TIME/job,"),
        ({"server.addresses": "zk:2181", "root.node.path": "/mine/"}, " /mine/TIME/job,"),
    ],
)
def test_where_the_next_run_keeps_its_state(settings, path):
    given = {f"twister2.resource.zookeeper.{key}": value for key, value in settings.items()}
    told = zookeeper("job", given)
    assert path in told and bool(told) == bool(path)
    assert path.replace("/TIME/job,", "/job,") in zookeeper("job", given, packaged=True)
