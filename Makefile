# The two commands that a newcomer needs are `make demo` and `make test`; both install and build what they need.
# Slow builds are kept outside the checkout, in $(CACHE).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup tools test golden docs clean

CACHE := $(or $(TWISTER2_JOB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/twister2-job)
VENV := .venv
PYTHON := $(VENV)/bin/python
export PYTHONDONTWRITEBYTECODE := 1

help:  ## Say what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

$(VENV)/.stamp: tests/requirements.txt
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

$(CACHE)/tools/.stamp: tests/tools/go.mod tests/tools/go.sum
	echo "building ct and helm-docs (half a minute) ..."
	mkdir -p $(CACHE)/tools
	cd tests/tools
	CGO_ENABLED=0 go build -trimpath -o $(CACHE)/tools/ github.com/helm/chart-testing/v3/ct github.com/norwoodj/helm-docs/cmd/helm-docs
	touch $@

setup: $(VENV)/.stamp $(CACHE)/tools/.stamp  ## Install and build what the tests need
	@python3 devcluster/helm_binaries.py 3.17.2 3.19.0 4.1.4 4.3.1 >/dev/null

test: setup  ## Run every test
	$(PYTHON) -m pytest -q tests

golden: setup  ## Write the golden renderings of the chart anew
	$(PYTHON) -m tests.chart.write_golden

docs: setup  ## Write the table of values in the chart's README anew
	cd charts/twister2-job
	$(CACHE)/tools/helm-docs --sort-values-order file

clean:  ## Remove what make made in this checkout
	rm -rf $(VENV) dist build
