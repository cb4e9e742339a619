"""The README of a lab's own project."""

from __future__ import annotations

from fer_au.version import __version__

_TEXT = """# {name}

Facial expression recognition with fer_au {release}, run as a DVC DAG. This file is yours: write down what the project
is for.

| file | what it is |
|---|---|
| `params.yaml` | every choice: data sets, alignment, landmarks, training, experiments |
| `dvc.yaml`, `stages/` | the pipeline, of release {release}; `fer-au upgrade` renews them, and keeps what you edited |
| `constraints.txt` | releases of the packages that this one was tested with |
| `data/NAME/`, `models/NAME/`, `metrics/`, `report/` | what comes out; DVC keeps it, git doesn't |

    python -m venv .venv && . .venv/bin/activate
    pip install -c constraints.txt fer-au=={release}
    fer-au check-params          # all mistakes in params.yaml, before anything runs
    dvc repro                    # the whole pipeline; then open report/index.html
    fer-au status                # how far it is

* A data set of your own: `fer-au check-data FOLDER` says what it holds, and which entry of `params.yaml` takes it.
* A recipe or a published table: `fer-au presets list`, `fer-au presets write NAME -o params.yaml --force`.
* What has changed: `git add -A && git commit` keeps settings, code and `dvc.lock`; `dvc push` sends the artefacts to a
  remote, except faces (`push: false`), which are pictures under their own licence.
* The environment of a paper, two years later: `constraints.txt` of the commit, with the Python that `metrics/NAME.json`
  names.
"""


def readme_text(name: str) -> str:
    """Write the README.

    Args:
        name: Name of the project's folder.
    """
    return _TEXT.format(name=name, release=__version__)
