# Two commands matter: `make run` and `make test`. Both do all their set-up on a machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SEEDS ?= 10000
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help run test lint laws sim bench evidence console lock images clean

help: ## Show this help
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

run: $(VENV)/.run console/dist/index.html ## Replay real history through the whole service and open the console (ARGS="--from 2008-01-02 --speed max")
	@$(BIN)/plimsoll run $(ARGS)

test: $(VENV)/.dev console/dist/index.html lint ## Run every check and test; container tests too where Docker answers
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev console/dist/index.html ## Style, types and import rules
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix console run check --silent
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

laws: $(VENV)/.dev ## Try the laws that tests state on fresh random examples
	@$(BIN)/python -m pytest tests/unit --hypothesis-profile=searching $(ARGS)

sim: $(VENV)/.dev ## Simulate SEEDS=10000 faulty runs of the risk cluster
	@$(BIN)/python -m tests.simulation $(SEEDS)

bench: $(VENV)/.dev ## Measure against peers and floors; writes build/bench.json
	@$(UV) --require-hashes -r requirements/bench.txt
	@$(BIN)/python -m benchmarks.run $(ARGS)

evidence: $(VENV)/.dev ## Simulate how near the truth each method comes; writes docs/methods/evidence.md
	@nice $(BIN)/python -m benchmarks.evidence $(ARGS)

console: console/dist/index.html ## Build the web console

images: ## Build every container image from Debian and Maven packages, for sites without an image registry
	@docker/build-images.sh

lock: $(BIN)/uv ## Resolve and hash-lock the requirements again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/bench.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra service --extra pulsar --extra embedded --extra ray --extra dev --generate-hashes --no-emit-index-url --no-header pyproject.toml -c requirements/bench.txt -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra service --extra pulsar --extra embedded --generate-hashes --no-emit-index-url --no-header pyproject.toml -c requirements/bench.txt -o requirements/run.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra ray --generate-hashes --no-emit-index-url --no-header pyproject.toml -c requirements/bench.txt -o requirements/ray.txt

clean: ## Remove what was built; keeps data and environment
	@rm -rf build dist console/dist *.egg-info

$(BIN)/uv: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit("Plimsoll needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up (the first time downloads packages) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.run: $(BIN)/uv requirements/run.txt pyproject.toml
	@echo "Installing packages ..."
	@$(UV) --require-hashes -r requirements/run.txt
	@$(UV) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "Installing development packages ..."
	@$(UV) --require-hashes -r requirements/dev.txt
	@touch $@

# Node comes from the Python environment, so that nobody needs to install it.
console/dist/index.html: $(VENV)/.run console/package-lock.json $(shell find console/src console/public console/index.html console/package.json console/*.ts console/*.js -type f 2>/dev/null)
	@echo "Building the console ..."
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix console ci --silent --no-fund --no-audit
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix console run build --silent
	@touch $@
