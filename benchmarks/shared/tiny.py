"""A tiny project: 56 rendered faces, one small network, and the stages as processes of their own, without DVC."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

EPOCHS = 2
DEMO = {"identities": 8, "images": 7, "size": 128, "test_fraction": 0.25, "seed": 0}
PARAMS: dict[str, object] = {
    "render": {"tiny": DEMO},
    "datasets": {
        "tiny": {"adapter": "demo", "root": "data/tiny/raw", "valid_fraction": 0.2, "max_reject_fraction": 1.0}
    },
    "align": {"size": 96, "max_reject_fraction": 1.0},
    "landmarks": {"extractor": "dlib68", "max_reject_fraction": 1.0},
    "heatmaps": {"size": 28},
    "train": {"epochs": EPOCHS, "batch_size": 16, "image_size": 48},
    "evaluate": {"cams": ["native", "gradcam", "layercam"], "faithfulness_images": 4},
    "experiments": {
        "au": {
            "dataset": "tiny",
            "base": "none",
            "model": {"backbone": "test_resnet", "output_stride": 8, "head": "gap"},
            "guidance": [{"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}],
        }
    },
    "cross": {},
}
STAGES = ("ingest", "align", "landmarks", "heatmaps", "train", "evaluate", "report")
"""The stages in their order; ``words`` gives the command of each."""


COMMANDS = {
    "fer-au --help": ["-c", "import sys; from fer_au.cli import main; sys.argv[1:] = ['--help']; main()"],
    "fer-au check-data": [
        "-c",
        "import sys; from fer_au.cli import main; sys.argv[1:] = ['check-data', 'demo', 'data/tiny/raw']; main()",
    ],
}
"""Words after ``python`` that run commands of ``fer-au``."""


def words(stage: str) -> list[str]:
    """Give the words after ``python`` that run a stage."""
    names = {"train": ["au"], "evaluate": ["au"], "report": []}
    return [f"stages/{stage}.py", *names.get(stage, ["tiny"])]


class TinyProject:
    """A folder with ``params.yaml`` and rendered pictures, and links to the code of a checkout.

    Args:
        folder: Made anew.
        tree: Checkout of the project whose code runs.
    """

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder, self.tree = folder, tree
        folder.mkdir(parents=True)
        (folder / ".dvc").mkdir()  # locks lie beside it
        for name in ("stages", "fer_au", "benchmarks"):
            (folder / name).symlink_to(tree / name)
        (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False))
        try:
            self.run("stages/render.py", "tiny")
        except RuntimeError:  # up to 0.1.0 the stage took a file and a folder
            (folder / "demo.yaml").write_text(yaml.safe_dump({"demo": DEMO}))
            self.run("stages/render.py", "demo.yaml", "data/tiny/raw")
            known = {name: section for name, section in PARAMS.items() if name != "render"}
            (folder / "params.yaml").write_text(yaml.safe_dump(known, sort_keys=False))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Python with some arguments in a session of its own, as a terminal does; stderr goes to a pipe."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FER_AU_")}
        settings = {"PYTHONPATH": str(self.tree), "FER_AU_CACHE": str(self.folder / "cache"), **environment}
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is deaf
        try:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=kept | settings,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python with some arguments to its end; what it said.

        Raises:
            RuntimeError: It failed.
        """
        process = self.start(*arguments, **environment)
        said = process.communicate()[1].decode()
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: exit {process.returncode}\n{said}")
        return said

    def copy(self, folder: Path) -> TinyProject:
        """Copy the project with all that its stages have made."""
        twin = object.__new__(TinyProject)
        twin.folder, twin.tree = folder, self.tree
        shutil.copytree(self.folder, folder, symlinks=True)
        return twin
