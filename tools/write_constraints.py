"""Write constraints.txt: the release of every package that fer-au needs here, as the tests ran with them.

    python tools/write_constraints.py            # write it
    python tools/write_constraints.py --check    # say what differs from this environment

Run it before a release, in the environment in which `make test` passed. What torch brings for one kind of GPU alone
is left to torch, which names exact releases itself, so that the file serves other machines, too.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PATH = Path(__file__).parents[1] / "constraints.txt"
EXTRAS = ("", "cluster", "export", "parquet", "pretrained", "watch")
_OF_A_GPU = re.compile(r"nvidia-|cuda-|triton")


def find_releases(project: str = "fer-au") -> dict[str, str]:
    """List the installed packages that a project needs with its extras, directly or not: name -> release, sorted."""
    found: dict[str, str] = {}
    waiting = [(project, extra) for extra in EXTRAS]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for need in _needs(name, extra):
            other = canonicalize_name(need.name)
            try:
                release = version(other).partition("+")[0]  # without the kind of build, which other machines don't have
            except PackageNotFoundError:
                continue  # of another platform
            if not _OF_A_GPU.match(other):
                found[other] = release
                waiting += [(other, own) for own in ("", *need.extras)]
    return dict(sorted(found.items()))


def _needs(name: str, extra: str) -> Iterator[Requirement]:
    """List what a package needs on this platform, for one of its extras."""
    for text in requires(name) or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            yield need


def constraints_text(releases: dict[str, str]) -> str:
    """Write the file."""
    lines = [
        "# Releases that the tests of fer-au ran with, its extras included; written by tools/write_constraints.py.",
        f"# Python {platform.python_version()}. Use: pip install -c constraints.txt fer-au",
        *(f"{name}=={release}" for name, release in releases.items()),
    ]
    return "\n".join(lines) + "\n"


def read_constraints(path: Path = PATH) -> dict[str, str]:
    """Read the file: name -> release."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def main() -> None:
    """Write the file, or say what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something differs")
    releases = find_releases()
    if not parser.parse_args().check:
        PATH.write_text(constraints_text(releases), encoding="utf-8")
        print(f"{PATH}: {len(releases)} packages")
        return
    known = read_constraints()
    differing = [name for name in {**known, **releases} if known.get(name) != releases.get(name)]
    for name in sorted(differing):
        print(f"{name}: {known.get(name, 'absent')} in {PATH.name}, {releases.get(name, 'absent')} here")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
