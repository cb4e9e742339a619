from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_tool(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/stage_dependencies.py"], cwd=root, capture_output=True, text=True, check=False
    )


def test_stages_list_exactly_the_modules_they_import() -> None:
    done = run_tool(ROOT)
    assert done.returncode == 0, f"{done.stdout}run: python tools/stage_dependencies.py --write"
