# Everything runs in .venv, with the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export HF_HUB_OFFLINE = 1

# The packages for frameworks, each with its own pyproject.toml and tests.
PACKAGES := integrations/langchain-at2 integrations/llama-index-postprocessor-at2

.PHONY: demo test test-core test-integrations test-lowest bench experiments lint fix install clean

demo: .venv/demo.installed  ## answer questions with citations, prune, answer again
	$(BIN)/at2-rag demo

test: test-core test-integrations  ## run all tests

test-core: .venv/dev.installed
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-integrations: .venv/dev.installed
	for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(BIN)/python -m pytest) || exit 1; done

test-lowest:  ## the same with the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable ".[test]"
	.venv-lowest/bin/python -m pytest

bench: .venv/dev.installed  ## measure what attribution costs; the results go to benchmarks/results
	$(BIN)/python -m benchmarks $(BENCH)

experiments: .venv/dev.installed  ## rerun the paper's experiments at a small size; results go to build/experiments
	$(BIN)/at2-rag experiment hotpot-pruning --examples 100

lint: .venv/dev.installed  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(BIN)/mypy) || exit 1; done

fix: .venv/dev.installed  ## what ruff can mend by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/dev.installed  ## everything for development

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.installed: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable ".[cli]"
	touch $@

.venv/dev.installed: .venv/bin/python pyproject.toml constraints.txt $(PACKAGES:%=%/pyproject.toml)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]" \
		$(PACKAGES:%=--editable "./%[test]")
	touch $@

clean:
	rm -rf .venv .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
