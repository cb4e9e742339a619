# The two commands: `make repro` runs the pipeline on the demo set, `make test` runs every check.
# For daily work, `make check`: style, types, and the tests that may see what changed, in two minutes.
PYTHON ?= python3
# Relative, because make can't have a target in a folder whose name has blanks. `make VENV=/a/folder` puts it elsewhere.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The programs that DVC and tests start are the environment's, too.
RUN := PATH="$$(cd "$(BIN)" && pwd):$$PATH" "$(BIN)/python"

.PHONY: repro test check lint types pytest venv docs pictures

repro: venv
	@test -d .git || { git init -q . && echo "no .git here: ran 'git init', which DVC needs"; }
	$(RUN) -m fer_au.cli check-params
	$(RUN) -m dvc repro

test: lint types pytest

# Changed since the branch left its upstream; `make check SINCE=REF`: since another commit.
check: lint types
	$(RUN) tools/check_changes.py $(SINCE)

lint: venv
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: venv
	$(RUN) -m mypy

pytest: venv
	@test -d .git || git init -q .
	$(RUN) -m pytest

# docs/params.md, docs/cli.md and docs/metrics.md, and what docs/architecture.md draws and lists, from the code.
docs: venv
	$(RUN) tools/write_reference.py
	$(RUN) tools/draw_architecture.py

# Pictures of the README, from a finished `make repro`.
pictures: venv
	$(RUN) tools/readme_pictures.py

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
	touch "$@"
