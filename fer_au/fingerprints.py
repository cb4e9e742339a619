"""Fingerprints: one sha256 of everything that decides an operation's result."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path

from fer_au.arguments import check_type, read_text, read_whole
from fer_au.errors import ArgumentError
from fer_au.gate import open_regular


def fingerprint(name: str, version: int, options: Mapping[str, object] | None = None) -> str:
    """Hash an operation's identity.

    Args:
        name: The operation, such as ``"landmarks/dlib68"``.
        version: Raised by hand whenever the code changes what it computes.
        options: JSON-serialisable options: parameters, weights' sha256, upstream content hashes.

    Returns:
        64 hexadecimal digits, the same on every machine.

    Raises:
        ArgumentError: The name is no text, the version no whole number, or the options no JSON.
    """
    name, version = read_text("name", name, "the name of an operation"), read_whole("version", version, least=0)
    given = dict(check_type("options", options or {}, Mapping, "a mapping of JSON's types"))
    try:
        text = json.dumps([name, version, given], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"options: expected a mapping of JSON's types: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Hash the bytes of a file.

    Returns:
        Their sha256, 64 hexadecimal digits.

    Raises:
        OSError: The file can't be read, or is no regular file.
    """
    with io.open(open_regular(path), "rb") as file:  # noqa: UP020 (a descriptor)
        return hashlib.file_digest(file, "sha256").hexdigest()
