"""The page's one script, and the data that it reads: neither can become markup, and nothing else may run.

Each file of ``script/`` holds one concept as functions and constants; the files share one scope. ``start.js`` comes
last and starts every part. The Content-Security-Policy names the sha256 of the joined text, so that no other script
runs, wherever it came from. Data lies in blocks that no browser executes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from markupsafe import Markup

_LAST = "start.js"


@dataclass(frozen=True)
class PageScript:
    """Text of the page's script, and the source expression that permits it in a Content-Security-Policy."""

    text: Markup
    source: str


@dataclass(frozen=True)
class Block:
    """Data of the page for its script.

    Attributes:
        name: Name by which the script asks for it.
        kind: Media type; none that a browser would run.
        text: Content, safe between the tags of a ``script`` element.
    """

    name: str
    kind: str
    text: Markup


def join_script() -> PageScript:
    """Join the files of ``script/`` into one function that runs once.

    Raises:
        ValueError: A file has a text that would end the element; only an edit of these files can cause it.
    """
    found = {
        path.name: path for path in files("fer_au.report").joinpath("script").iterdir() if path.name.endswith(".js")
    }
    names = sorted(found, key=lambda name: (name == _LAST, name))
    body = "\n".join(found[name].read_text(encoding="utf-8").rstrip() for name in names)
    text = f'\n"use strict";\n(() => {{\n{body}\n}})();\n'
    if any(ending in text.lower() for ending in ("</script", "<!--", "<script")):
        raise ValueError("fer_au/report/script: a file holds a tag that would end or nest the script element")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return PageScript(Markup(text), f"'sha256-{digest}'")  # noqa: S704 - our own files, checked above


def json_block(name: str, value: Any) -> Block:  # noqa: ANN401 - whatever JSON holds
    r"""Embed a value as JSON, in which no character can end the element; NaN is refused, write None.

    >>> print(json_block("x", {"id": "</script>"}).text)
    {"id":"\u003c/script\u003e"}
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Block(name, "application/json", Markup(text))  # noqa: S704 - escaped above


def bytes_block(name: str, data: bytes) -> Block:
    """Embed bytes as base64."""
    return Block(name, "application/base64", Markup(base64.b64encode(data).decode("ascii")))  # noqa: S704 - base64
