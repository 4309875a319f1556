# `make run` is all it takes. Everything happens inside .venv/, which `make install` makes.

PYTHON := $(or $(PYTHON),$(shell command -v python3.11 || command -v python3))
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATABASE := chatify.sqlite3
# The environment wins over .env, as everywhere.
PORT := $(or $(PORT),$(shell sed -n 's/^PORT=\([0-9][0-9]*\)$$/\1/p' .env 2>/dev/null),8000)
ARGS ?=
# Tests run in so many processes, each with services of its own, which take about two gigabytes.
WORKERS := $(or $(WORKERS),$(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n > 4 ? 4 : n))))

# Checks shall say the same on every machine, so they read no .env.
ALONE := env -u DATABASE_URL -u REDIS_URL -u CELERY_BROKER_URL CHATIFY_ENV_FILE=/dev/null
DEVELOPMENT := $(ALONE) DEBUG=1 DATABASE_URL=sqlite://:memory:
PRODUCTION := $(ALONE) DEBUG=0 SECRET_KEY=check-6Zt0yqLw3nVbKc9RfXh2sGmJ8dPu5eTaQ1oWi7Nx4BvYzC \
	ALLOWED_HOSTS=chat.example.com CSRF_TRUSTED_ORIGINS=https://chat.example.com TRUSTED_PROXIES=10.0.0.1 \
	DATABASE_URL=postgres://chatify@localhost/chatify REDIS_URL=redis://localhost:6379/0

.DEFAULT_GOAL := help
.PHONY: help install run test soak lint types contracts migrations deploy check format seed reset-db bench bench-memory requirements

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

install: $(INSTALLED)  ## make .venv/ from requirements.txt and requirements-dev.txt

$(INSTALLED): requirements.txt requirements-dev.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "Chatify needs Python 3.11, and '$(or $(PYTHON),python3)' is not that. Say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make virtual environments. On Debian: apt-get install python3.11-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

run: install  ## set up what is missing, then serve on PORT (8000)
	@$(BIN)/python config/first_run.py
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_templates
	@$(BIN)/python manage.py bootstrap --port $(PORT)
	@exec $(BIN)/python manage.py serve --port $(PORT)

test: install  ## the whole suite; ARGS="-k stop -x" goes to pytest
	$(BIN)/pytest -n $(WORKERS) -m "not soak and not browser" $(ARGS)
	$(BIN)/pytest -n $(WORKERS) -m "browser and not soak" $(ARGS)

soak: install  ## what takes long: full sizes, long kills
	$(BIN)/pytest -m soak --override-ini faulthandler_timeout=0 $(ARGS)

lint: install  ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## mypy, strict
	$(DEVELOPMENT) $(BIN)/mypy

contracts: install  ## import-linter: the layers of the house
	$(BIN)/lint-imports

migrations: install  ## no model changed without its migration
	$(DEVELOPMENT) $(BIN)/python manage.py makemigrations --check --dry-run

deploy: install  ## Django's deployment checks, with settings as in production
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

check: lint types contracts migrations deploy  ## everything that needs no running service

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

seed: install  ## the personalities that come with Chatify; what staff changed stays
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py seed_templates

reset-db:  ## remove the local SQLite database (YES=1 does not ask)
	@test ! -e $(DATABASE).lock || flock --nonblock $(DATABASE).lock true || { \
		echo "A server is using $(DATABASE). Stop it first." >&2; exit 1; }
	@test -n "$(YES)" || { printf 'Remove %s with every conversation in it? [y/N] ' $(DATABASE); read answer; \
		test "$$answer" = y || { echo "Nothing was removed."; exit 1; }; }
	@rm -f $(DATABASE) $(DATABASE)-wal $(DATABASE)-shm $(DATABASE).lock
	@echo "Removed $(DATABASE)."

bench: install  ## Chatify beside a bare relay; ARGS="--sessions 100" goes to the benchmark
	$(BIN)/python -m benchmarks $(ARGS)

bench-memory: install  ## what Chatify remembers, and what that costs; ARGS="--quick" goes to the benchmark
	$(BIN)/python -m benchmarks.memory $(ARGS)

requirements: install  ## compile requirements*.txt from the ranges in pyproject.toml
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.txt
