# Two commands matter: `make demo` does the set-up and the main job, `make test` the set-up and the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test check bench clean help

help:
	@echo "make demo   set up, then tune the example and print the verdict"
	@echo "make test   set up, then run the tests"
	@echo "make check  format, lint, types, layers, budgets"
	@echo "make bench  measure training and generation on this machine"

$(VENV)/run.ok: pyproject.toml constraints.txt
	@echo "==> setting up: a virtual environment in $(VENV), with the pinned packages (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) "torch==$$(sed -n 's/^torch==//p' constraints.txt)" || $(PIP) torch
	@echo "==> torch is there; now the rest"
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev.ok: $(VENV)/run.ok
	@echo "==> adding what the tests need"
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/run.ok
	@echo "==> tuning examples/support: train, compare with prompting on questions that neither has seen, judge"
	@$(BIN)/whet tune examples/support/recipe.yaml
	@echo "==> the command whet is $(BIN)/whet; \`. $(BIN)/activate\` puts it on the path of this shell"

test: $(VENV)/dev.ok
	@echo "==> fetching the embedded base model if it is not in the cache"
	@$(BIN)/python -c "import sys; from whet.models.source import resolve; resolve('smollm2-135m', lambda t: print(t, file=sys.stderr))"
	@echo "==> running the tests"
	@$(BIN)/python -m pytest -n 2

check: $(VENV)/dev.ok
	@$(BIN)/ruff format --check whet tests bench
	@$(BIN)/ruff check whet tests bench
	@$(BIN)/mypy -p whet
	@$(BIN)/python -m pytest tests/test_layers.py

bench: $(VENV)/dev.ok
	@$(BIN)/python bench/run.py

clean:
	rm -rf $(VENV) build dist *.egg-info
