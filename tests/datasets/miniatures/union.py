"""Two sets below one root: KDEF of two persons, with a picture that JAFFE has, too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.datasets.miniatures import jaffe, kdef

ENTRY: dict[str, Any] = {
    "adapter": "union",
    "sets": {
        "kdef": {"adapter": "kdef", "root": "KDEF", "folds": 0},
        "jaffe": {"adapter": "jaffe", "root": "jaffe", "folds": 0},
    },
}


def write(root: Path) -> None:
    """Write both sets."""
    kdef.write(root / "KDEF", 2)
    jaffe.write(root / "jaffe")
    shutil.copy(root / "jaffe/KA.AN1.5.tiff", root / "KDEF/AF01/AF01ANS.JPG")
