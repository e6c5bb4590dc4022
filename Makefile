# Each target does its own set-up. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/pytest
JOBS ?= 2
KILLS ?= 1000

.DEFAULT_GOAL := help
.PHONY: help install system engine engine-stop images demo test check lint type format unit \
        test-engine conformance property golden faults coverage bench docs screenshots \
        ci\:local dev\:clean clean

help: ## list the targets
	@sed -n 's/^\([^ #]*\): .*## \(.*\)/\1\t\2/p;s/^\([^ #]*\): ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) \
	  | tr -d '\\' | sort -u | awk -F '\t' '{printf "  %-12s %s\n", $$1, $$2}'

# --- set-up -------------------------------------------------------------------

$(STAMP): pyproject.toml
	@echo "install: spotci and its tools into $(VENV)"
	@$(PYTHON) tools/environment.py $(VENV)
	@touch $@

install: $(STAMP) ## make the virtual environment with spotci and its tools

engine: $(STAMP) ## make sure that a Docker engine answers
	@$(BIN)/python tools/engine.py

engine-stop: $(STAMP) ## stop the engine that `make engine` started
	@$(BIN)/python tools/engine.py --stop

images: engine ## pull the images that demo and tests use, or build stand-ins
	@$(BIN)/python tools/images.py

# --- run it -------------------------------------------------------------------

demo: images ## run the whole pipeline of fixtures/spot-platform
	@$(BIN)/python tools/demo.py

# --- checks -------------------------------------------------------------------

check: lint type test ## everything that CI runs

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP) ## mypy, strict
	$(BIN)/mypy

format: $(STAMP) ## rewrite the code in our format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: images ## all tests: units, conformance, the real engine, whole pipelines
	$(PYTEST) -m "not engine and not e2e" -n $(JOBS)
	$(PYTEST) -m "engine or e2e" --require-engine

unit: $(STAMP) ## the tests that need no Docker
	$(PYTEST) -m "not engine and not e2e" -n $(JOBS)

test-engine: images ## the tests on a real Docker engine
	$(PYTEST) -m "engine or e2e" --require-engine

conformance: $(STAMP) ## GitLab's own cases; CORPUS=DIR takes another folder of cases
	$(PYTEST) tests/conformance $(if $(CORPUS),--corpus "$(CORPUS)")

property: $(STAMP) ## property tests with many more examples
	HYPOTHESIS_PROFILE=thorough $(PYTEST) -m "not engine and not e2e" -k "property or hypothesis or any or every or never"

golden: $(STAMP) ## rewrite the golden files; read the diff before you commit it
	SPOTCI_GOLDEN=write $(PYTEST) tests/test_golden.py

faults: images ## kill, fill, attack: the long form; KILLS=N
	$(PYTEST) tests/faults -m engine --require-engine --kills $(KILLS) --log-cli-level=INFO

coverage: images ## measure the branches that all tests reach
	$(PYTEST) --cov --cov-report=term-missing:skip-covered --cov-report=html --require-engine

bench: images ## measure every budget beside gitlab-ci-local and bare containers
	@$(BIN)/python -m bench.run

docs: $(STAMP) ## write the pages of docs/ that are made from the code
	@$(BIN)/python tools/reference.py
	@$(BIN)/python tools/compatibility.py

screenshots: images ## make the pictures of docs/images; needs Chromium
	@$(BIN)/python -m tools.screenshots

# --- our own pipeline ---------------------------------------------------------

ci\:local: images ## run spotci's own pipeline with spotci; JOB=NAME runs one job
	$(BIN)/spotci run $(if $(JOB),--job "$(JOB)")

dev\:clean: $(STAMP) ## remove all that spotci left in the Docker engine
	$(BIN)/spotci clean

clean: ## remove what was built here
	rm -rf $(VENV) build dist htmlcov .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
