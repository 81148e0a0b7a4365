"""Values that an upgrade does not give: which went back to their defaults, and when that is nobody's wish."""

import asyncio

import pytest
from twister2_job.errors import NoClusterError
from twister2_job.release.dropped_values import described, dropped_paths
from twister2_job.release.operation import Request
from twister2_job.release.plan import resets_values


class Helm:
    """What is asked of Helm."""

    def __init__(self, *values):
        self.found = values

    async def values(self, name, revision):
        if isinstance(self.found[revision - 1], Exception):
            raise self.found[revision - 1]
        return self.found[revision - 1]


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"instances": 3}, {"nodePort": {"enabled": True}}, ["instances"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, ["a.c"]),
        ({"a": {"b": {"c": 2}}}, {"a": {"b": {}}}, ["a.b.c"]),
        ({"a": {"b": 1}}, {"a": 5}, []),
        ({"a": [1]}, {"a": []}, []),
        ({}, {"a": 1}, []),
    ],
)
def test_values_that_are_not_given_any_more_are_named(before, after, paths):
    assert list(dropped_paths(before, after)) == paths


@pytest.mark.parametrize(
    ("arguments", "values", "expected"),
    [
        (["--set", "a=b"], None, True),
        (["-f", "a.yaml"], None, True),
        ([], None, False),  # Helm keeps all of them then.
        (["--set", "a=b"], {"c": 1}, False),
        (["--reset-values", "--set", "a=b"], None, False),
        (["--set", "a=b", "--reuse-values"], None, False),
        (["--reset-then-reuse-values", "--set", "a=b"], None, False),
        (["--reuse-values=true", "--set", "a=b"], None, False),
    ],
)
def test_only_who_did_not_ask_for_it_is_told(arguments, values, expected):
    assert resets_values(Request("job", arguments, values)) is expected


def test_the_sentence_names_some_and_the_way_back():
    many = {f"key{number}": 1 for number in range(7)}
    sentence = asyncio.run(described(Helm(many, {}), "job", 1, 2))
    assert "key0, key1, key2, key3, key4 and 2 more" in sentence
    assert "`helm get values job --revision 1`" in sentence and "--reset-then-reuse-values" in sentence
    assert asyncio.run(described(Helm({"a": 1}, {"a": 2}), "job", 1, 2)) == ""
    assert asyncio.run(described(Helm({"a": 1}, NoClusterError("no")), "job", 1, 2)) == ""
