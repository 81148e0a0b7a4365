"""The document of the ConfigMap, and what `--watch` prints."""

import json

import pytest
from twister2_job.cli.output import changed_addresses
from twister2_job.errors import RefusedError
from twister2_job.exposure.model import Address, JobAddresses, Worker
from twister2_job.exposure.publish import LIMIT, document


def address(number, host, port="worker"):
    return Address("perWorker", port, "TCP", host, number, f"{host}:{number}", service="s", state="available")


def job(workers, hosts):
    rows = (
        Worker(w, 0, f"job-0-{w}", 0, "node-1", True, addresses=tuple(address(30000 + w, h) for h in hosts))
        for w in range(workers)
    )
    return JobAddresses("job", "data", 1, (), tuple(rows))


def test_the_document_is_that_of_the_command():
    report = job(2, ["10.0.0.1", "10.0.0.2"])
    assert json.loads(document(report)) == report.to_dict()


def test_a_big_job_has_the_best_address_of_each_port_and_says_so():
    report = job(2000, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    text = document(report)
    data = json.loads(text)
    assert len(text) <= LIMIT and "best one" in data["warnings"][0]
    assert [[a["host"] for a in worker["addresses"]] for worker in data["workers"]] == [["10.0.0.1"]] * 2000


def test_too_many_addresses_are_refused_with_a_sentence():
    with pytest.raises(RefusedError, match="1 MiB"):
        document(job(6000, ["10.0.0.1"]))


def test_changes_are_lines_with_a_sign():
    old, new = job(2, ["10.0.0.1"]), job(3, ["10.0.0.1"])
    assert changed_addresses(None, old) == ["+ 0 worker 10.0.0.1:30000", "+ 1 worker 10.0.0.1:30001"]
    assert changed_addresses(old, new) == ["+ 2 worker 10.0.0.1:30002"]
    assert changed_addresses(new, old) == ["- 2 worker 10.0.0.1:30002"]
    assert changed_addresses(old, old) == []
