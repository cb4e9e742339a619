"""What a store was made from: it keeps hashes of its inputs, so that one of other inputs is noticed, however sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fer_au.errors import StoreError

SOURCES = "sources"
"""Attribute with a line for each input: hash, two blanks, name; the form is that of ``beside.BESIDE``."""

MANIFEST = "manifest.csv"
PICTURES, LABELS = "ids, pictures and boxes", "ids and labels"
"""Inputs that are a part of the manifest; only names of files have no blanks."""


class Made(Protocol):
    """A store that keeps hashes of its inputs."""

    path: Path
    sources: dict[str, str]


def write_lines(hashes: Mapping[str, str]) -> str:
    """Write hashes as an attribute holds them.

    Example:
        >>> write_lines({"faces.h5": "0a"})
        '0a  faces.h5'
    """
    return "\n".join(f"{digest}  {name}" for name, digest in hashes.items())


def read_lines(text: str) -> dict[str, str]:
    """Read the hashes that ``write_lines`` wrote."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def check_sources(store: Made, inputs: Mapping[str, str], folder: Path | None = None) -> None:
    """Check that a store was made from the inputs that lie beside it now.

    A store of an earlier release, or of other software, keeps no hashes.

    Args:
        store: Open store.
        inputs: Name of an input -> its hash as it is now; names that the store doesn't keep are passed over.
        folder: Folder of the inputs; default the store's.

    Raises:
        StoreError: An input was another one when the store was made.
    """
    if other := [name for name, digest in inputs.items() if store.sources.get(name, digest) != digest]:
        files = [(folder or store.path.parent) / (name if " " not in name else MANIFEST) for name in other]
        told = [
            str(file) if " " not in name else f"the {name} in {file}" for name, file in zip(other, files, strict=True)
        ]
        targets = " ".join(map(str, dict.fromkeys([store.path, *files])))
        raise StoreError(
            f"{store.path}: was made from something else than {' and '.join(told)}; "
            f"`dvc checkout --force {targets}` brings back what belongs together, or `dvc repro` makes it anew"
        )
