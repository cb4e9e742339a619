"""The process of the command ``fer-au``: ready for Ctrl-C before its commands are imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from fer_au.ending import run_process


def main() -> NoReturn:
    """Run the command that ``sys.argv`` names, and end the process."""

    def run() -> int:
        from fer_au.cli import entry

        return entry.run(sys.argv[1:])

    run_process(run)
