"""Stage ``report``: the page of the experiments that params.yaml names; ``python stages/report.py``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.report import write_report


def main() -> None:
    """Write the report."""
    write_report(Path("params.yaml"), Path(), Path("report/index.html"))


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
