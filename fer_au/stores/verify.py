"""Verification of stores of any kind, damaged ones included.

python -m fer_au.stores.verify FILE     # the checksums inside one file whose seal may be broken
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fer_au.errors import StoreError
from fer_au.stores.reader import Store
from fer_au.stores.seal import check_seal, open_descriptor


def verify_store(path: Path) -> list[str]:
    """Recompute the seal and every checksum of a store.

    Returns:
        One line per fault, which names damaged blocks of rows; empty if all is well.
    """
    try:
        descriptor = open_descriptor(path)
    except StoreError as error:
        return [str(error)]
    try:
        check_seal(descriptor, path)
    except StoreError as error:
        return [str(error), *_locate(path)]
    finally:
        os.close(descriptor)
    return _check_columns(path)


def _check_columns(path: Path) -> list[str]:
    try:
        return Store.open_unsealed(path).verify()
    except StoreError as error:
        return [str(error)]


def _locate(path: Path) -> list[str]:
    """Locate the damage of a broken file in another process: HDF5 may crash or hang on broken metadata."""
    command = [sys.executable, "-m", "fer_au.stores.verify", os.fspath(path)]
    try:
        # Our own module on a path that is passed as one argument.
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return [f"{path}: its structure is damaged, reading it does not end"]
    if done.returncode != 0:
        return [f"{path}: its structure is damaged, its columns can't be read"]
    return done.stdout.splitlines() or [
        f"{path}: no row is damaged; the fault lies in the file's header or between columns"
    ]


def main(path: str) -> None:
    """Print the faults that the checksums inside a file show; dies on a file whose structure can't be read."""
    sys.stdout.write("".join(f"{fault}\n" for fault in Store.open_unsealed(Path(path)).verify()))


if __name__ == "__main__":
    main(sys.argv[1])
