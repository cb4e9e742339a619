"""A codebook: the path of a YAML file in this package."""

from __future__ import annotations

from pathlib import Path

PATH = Path(__file__).with_name("lab_short.yaml")
