PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-numeric check lint bench format clean

demo: $(INSTALLED)
	$(VENV)/bin/nmt train experiments/demo/config.yaml
	$(VENV)/bin/nmt score --model runs/demo
	$(VENV)/bin/nmt show --model runs/demo
	@echo
	@echo "Next:"
	@echo "  echo 'Die junge Frau ruft ihren Vater an.' | $(VENV)/bin/nmt translate --model runs/demo"
	@echo "  $(VENV)/bin/nmt train experiments/multi30k-de-en/config.yaml    # real text; needs a network, once"
	@echo "  $(VENV)/bin/nmt --help                                         # your own sentences: see README.md"

# A process for every core; a test that is long is dealt first come, first served.
PYTEST := $(VENV)/bin/python -m pytest -q --numprocesses auto --dist worksteal

# What CI runs.
test: lint
	$(PYTEST)

# What computes, for a run with the CPU's features turned down: see .ci/run.
test-numeric: $(INSTALLED)
	$(PYTEST) tests/layers tests/contracts tests/objectives tests/decoding tests/tasks tests/golden \
		tests/test_machine.py tests/test_models.py tests/builders/test_hardware.py \
		tests/workflows/test_check_invariance.py tests/end_to_end/test_precision.py

# What a person runs between two changes: under a minute.
check: lint
	$(PYTEST) -m "not slow"

lint: $(INSTALLED)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(INSTALLED)
	$(VENV)/bin/python scripts/bench.py experiments/demo/config.yaml

format: $(INSTALLED)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# Caches only: neither the environment nor anybody's runs.
clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find nmt tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment made in advance is kept, and so is the build of torch that is in it; one without pip is not.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,entmax,mbr,papers,sentences,serve,tensorboard,torchtext,trackio]'
	touch $(INSTALLED)
