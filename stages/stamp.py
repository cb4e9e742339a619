"""Stage ``stamp``: hash the code that every other stage would run; ``python stages/stamp.py``."""

from __future__ import annotations

import json
import sys

from fer_au.atomic import write_atomically
from fer_au.code.stages import STAMP, stamp
from fer_au.command import stage_main


def main() -> None:
    """Write the stamp."""
    write_atomically(STAMP, (json.dumps(stamp(), indent=1, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
