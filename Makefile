# Everything a developer or CI asks for. Needs Python 3.11 or newer, make, and a network that reaches the package registries.

.DEFAULT_GOAL := help
.PHONY: help demo run test test-all browser pictures fuzz reconcile check format verify bench live-stripe lock clean
# The stages of one target share servers and files: side by side they would only wait for each other.
.NOTPARALLEL:

BIN := .venv/bin
PYTHON_RUN := $(BIN)/python -m
STAMP := .venv/installed
export PYTHONDONTWRITEBYTECODE :=
export UV_PYTHON_DOWNLOADS := never
# What pytest is told besides, for instance: make test ARGS="tests/unit -k money"
ARGS ?=
# So many test modules run side by side, each worker on servers of its own; 0: one after the other, in one process
WORKERS ?= 2
PYTEST := $(PYTHON_RUN) pytest -q -n $(WORKERS) --dist loadfile

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

demo: $(STAMP) ## from nothing to money in, back and out on an open socket, told line by line
	@$(PYTHON_RUN) deploy.local.demo

run: $(STAMP) ## the whole stack, left running; Ctrl-C stops it (PROVIDERS=stripe,allsecure,prodamus: played where they have no keys)
	@$(PYTHON_RUN) deploy.local.run

test: $(STAMP) ## all tests but the slow ones, on private servers
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: $(STAMP) ## all tests
	@$(PYTEST) $(ARGS)

browser: ## install Chromium for the tests in a real browser, where there is none and apt-get may (CI does)
	@sh deploy/local/browser.sh

pictures: $(STAMP) ## make README's pictures anew, docs/pictures/*.png
	@$(PYTHON_RUN) tests.browser.pictures

fuzz: $(STAMP) ## ask the gateway what its document promises, five minutes long (ARGS="--seconds 3600 --seed 7")
	@$(PYTHON_RUN) tests.fuzz $(ARGS)

check: $(STAMP) ## format, lint, strict types, layers, the pages' words, lock files
	@echo "check: format" && $(BIN)/ruff format --quiet --check --output-format concise .
	@echo "check: lint" && $(BIN)/ruff check --quiet .
	@echo "check: types" && $(PYTHON_RUN) mypy --no-error-summary
	@echo "check: layers" && $(BIN)/lint-imports --no-logo >.venv/layers.log 2>&1 || { cat .venv/layers.log; exit 1; }
	@echo "check: words" && $(PYTHON_RUN) deploy.local.catalogues
	@echo "check: locks" && $(PYTHON_RUN) deploy.local.locks --check

format: $(STAMP) ## format, and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format .

verify: $(STAMP) ## does the book of this checkout add up?
	@$(PYTHON_RUN) deploy.local.verify

reconcile: $(STAMP) ## compare a day of the book with the providers' own (ARGS="--day 2026-11-20 --provider stripe")
	@$(PYTHON_RUN) deploy.local.reconcile $(ARGS)

bench: $(STAMP) ## measure on this machine
	@$(PYTHON_RUN) tests.bench $(ARGS)

live-stripe: $(STAMP) ## pay, refund and cancel at Stripe's own test mode: STRIPE_SECRET_KEY=sk_test_… make live-stripe
	@$(PYTHON_RUN) tests.live.stripe_smoke

lock: $(STAMP) ## bring the lock files in line with pyproject.toml (ARGS=--upgrade: newest versions)
	@$(PYTHON_RUN) deploy.local.locks $(ARGS)

clean: ## delete the environment, caches, and all state of `make run` and `make demo`
	@if [ -e $(STAMP) ]; then $(PYTHON_RUN) deploy.local.clean; fi
	@rm -rf .local .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements/dev.lock deploy/local/environment.sh
	@sh deploy/local/environment.sh .venv requirements/dev.lock && touch $(STAMP)
