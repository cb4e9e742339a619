"""A lab's folder with a tiny data set, its stages as processes of their own, and what is left of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fer_au.stores import Store
from fer_au.stores.verify import verify_store

ROOT = Path(__file__).parents[2]
REMEDY = "the cache must have room and let you write, or set FER_AU_CACHE to another folder"
"""How each line ends that refuses a cache."""
PARAMS: dict[str, Any] = {
    "datasets": {"tiny": {"adapter": "folder", "root": "pictures", "valid_fraction": 0.25, "test_fraction": 0.25}},
    "align": {"detector": "dlib-hog", "keypoints": "detector", "size": 64, "max_reject_fraction": 0.5},
    "landmarks": {"extractor": "mean-shape", "max_reject_fraction": 0.5},
    "heatmaps": {"size": 14},
}


@dataclass
class Run:
    """A stage under way, in a session of its own (as a terminal gives it)."""

    process: subprocess.Popen[bytes]
    diary: Path
    stderr: Path

    @property
    def shards(self) -> int:
        """Shards begun so far in the workspace."""
        return len(read_diary(self.diary))

    def wait_until(self, ready: Callable[[], bool], seconds: float = 240) -> bool:
        """Wait for something while the process goes on; False if it ended first."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if ready():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.002)
        raise TimeoutError("nothing happened")

    @property
    def said(self) -> str:
        """What it has written to stderr so far."""
        return self.stderr.read_text()

    def finish(self, seconds: float = 300) -> str:
        """Wait for the end and give what it said."""
        self.process.wait(timeout=seconds)
        return self.said

    def survivors(self) -> list[int]:
        """Processes of the run that still live."""
        return [pid for pid, session in _sessions() if session == self.process.pid]

    def wait_alone(self, seconds: float = 60) -> float:
        """Wait until none of its processes lives; how long that took."""
        start = time.monotonic()
        while left := self.survivors():
            if time.monotonic() - start > seconds:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)  # this test fails; it leaves nothing behind
                raise AssertionError(f"processes {left} live on")
            time.sleep(0.005)
        return time.monotonic() - start


class Workspace:
    """A folder with ``params.yaml``, ``data/tiny`` and a cache; its locks are its own.

    Args:
        folder: Made if it is missing.
        ingested: A folder with ``pictures`` and ``data/tiny`` as ``ingest`` left it.
        cache: The cache folder; default in the workspace.
    """

    def __init__(self, folder: Path, ingested: Path, cache: Path | None = None) -> None:
        self.folder = folder
        self.cache = cache or folder / ".fer_au/cache"
        self.diary = folder / "diary.txt"
        self._runs = 0
        (folder / ".dvc").mkdir(parents=True)
        shutil.copytree(ingested / "data", folder / "data")
        (folder / "pictures").symlink_to(ingested / "pictures")
        self.write_params()

    @property
    def data(self) -> Path:
        return self.folder / "data/tiny"

    def write_params(self, **sections: dict[str, Any]) -> None:
        """Write params.yaml; ``sections`` change keys."""
        params = {name: {**keys, **sections.get(name, {})} for name, keys in PARAMS.items()}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))

    def environment(self, **env: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FER_AU_")}
        settings = {"PYTHONPATH": str(ROOT), "FER_AU_CACHE": str(self.cache), "FER_AU_WORKERS": "2"}
        return kept | settings | env

    def start(
        self, *stages: str, shard_rows: int = 4, pause: float = 0, die_in: int = 0, env: dict[str, str] | None = None
    ) -> Run:
        """Start stages in one process."""
        settings = {"diary": str(self.diary), "shard_rows": shard_rows, "pause": pause, "die_in": die_in}
        command = [sys.executable, "-m", "tests.reliability.observed", "tiny", json.dumps(settings), *stages]
        self._runs += 1
        stderr = self.folder / f"stderr-{self._runs}.txt"
        with stderr.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**(env or {})),
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
        return Run(process, self.diary, stderr)

    def run(self, *stages: str, code: int = 0, **options: Any) -> str:
        """Run stages to their end; what they said."""
        run = self.start(*stages, **options)
        said = run.finish()
        run.wait_alone()
        assert run.process.returncode == code, said
        return said

    def started(self) -> list[str]:
        """Every row that was begun, once for each time."""
        return [row for rows in read_diary(self.diary) for row in rows]

    def shards(self) -> list[Path]:
        """What a reader of the cache would take for shards."""
        return sorted(self.cache.glob("[0-9a-f][0-9a-f]/*/*.h5"))

    def rows_kept(self) -> int:
        """Rows in the cache, every shard checked whole."""
        rows = 0
        for path in self.shards():
            assert verify_store(path) == []
            rows += len(Store.open(path, "shard"))
        return rows

    def forget(self) -> None:
        """Empty cache and diary."""
        shutil.rmtree(self.cache, ignore_errors=True)
        self.diary.unlink(missing_ok=True)

    def bytes_of(self, *names: str) -> list[bytes]:
        return [(self.data / name).read_bytes() for name in names]


def show(figure: str) -> None:
    """Print a figure; ``pytest -rP`` shows it."""
    sys.stdout.write(f"{figure}\n")


def read_diary(path: Path) -> list[list[str]]:
    """The rows of every shard that was begun, in order."""
    if not path.exists():
        return []
    return [line.split()[2:] for line in path.read_text().splitlines()]


def errors(said: str) -> list[str]:
    """The lines of a stage's stderr that report an error; a trace is none of what a stage may say."""
    assert "Traceback" not in said, said
    return [line for line in said.splitlines() if line.startswith("error:")]


def temporaries(*folders: Path) -> list[Path]:
    """Temporary files below folders."""
    return sorted(path for folder in folders for path in folder.rglob("*.tmp"))


def _sessions() -> Sequence[tuple[int, int]]:
    """Living processes and the sessions they belong to."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if state not in "ZX":
            found.append((int(stat.parent.name), int(session)))
    return found
