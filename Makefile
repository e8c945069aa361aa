# Two commands: `make demo` shows convener at work, `make test` runs everything that CI runs.
# Both need Python 3.11 or newer and nothing else; they make .venv by themselves.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: demo test soak check format docs bench lock clean
demo: .venv/installed
	$(BIN)/convener demo

test: check
	$(BIN)/pytest -n 3 --dist worksteal --durations 5

# The long runs: 400 kills of a pass in place of the 200 in `make test`, and a fleet in trouble for three minutes.
soak: .venv/installed-test
	CONVENER_KILLS=400 $(BIN)/pytest -n 2 --dist worksteal --durations 5 tests/system/test_kill.py tests/system/test_kill_pull.py
	CONVENER_FLEET_SECONDS=180 $(BIN)/pytest -n 0 -s tests/system/test_fleet.py

check: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-test
	$(BIN)/python -m docs.generate

bench: .venv/installed-test
	$(BIN)/python -m bench

# Renews constraints.txt from what pyproject.toml allows today.
lock:
	rm -rf .venv/lock && $(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip --quiet install -e '.[test]'
	.venv/lock/bin/python -m pip freeze --exclude-editable > constraints.txt
	rm -rf .venv/lock

clean:
	rm -rf .venv

.venv/python:
	@test -n "$(PYTHON)" || { echo "convener needs Python 3.11 or newer"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/python pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

.venv/installed-test: .venv/python pyproject.toml constraints.txt
	$(PIP) -e '.[test]'
	@touch $@ .venv/installed
