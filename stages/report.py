"""Stage ``report``: the page of the experiments that params.yaml names; ``python stages/report.py``."""

from __future__ import annotations

from pathlib import Path

from fer_au.command import run_stage


def main() -> None:
    """Write the report."""
    from fer_au.report import write_report

    write_report(Path("params.yaml"), Path(), Path("report/index.html"), plots=Path("report/plots"))


if __name__ == "__main__":
    run_stage(main, __doc__, "nothing is lost; the next run writes the page anew")
