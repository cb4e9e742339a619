"""The command line ``fer-au``: checks and tools around the pipeline; the pipeline itself runs by ``dvc repro``."""

from fer_au.cli.entry import app, main

__all__ = ["app", "main"]
