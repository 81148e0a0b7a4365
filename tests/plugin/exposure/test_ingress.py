"""Addresses of Ingresses, from objects as kubectl returns them."""

import json
import shlex
from importlib import resources
from types import SimpleNamespace

import jsonschema
import pytest
from twister2_job.cli.output import addresses_env, addresses_table, changed_addresses, check_table
from twister2_job.cli.printing import print_addresses
from twister2_job.exposure.addresses import report
from twister2_job.reach.check import AddressResult, CheckResult

from .test_addresses import pod
from .test_ways import cluster, ingress

SCHEMA = json.loads(resources.files("twister2_job").joinpath("address.schema.json").read_text())


def shared(item, **options):
    found = report("job", cluster(item, **options))
    jsonschema.validate(found.to_dict(), SCHEMA)
    return found.shared


def test_the_host_of_the_rule_is_the_address_and_the_controllers_what_it_leads_to():
    (found,) = shared(ingress())
    assert (found.via, found.port, found.protocol, found.source) == ("ingress", "worker", "TCP", "hostname")
    assert (found.host, found.number, found.address) == ("w.example.com", 80, "w.example.com:80")
    assert (found.url, found.service) == ("http://w.example.com/", "Ingress/job-worker")
    assert (found.state, found.reason, found.leads_to) == ("available", "", ("192.0.2.7",))


def test_with_tls_it_is_port_443_and_https():
    (found,) = shared(ingress(tls=True))
    assert (found.address, found.url) == ("w.example.com:443", "https://w.example.com/")


def test_without_a_host_each_address_that_the_controller_reports_is_one():
    found = shared(ingress(host="", path="/w-3", at=("192.0.2.7", "fd00::7", "lb.example.com")))
    assert [(a.address, a.url, a.family, a.source) for a in found] == [
        ("192.0.2.7:80", "http://192.0.2.7/w-3", "IPv4", "status"),
        ("[fd00::7]:80", "http://[fd00::7]/w-3", "IPv6", "status"),
        ("lb.example.com:80", "http://lb.example.com/w-3", "", "status"),
    ]


@pytest.mark.parametrize("host", ["w.example.com", ""])
def test_it_is_pending_until_a_controller_reports_an_address(host):
    (found,) = shared(ingress(host=host, at=()))
    assert (found.state, found.host, found.number) == ("pending", host, 80)
    assert found.reason == "no Ingress controller has reported an address; is there one for the class traefik?"


def test_a_worker_that_is_not_ready_is_the_reason_that_is_told():
    (found,) = shared(ingress(at=()), pods=[pod(0, "node-1", ready=False)])
    assert found.state == "pending" and found.reason.startswith("worker 0 (job-0-0): ")


def test_an_ingress_that_is_being_deleted_has_failed():
    item = ingress()
    item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    (found,) = shared(item)
    assert (found.state, found.reason) == ("failed", "the Ingress is being deleted")


def test_those_of_single_workers_are_theirs_and_of_a_worker_to_come_reserved():
    items = [ingress(f"job-w-{n}-ui", worker=n, host=f"w{n}.example.com", port="ui") for n in range(3)]
    found = report("job", cluster(*items))
    assert not found.shared
    assert [[(a.host, a.port, a.state) for a in w.addresses] for w in found.workers] == [
        [("w0.example.com", "ui", "available")],
        [("w1.example.com", "ui", "available")],
        [("w2.example.com", "ui", "reserved")],
    ]


def test_forms_of_output():
    found = report("job", cluster(ingress(path="/a")))
    assert "http://w.example.com/a" in addresses_table(found)
    url = "http://w.example.com/a"
    assert addresses_env(found) == f"TWISTER2_JOB_ADDRESS=w.example.com:80\nTWISTER2_JOB_URL={url}"
    assert changed_addresses(None, found) == [f"+ any worker {url}"]


@pytest.fixture
def by_path():
    items = [ingress(f"job-w-{n}-worker", worker=n, host="a.example.com", path=f"/w/{n}") for n in range(2)]
    return report("job", cluster(*items))


URLS = ["http://a.example.com/w/0", "http://a.example.com/w/1"]


def test_workers_that_differ_by_path_differ_in_every_form(by_path, capsys):
    lines = addresses_env(by_path).splitlines()
    told = [one for one in lines if "URL" in one]
    assert told == [f"TWISTER2_JOB_WORKER_{n}_URL={url}" for n, url in enumerate(URLS)]
    for worker, urls in ((None, URLS), (1, URLS[1:])):
        print_addresses(by_path, SimpleNamespace(output="plain", worker=worker, port="", first=False))
        assert capsys.readouterr().out.splitlines() == urls
    assert [line.split()[-1] for line in changed_addresses(None, by_path)] == URLS
    results = tuple(AddressResult(w.id, w.addresses[0], "answered") for w in by_path.workers)
    table = check_table(CheckResult("job", "data", "here", "checked", results))
    assert all(url in table for url in URLS)


def test_a_url_can_be_evaluated_by_a_shell():
    """Whoever may write an Ingress of the job must not run commands on the user's machine."""
    found = report("job", cluster(ingress(path="/a;b$(c)")))
    (line,) = [one for one in addresses_env(found).splitlines() if "URL" in one]
    assert shlex.split(line) == ["TWISTER2_JOB_URL=http://w.example.com/a;b$(c)"] and "'" in line
