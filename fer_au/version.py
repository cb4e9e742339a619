"""The release of the installed package. It stands in metrics and reports, and in no sealed byte of a store or model."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("fer-au")
except PackageNotFoundError:  # run from a source tree that nobody installed
    __version__ = "not installed"
