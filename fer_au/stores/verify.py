"""Verification of stores of any kind, damaged ones included."""

from __future__ import annotations

from pathlib import Path

from fer_au.errors import StoreError
from fer_au.stores.format import check_seal
from fer_au.stores.reader import Store


def open_any(path: Path) -> Store:
    """Open a sealed store whatever its kind.

    Raises:
        StoreError: It is damaged, or of a kind or version this release does not know.
    """
    check_seal(path)
    return Store.open_unsealed(path)


def verify_store(path: Path) -> list[str]:
    """Recompute the seal and every checksum of a store.

    Returns:
        One line per fault; damage inside columns is located to blocks of rows. Empty if all is well.
    """
    faults: list[str] = []
    try:
        check_seal(path)
    except StoreError as error:
        faults.append(str(error))
    if not path.is_file():
        return faults
    try:
        # The seal is broken or not: only row checksums can say where. Kinds that are unknown can't be read further.
        faults += Store.open_unsealed(path).verify()
    except (StoreError, OSError, KeyError, ValueError, RuntimeError) as error:
        faults.append(f"{path}: its columns can't be read: {error}")
    return faults
