"""Show the examples of docstrings as code: an extension of griffe, which reads the docstrings (see mkdocs.yml).

It knows the heading ``Examples``; the Google style's ``Example`` it takes for a note, whose text is prose.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^Example:$", re.MULTILINE)


class Examples(griffe.Extension):
    """Renames the heading before docstrings are parsed."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        """Rename it in one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub("Examples:", obj.docstring.value)
