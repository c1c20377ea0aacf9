# Needs python3 (3.11 or later, with venv), make and git; everything else is set up inside this checkout.
# Another Python: make PYTHON=/usr/bin/python3.12 test

PYTHON ?= python3
WORKERS ?= 2

export PYTHON

# Tests of one `xdist_group` share a worker where xdist and pytest agree on it; xdist 3.8 with pytest 9.2 do not.
PYTEST = .venv/bin/pytest --quiet --numprocesses=$(WORKERS) --dist=loadgroup
OFFLINE = scripts/without_network.sh

.DEFAULT_GOAL := help
.PHONY: help venv demo test check lint offline scenarios bench drift oldest clean

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

venv: ## Sets up .venv from the lock; .venv/bin/trustplane is the command
	@scripts/venv.sh

demo: venv ## Brings up a whole mesh on this machine; Ctrl-C takes it down
	@.venv/bin/trustplane demo

test: venv ## Proves everything: lint, types, contracts, drift, every test, real Envoys; what CI runs
	@scripts/debian_packages.sh
	@scripts/envoy_builds.sh
	@scripts/lint.sh
	@.venv/bin/python scripts/drift.py
	@$(OFFLINE) --if-allowed $(PYTEST)

check: venv ## Lint, types, import contracts, house rules, unit and property tests; no network
	@scripts/lint.sh
	@$(OFFLINE) --if-allowed $(PYTEST) -m "not scenario"

lint: venv ## Only format, lint, types and import contracts
	@scripts/lint.sh

offline: venv ## The tests of check with every network but loopback taken away, or not at all
	@$(OFFLINE) $(PYTEST) -m "not scenario"

scenarios: venv ## Real processes and real Envoys, one after the other, the long ones too
	@scripts/debian_packages.sh
	@scripts/envoy_builds.sh
	@TRUSTPLANE_LONG=1 .venv/bin/pytest -m "scenario or long" tests/scenarios tests/properties tests/benchmarks

bench: venv ## The figures the README quotes, one JSON object for each benchmark
	@set -e; for benchmark in benchmarks/[a-z]*.py; do .venv/bin/python -m "benchmarks.$$(basename "$$benchmark" .py)"; done

drift: venv ## Regenerates everything generated and fails if anything had drifted
	@.venv/bin/python scripts/drift.py

oldest: venv ## The tests of check with the oldest dependencies pyproject.toml allows
	@scripts/oldest.sh $(PYTEST) -m "not scenario"

clean: ## Removes everything that make sets up or tests leave
	@rm -rf .venv .tools .cache .run .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find src tests scripts benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
