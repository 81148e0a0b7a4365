# The two commands that a newcomer needs are `make demo` and `make test`; both install and build what they need.
# What is slow to get is kept outside the checkout, in $(CACHE).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help setup install-wrapper install-helm tools images kubernetes lint unit image-test cluster-test devcluster-test test demo demo-twister2 down golden docs benchmark package fuzz clean

CACHE := $(or $(TWISTER2_JOB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/twister2-job)
VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(PYTHON) -m pytest -q
DEVCLUSTER := devcluster/devcluster
HELM := $(CACHE)/helm/4.3.1
STAYS = printf '\n%s\n%s\n' "The cluster stays up. Work with it in a shell:   $(DEVCLUSTER) shell" \
  "Stop it, and nothing of it is left:              make down"
# `make demo CLUSTER=current` uses the cluster of your kubeconfig in place of the development cluster.
CLUSTER := devcluster
# `make demo WITH=load-balancer,gateway` shows these ways in as well; on a cluster of your own it needs them already.
WITH :=
# The Gateway of the demo, NAMESPACE/NAME.
GATEWAY := gateways/devcluster
ADDONS := load-balancer,gateway,ingress
CASES := 5000
SEED :=
export PYTHONDONTWRITEBYTECODE := 1

help:  ## Say what there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 20

$(VENV)/.stamp: pyproject.toml
	@echo "installing the Python packages into $(VENV) (a minute) ..."
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --wheel-dir $(VENV)/wheels . 'hatchling>=1.27' setuptools
	rm $(VENV)/wheels/twister2_job-*.whl
	touch $@

# A stamp is named by what it was made of: the files of a new clone are new, and their content is not.
stamp = $(CACHE)/tools/.$(1)-$(shell cat $(2) | sha256sum | cut -c1-16)
LINTERS := $(call stamp,linters,tests/tools/go.mod tests/tools/go.sum)
RENDER := $(call stamp,render,tests/tools/render/go.mod tests/tools/render/go.sum tests/tools/render/main.go)
KUBE_SCORE := $(call stamp,kube-score,tests/tools/lint/go.mod tests/tools/lint/go.sum)
CHECKOV := $(call stamp,checkov,tests/tools/checkov.txt)
# Arguments: folder, what to build, and the stamp's name; those of other content go, since there is one program.
define build
mkdir -p $(CACHE)/tools
rm -f $(CACHE)/tools/.$(3)-*
go=$$(PYTHONPATH=devcluster python3 -c 'from cluster.install import go; print(go())')
cd $(1)
CGO_ENABLED=0 GOTOOLCHAIN=local "$$go" build -trimpath -o $(CACHE)/tools/ $(2)
touch $@
endef

$(LINTERS):
	@echo "building ct and helm-docs (two minutes the first time) ..."
	$(call build,tests/tools,github.com/helm/chart-testing/v3/ct github.com/norwoodj/helm-docs/cmd/helm-docs,linters)

$(RENDER):  # Helm's own library as a program that renders many values in one process, for the fuzzing.
	@echo "building what renders the chart for the fuzzing (two minutes the first time) ..."
	$(call build,tests/tools/render,.,render)

$(KUBE_SCORE):
	@echo "building kube-score (a minute the first time) ..."
	$(call build,tests/tools/lint,github.com/zegl/kube-score/cmd/kube-score,kube-score)

$(CHECKOV):
	@echo "installing checkov (a minute, 290 MB) ..."
	rm -f $(CACHE)/tools/.checkov-*
	python3 -m venv --clear $(CACHE)/tools/checkov
	$(CACHE)/tools/checkov/bin/pip install --quiet --disable-pip-version-check --requirement tests/tools/checkov.txt
	touch $@

tools: $(LINTERS) $(RENDER) $(KUBE_SCORE) $(CHECKOV)

install-wrapper: $(VENV)/.stamp

install-helm:
	@python3 devcluster/helm_binaries.py 4.3.1 >/dev/null

setup: install-wrapper tools  ## Install and build what the tests need
	@python3 devcluster/helm_binaries.py 3.17.2 3.19.0 4.1.4 4.3.1 >/dev/null

lint: setup  ## Check the style of all Python and shell, and that imports go down the layers
	$(VENV)/bin/ruff check plugin devcluster tests benchmarks
	$(VENV)/bin/ruff check devcluster/devcluster
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

images: setup  # What Twister2 jobs run in, in the tests.
	@python3 tests/images/build.py >/dev/null

unit: setup  ## Run the tests that need no cluster and no root
	$(PYTEST) -n 2 --dist worksteal tests/chart tests/plugin

image-test: images  ## Run the tests of the images that Twister2 jobs run in, in the tests; needs root
	$(PYTEST) tests/images

cluster-test: images  ## Run the tests on the development cluster
	$(DEVCLUSTER) up --with $(ADDONS)
	$(DEVCLUSTER) load $$(python3 tests/images/build.py)
	$(DEVCLUSTER) exec -- $(PYTEST) -n 3 --maxschedchunk 1 tests/cluster --kubeconfig "$$($(DEVCLUSTER) kubeconfig)"

devcluster-test: images  ## Run the tests of the development cluster itself; it is down afterwards
	$(DEVCLUSTER) install --with $(ADDONS)
	$(DEVCLUSTER) down
	$(PYTEST) tests/devcluster

kubernetes: setup  # Some unit tests need its kubectl.
	@$(DEVCLUSTER) install

test: lint kubernetes unit image-test cluster-test devcluster-test  ## Run every test

demo: install-wrapper install-helm  ## Run a job, print an address that answers (CLUSTER=current: on your own cluster)
	@export PATH="$$PWD/$(VENV)/bin:$(HELM):$$PATH" WITH="$(WITH)" GATEWAY="$(GATEWAY)"
	case "$(CLUSTER)" in
	  devcluster)
	    $(DEVCLUSTER) up $(if $(WITH),--with "$(WITH)")
	    $(DEVCLUSTER) exec -- devcluster/demo
	    $(STAYS)
	    ;;
	  current) devcluster/demo ;;
	  *) echo "CLUSTER=$(CLUSTER) is not known; leave it out, or say CLUSTER=current." >&2; exit 2 ;;
	esac

demo-twister2: install-wrapper install-helm  ## Run Twister2's own classes: a job to its end, workers reached from outside
	@export PATH="$$PWD/$(VENV)/bin:$(HELM):$$PATH"
	jar=$$(python3 tests/images/build.py --jar)
	$(DEVCLUSTER) up
	$(DEVCLUSTER) load $$(python3 tests/images/build.py twister2)
	$(DEVCLUSTER) exec -- devcluster/demo-twister2 "$$jar"
	$(STAYS)

down:  ## Stop the development cluster
	@$(DEVCLUSTER) down

golden: setup  ## Write the golden renderings of the chart anew
	$(PYTHON) -m tests.chart.write_golden

# Every release holds the chart's README, so the table of values is in docs/.
docs: tools  ## Write the chart's README and docs/values.md anew
	cd charts/twister2-job
	$(CACHE)/tools/helm-docs
	$(CACHE)/tools/helm-docs --sort-values-order file --template-files values.md.gotmpl --output-file ../../docs/values.md

# `make fuzz CASES=500 SEED=7` generates so many values out of that seed; without SEED each run has its own.
fuzz: setup  ## Render generated values of the chart, and ask the development cluster whether it takes them (10 minutes)
	$(DEVCLUSTER) up --with $(ADDONS)
	$(DEVCLUSTER) exec -- $(PYTHON) -m tests.fuzz --cases "$(CASES)" --seed "$(SEED)" --kubeconfig "$$($(DEVCLUSTER) kubeconfig)"

benchmark: setup  ## Measure the project's figures on the development cluster (30 minutes)
	$(DEVCLUSTER) up
	PATH="$(HELM):$$PATH" $(DEVCLUSTER) exec -- $(PYTHON) benchmarks/main_job.py
	HELM_BIN=$(CACHE)/helm/3.19.0/helm $(DEVCLUSTER) exec -- $(PYTHON) benchmarks/main_job.py
	PATH="$(HELM):$$PATH" $(DEVCLUSTER) exec -- $(PYTHON) benchmarks/per_worker.py
	PATH="$(HELM):$$PATH" $(DEVCLUSTER) exec -- $(PYTHON) benchmarks/lost_connections.py
	$(DEVCLUSTER) up --with gateway
	PATH="$(HELM):$$PATH" $(DEVCLUSTER) exec -- $(PYTHON) benchmarks/gateway.py

package: setup  ## Make the Helm plugin's release tarball in dist/
	sh plugin/scripts/package.sh

clean:  ## Remove what make made in this checkout
	rm -rf $(VENV) dist build
