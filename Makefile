# `make` sets everything up and computes every figure at the default scale; `make test` sets
# everything up and runs the tests. Both need Python 3.11 or newer, and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= all
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: all setup test lint lock clean
all: setup
	snakemake --cores $(CORES)

setup: .venv/installed
.venv/installed: requirements.lock pyproject.toml
	@echo "Installing the locked libraries into .venv (torch is large: some minutes) ..."
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

test: setup lint
	python -m pytest

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --workflow-profile none

# New versions of the dependencies: needs `uv` (pip install uv). Every key changes with them.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --fork-strategy fewest --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv results/*/tmp results/*/locks
