"""Names of the audits of attention and CAMs: the choices of ``evaluate.audits``."""

from __future__ import annotations

from typing import Literal, get_args

Audit = Literal["randomisation", "faithfulness"]
AUDITS: tuple[Audit, ...] = get_args(Audit)
Audits = Literal["none", "all"] | tuple[Audit, ...]
"""What a user writes: none of them, all, or a list."""


def chosen_audits(choice: Audits) -> tuple[Audit, ...]:
    """List the audits that a choice names, in their own order and each once.

    Example:
        >>> chosen_audits(("faithfulness", "faithfulness")), chosen_audits("none")
        (('faithfulness',), ())
    """
    if choice == "none":
        return ()
    return AUDITS if choice == "all" else tuple(name for name in AUDITS if name in choice)
