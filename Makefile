# make demo   the whole graph on sample input, from nothing but Python 3.11 or newer
# make ui     the Dagster UI on the same data
# make test   the whole test suite
# make help   all targets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The local Dagster instance lies in the project, unless the user names one of their own, which is left as it is.
LOCAL_INSTANCE := $(CURDIR)/data/dagster
export DAGSTER_HOME ?= $(LOCAL_INSTANCE)
# Models are built from configurations; nothing is ever fetched from a hub.
export HF_HUB_OFFLINE := 1
export TRANSFORMERS_OFFLINE := 1

.DEFAULT_GOAL := help
WEB := hwbench_pipeline/bench/backends/web
.PHONY: help demo ui test lint docs catalog bench browser firefox webnn clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11. Fix: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.pipeline: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[pipeline]'
	@touch $@

$(VENV)/.dev: $(VENV)/.pipeline
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[pipeline,dev]'
	@touch $@

browser: $(VENV)/.pipeline ## A browser for the web platforms and the UI test, if this machine has none, and what its page loads
	@sh scripts/ensure_browser.sh $(BIN)/python
	@sh scripts/ensure_web_runtime.sh $(WEB)/page

firefox: $(VENV)/.pipeline ## Firefox, if this machine has none: HWBENCH_BROWSER=/usr/bin/firefox-esr measures in it
	@sh scripts/ensure_browser.sh $(BIN)/python firefox

webnn: $(VENV)/.pipeline ## A Chromium that is built with WebNN (npm's @sparticuz/chromium, 65 MB), where the usual browser has none
	npm ci --prefix $(WEB)/webnn_browser --ignore-scripts --no-audit --no-fund
	node $(WEB)/webnn_browser/unpack.mjs

$(LOCAL_INSTANCE)/dagster.yaml: dagster.yaml
	@mkdir -p $(LOCAL_INSTANCE)
	@cp dagster.yaml $@

demo: $(VENV)/.pipeline browser $(LOCAL_INSTANCE)/dagster.yaml ## The whole graph on sample input; run again, it does only what is missing
	$(BIN)/hwbench demo

ui: $(VENV)/.pipeline $(LOCAL_INSTANCE)/dagster.yaml ## The Dagster UI on http://127.0.0.1:3000, with its daemon
	@$(BIN)/python -W ignore -m hwbench_pipeline.orchestration.partitions
	$(BIN)/dagster dev -w workspace.yaml --host 127.0.0.1 --port 3000

test: $(VENV)/.dev browser firefox ## The whole test suite
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## Formatting, lint and types, mended where that can be done
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .
	$(BIN)/python -m mypy

docs: $(VENV)/.pipeline ## The generated pages of docs/
	$(BIN)/python -m hwbench_pipeline.schema.markdown > docs/tables.md
	$(BIN)/python -m hwbench_pipeline.reports.breadth data/coverage docs
	$(BIN)/python -W ignore -m hwbench_pipeline.reports.operations docs
	$(BIN)/python -m hwbench_pipeline.reports.web_experiments data/measured/web-experiments.parquet docs/web-experiments.html

catalog: $(VENV)/.dev ## Try every architecture anew, after a change of the catalog's rules (quarter of an hour)
	$(BIN)/python -m hwbench_pipeline.bench.deriving

bench: $(VENV)/.dev ## The performance benchmarks (minutes; prints ratios)
	-npm ci --silent --ignore-scripts --prefix hwbench_pipeline_tests/benchmarks/transformers_js
	$(BIN)/python -m pytest hwbench_pipeline_tests/benchmarks -m benchmark -s

clean: ## The virtual environment and caches; never measurements, which nothing can make again
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
