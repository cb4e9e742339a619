"""Lay the files of a project into the package that a wheel is built of; pyproject.toml has everything else."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithProject(build_py):
    """Copy what MANIFEST.in lists to ``fer_au/project_files``, where an installed ``fer-au init`` finds it."""

    def run(self) -> None:
        """Build the package, and lay the files into it."""
        super().run()
        if self.editable_mode:  # which runs from the repository, and reads the files there
            return
        patterns = [line.split()[1] for line in (ROOT / "MANIFEST.in").read_text().splitlines()]
        for path in sorted({path for pattern in patterns for path in ROOT.glob(pattern)}):
            target = Path(self.build_lib) / "fer_au/project_files" / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


setup(cmdclass={"build_py": BuildWithProject})
