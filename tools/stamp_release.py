"""Stamp a release: write down the code of every cached operation, whose golden outputs hold, into the package.

    python tools/stamp_release.py            # name what differs from the last stamp; exit code 1 if anything does
    python tools/stamp_release.py --write    # check the golden outputs, then write fer_au/code/released.json

Code that equals the stamp goes on with the rows that the last release left in a lab's cache. So raise an operation's
``VERSION`` when its rows change, and stamp when they don't.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fer_au.code.closure import code_digest
from fer_au.code.rows import RELEASED
from fer_au.faces.detectors import DETECTORS
from fer_au.landmarks.extractors import EXTRACTORS

ROOT = Path(__file__).parents[1]
GOLDEN = "tests/shards/test_golden_rows.py"


def operation_modules() -> list[str]:
    """Name the modules that decide cached rows: the operations, and all built-in detectors and extractors."""
    parts = {*DETECTORS.built_in.values(), *EXTRACTORS.built_in.values()}
    return sorted({"fer_au.faces.operation", "fer_au.landmarks.operation", *parts})


def main() -> int:
    """Compare the code with the stamp, or write a new one."""
    now = {name: code_digest(name) for name in operation_modules()}
    before = json.loads(RELEASED.read_text(encoding="utf-8")) if RELEASED.exists() else {}
    differing = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    if "--write" not in sys.argv[1:]:
        print("\n".join(f"{name}: not as released" for name in differing) or "all operations are as released")
        return int(bool(differing))
    if subprocess.run([sys.executable, "-m", "pytest", "-q", GOLDEN], cwd=ROOT, check=False).returncode != 0:
        print(f"{GOLDEN} fails: raise the VERSION of what changed, then renew the golden outputs", file=sys.stderr)
        return 1
    RELEASED.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
