"""Verification of stores of any kind, damaged ones included."""

from __future__ import annotations

import os
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


def _locate(path: Path) -> list[str]:
    """Locate the damage of a broken file."""
    return _check_columns(path) or [
        f"{path}: no row is damaged; the fault lies in the file's header or between columns"
    ]


def _check_columns(path: Path) -> list[str]:
    try:
        return Store.open_unsealed(path).verify()
    except StoreError as error:
        return [str(error)]
    except Exception as error:  # a file made to break this; the others are looked at, too
        return [f"{path}: its structure is damaged: {error or type(error).__name__}"]
