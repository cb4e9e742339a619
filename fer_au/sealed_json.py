"""JSON files that carry their own digest: one changed bit is found, wherever it lies.

The last entry, ``sha256``, is the sha256 of the file's bytes with zeros in place of its own digits. It finds damage; it
is no signature.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from fer_au.gate import parse_json

KEY = "sha256"
_BLANK = "0" * 64
_END = re.compile(rb'"sha256": "([0-9a-f]{64})"\n\}\n\Z')


def seal_json(record: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Write plain data as JSON with its digest.

    Raises:
        TypeError: An entry can't be written as JSON.
        ValueError: An entry is NaN or infinite, or is called ``sha256``.
    """
    if KEY in record:
        raise ValueError(f"the key {KEY!r} is reserved")
    ordered = dict(sorted(record.items())) if sort_keys else dict(record)
    data = (json.dumps({**ordered, KEY: _BLANK}, indent=2, allow_nan=False) + "\n").encode()
    return data[: -len(_BLANK) - 4] + hashlib.sha256(data).hexdigest().encode() + data[-4:]


def how_to_restore(path: object, otherwise: str = "the stage that makes it") -> str:
    """Say how DVC brings back a damaged output of a stage, or what else does."""
    return f"`dvc checkout --force {path}` brings it back, or {otherwise}"


def is_sealed(data: bytes) -> bool:
    """Tell whether the bytes end as those of ``seal_json`` do, be they damaged or not."""
    return _END.search(data) is not None


def open_sealed(data: bytes) -> dict[str, Any]:
    """Check the bytes that ``seal_json`` made, and give its record.

    Raises:
        ValueError: They carry no digest, or that of other bytes, or are no JSON.
    """
    end = _END.search(data)
    if end is None:
        raise ValueError("damaged: it doesn't end with its sha256")
    blank = data[: end.start(1)] + _BLANK.encode() + data[end.end(1) :]
    if hashlib.sha256(blank).hexdigest().encode() != end[1]:
        raise ValueError("damaged: its sha256 is not the one that it records")
    record: dict[str, Any] = parse_json(data)
    record.pop(KEY, None)
    return record
