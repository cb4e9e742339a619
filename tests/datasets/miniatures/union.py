"""Two sets below one root: KDEF, with a picture that JAFFE has, too."""

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


def write(root: Path, persons: int = 10) -> None:
    """Write both sets, KDEF of as many persons."""
    kdef.write(root / "KDEF", persons)
    jaffe.write(root / "jaffe")
    shutil.copy(root / "jaffe/KA.AN1.5.tiff", root / "KDEF/AF01/AF01ANS.JPG")
