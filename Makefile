# The two commands: `make repro` runs the pipeline on the demo set, `make test` runs every check.
# For daily work, `make check`: style, types, and the tests that may see what changed, in two minutes.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: repro test check lint types pytest venv docs pictures

repro: venv
	@test -d .git || { git init -q . && echo "no .git here: ran 'git init', which DVC needs"; }
	PATH="$(BIN):$$PATH" dvc repro

test: lint types pytest

# Changed since the branch left its upstream; `make check SINCE=REF`: since another commit.
check: lint types
	PATH="$(BIN):$$PATH" $(BIN)/python tools/check_changes.py $(SINCE)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

pytest: venv
	@test -d .git || git init -q .
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest

# docs/params.md, docs/cli.md and docs/metrics.md, and what docs/architecture.md draws and lists, from the code.
docs: venv
	$(BIN)/python tools/write_reference.py
	$(BIN)/python tools/draw_architecture.py

# Pictures of the README, from a finished `make repro`.
pictures: venv
	$(BIN)/python tools/readme_pictures.py

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cluster,pretrained,dev]'
	touch $@
