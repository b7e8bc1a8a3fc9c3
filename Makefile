# Every target makes .venv if it is missing, and renews it when the requirements changed. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Without byte code each worker process would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
JOBS ?= 2
# Neighbours share fixtures, such as a trained project, so each process starts with a run of neighbours.
SPREAD := --dist worksteal
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help venv demo test test-all postgresql browser lint format bench requirements clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

# One rule, so that the order holds: environment, hashed requirements, this package.
$(STAMP): requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || { echo "creating $(VENV) with $(PYTHON)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "installing requirements/dev.txt (some minutes the first time)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

venv: $(STAMP) ## create .venv and install what everything here needs

demo: $(STAMP) ## a year of real flights through the whole circle
	@$(BIN)/python examples/flights/demo.py

test: $(STAMP) postgresql browser ## what must hold, quick (JOBS=2 processes)
	@$(BIN)/python -m pytest -n $(JOBS) $(SPREAD) -m "not slow" $(ARGS)

test-all: $(STAMP) postgresql browser ## the slow tests too
	@$(BIN)/python -m pytest -n $(JOBS) $(SPREAD) $(ARGS)

postgresql:
	@scripts/ensure-postgresql

browser:
	@scripts/ensure-browser

lint: $(STAMP) ## ruff and mypy, changing nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP) ## let ruff sort imports and lay out the code
	@$(BIN)/ruff check --fix-only --select I .
	@$(BIN)/ruff format .

bench: $(STAMP) ## the speeds that are promised, as ratios within one run
	@$(BIN)/python -m benchmarks $(ARGS)

requirements: ## resolve pyproject.toml anew into requirements/, with hashes
	@scripts/resolve-requirements

clean: ## remove what the targets above made, .venv included
	@rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
