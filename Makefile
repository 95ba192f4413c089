# `make` sets everything up and computes every figure at the default scale; `make test` sets
# everything up and runs the tests; `make quick` runs those that start no driver, for daily work.
# All need Python 3.11 or newer, and nothing else.

# Scripts in .venv name its folder and its Python: where these are others, it is made anew.
RECENT = -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
HERE = . .venv/bin/activate && test "$$VIRTUAL_ENV" -ef .venv && .venv/bin/python $(RECENT)
WANTED = test -z "$(PYTHON)" || test "$$(.venv/bin/python -V)" = "$$($(PYTHON) -V)"
STALE := $(shell { ($(HERE)) && ($(WANTED)); } >/dev/null 2>&1 || echo stale)
NAMES = python3.11 python3.12 python3.13 python3
FOUND = $(shell for name in $(NAMES); do $$name $(RECENT) && echo $$name && break; done)
PYTHON ?= $(if $(STALE),$(FOUND),.venv/bin/python)
CORES ?= all
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: all setup test quick lint audit benchmarks overhead lock clean
all: setup
	snakemake --cores $(CORES)

setup: .venv/installed
stale:
.venv/installed: requirements.lock pyproject.toml $(STALE)
	@$(PYTHON) $(RECENT) || { echo "error: $(or $(PYTHON),python3): this project needs Python" \
	    "3.11 or newer; run \`make setup PYTHON=/path/to/python3.11\`." >&2; exit 1; }
	@echo "Installing the locked libraries into .venv (torch is large: some minutes) ..."
	$(PYTHON) -m venv $(if $(STALE),--clear) .venv
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock
	.venv/bin/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

test: setup lint
	python -m pytest

quick: setup lint
	python -m pytest -m "not slow"

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules

# Known vulnerabilities of the locked versions; asks the package index's advisory service.
audit: setup
	python -m tests.audit

# What docs/benchmarks.md shows, on the CPU, in about seventeen minutes; leave the machine alone
# meanwhile. A file keeps three times: run this again at other hours.
B = python -m benchmarks
R = benchmarks/results
THIN = --depth 8 --channels 8 --batch 128
benchmarks: export PYTHONPATH = .peers
benchmarks: setup .peers
	$(B).views --json $(R)/views.json
	$(B).pretrain --repetitions 5 --json $(R)/pretrain.json
	$(B).step $(THIN) --json $(R)/step-thin.json
	$(B).step --depth 18 --channels 64 --batch 32 --repetitions 3 --json $(R)/step.json
	$(B).epoch $(THIN) --images 4096 --repetitions 3 --json $(R)/epoch-thin.json
	$(B).epoch --depth 18 --channels 16 --batch 128 --images 1024 --repetitions 3 --json $(R)/epoch.json
	$(B).evaluate --depth 18 --channels 16 --images 2000 --epochs 5 --repetitions 3 --json $(R)/evaluate.json
	$(B).loss --repetitions 3 --json $(R)/loss.json
	$(B).memory --json $(R)/memory.json
	$(B).loader --repetitions 3 --json $(R)/loader.json
	$(B).report
	python -m workflow.docs.cost_page

# Whom benchmarks.loss and benchmarks.epoch compare with, and what of their dependencies they import
# that is not here already.
.peers: | setup
	python -m pip install --quiet --no-deps --target .peers lightly==1.6.0 lightly_utils==0.0.2 \
	    lightning-utilities==0.15.2 solo-learn==1.0.2 pytorch-metric-learning==2.9.0

# What the drivers take where everything is done, for docs/planning.md: eleven minutes.
overhead: setup
	$(B).overhead --json $(R)/overhead.json
	python -m workflow.docs.cost_page

# New versions of the dependencies: needs `uv` (pip install uv). Every key changes with them.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --fork-strategy fewest --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv
