# Two commands do everything on a fresh machine: `make mine` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# By the interpreter: the scripts of an environment name it in a first line that systems cut off.
RUN := $(BIN)/python -m
PIP := $(RUN) pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt $(wildcard setup.py operators/kernels/*.?pp)

.PHONY: mine test lint check-types unit test-slow docs compat bench clean

## Install, search the embedded market for about two minutes, write the report.
mine: $(VENV)/.installed
	$(RUN) alphamine.cli search jobs/quickstart.yaml

## Install with the development extras; lint, types, tests.
test: lint check-types unit

lint: $(VENV)/.installed-dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'

check-types: $(VENV)/.installed-dev
	$(RUN) mypy

unit: $(VENV)/.installed-dev
	$(RUN) pytest -n 2 -m "not slow"

## The tests that take longer than ten seconds each.
test-slow: $(VENV)/.installed-dev
	$(RUN) pytest -n 2 -m slow

## The documentation, as HTML in docs/_build; a broken link is an error.
docs: $(VENV)/.installed-dev
	$(RUN) sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build
	@echo "open docs/_build/index.html"

## The default suite with every Python that the machine has, and with the lowest versions allowed.
compat:
	$(PYTHON) tests/compat.py

## Measure against the peers, in environments of their own; writes benchmarks/README.md.
bench: $(VENV)/.installed-dev
	$(RUN) benchmarks

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	$(PIP) --editable .
	touch $@

# torch first: the pinned build is found by its own name, not as somebody's dependency.
$(VENV)/.installed-dev: $(VENV)/bin/python $(SOURCES)
	$(PIP) torch==2.13.0
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist docs/_build *.egg-info .pytest_cache .mypy_cache .ruff_cache
