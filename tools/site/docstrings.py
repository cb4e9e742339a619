"""Show the examples of docstrings as code: an extension of griffe, which reads the docstrings (see mkdocs.yml).

It knows the heading ``Examples``; the Google style's ``Example`` it takes for a note, whose text is prose.
"""

from __future__ import annotations

import re

import griffe

_HEADING = re.compile(r"^Example:$", re.MULTILINE)


class Examples(griffe.Extension):  # type: ignore[misc]
    """Renames the heading before docstrings are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rename it in one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _HEADING.sub("Examples:", obj.docstring.value)
