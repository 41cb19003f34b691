# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint format lock soak clean help

help:  ## what each command does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## run two rounds of the loop on rendered cars, offline
	$(BIN)/carloop demo

test: $(READY)  ## run the tests, four files at a time: they wait for servers as much as they compute
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

check: lint test  ## linters, types and tests

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)  ## let ruff tidy the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

soak: $(READY)  ## kill every process at seeded moments, play twelve rounds in a row, and compare; resumable, takes long
	$(BIN)/python -m benchmarks.cvat_kills
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python -m benchmarks.flow_kills
	$(BIN)/python -m benchmarks.twelve_rounds

lock: $(READY)  ## choose newest allowed versions of the dependencies anew
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --no-annotate \
		--no-header --generate-hashes --extra dev pyproject.toml -o requirements.lock

clean:  ## remove the environment; data and runs stay
	rm -rf $(VENV)

# torch and torchvision must be a matched pair, which uv takes from the lock and plain pip may not.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	touch $@
