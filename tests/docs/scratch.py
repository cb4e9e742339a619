"""Small projects in which the blocks of the pages run: copies of one that has a finished run of two experiments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
import yaml
from dvc.repo import Repo

from fer_au.checks import refuse_problems
from fer_au.config.entries import load_experiment, merge
from fer_au.config.external import UNTRAINED
from fer_au.config.reading import PARAMS, read_params
from fer_au.datasets import load_dataset_config
from fer_au.decoding import decode_image
from stages import align, cross, evaluate, heatmaps, ingest, landmarks, render, report, train
from tests.docs.blocks import ROOT, Block, missing_output, read_blocks, read_commands
from tests.docs.pictures import provide
from tests.plugins.package import files_of, install

EXPERIMENTS = ("vanilla", "au")
SMALL: dict[str, Any] = {
    "render": {"demo": {"identities": 6, "images": 7, "size": 128, "test_fraction": 0.34}},
    "align": {"size": 96},
    "train": {"epochs": 1, "batch_size": 8, "image_size": 64},
    "evaluate": {"cams": ["native"], "faithfulness_images": 0, "moved": False, "attention_layers": ["last"]},
}
_PLACES = re.compile(r"(?<![\w.])/(?:lab|path/to)(?=/)")  # what pages call folders of a lab


def build(folder: Path) -> None:
    """Make a project with a finished, committed run of the demo with few faces, small pictures and one epoch.

    What pages presume besides: ``me.jpg`` and ``clip.mp4``, a picture and a video of the reader's own.
    """
    folder.mkdir()
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "stages", folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data/codebooks", folder / "data/codebooks")
    (folder / "fer_au").symlink_to(ROOT / "fer_au")
    (folder / "benchmarks/results").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks/results/README.md", folder / "benchmarks/results")
    (folder / "models/none").mkdir(parents=True)
    (folder / "models/none/.gitkeep").touch()
    change_params(folder, SMALL)
    with inside(folder):
        render.main("demo")
        pictures = sorted(Path("data/demo/raw/images").rglob("*.jpg"))
        shutil.copy(pictures[0], "me.jpg")
        film(pictures[:5], Path("clip.mp4"))
        for stage in (ingest, align, landmarks, heatmaps):
            stage.main("demo")
        for name in EXPERIMENTS:
            train.main(name)
            evaluate.main(name)
        report.main()
    for command in (
        "git init -q",
        "dvc init -q",
        "dvc config core.analytics false",
        "python stages/stamp.py",
        "dvc commit -f -q",
        "git add .",
        "git -c user.name=lab -c user.email=lab@lab commit -qm First",
        "git -c user.name=lab -c user.email=lab@lab commit -qm Second --allow-empty",
    ):
        run_command(folder, command)


def film(pictures: Sequence[Path], path: Path) -> None:
    """Make a video of pictures, of one size: five frames per second."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=5)
        frames = [av.VideoFrame.from_ndarray(decode_image(picture), "rgb24") for picture in pictures]
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def run_command(folder: Path, command: str) -> str:
    """Run a command line in a project, and give all that it prints; any exit code but 0 is a failure."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command}\nexited {done.returncode}:\n{done.stdout[-4000:]}", pytrace=False)
    return done.stdout


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a project, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FER_AU_WORKERS", "1")
        yield


def change_params(folder: Path, changes: Mapping[str, Any]) -> None:
    """Overlay params.yaml of a project key by key; entries with names are replaced whole."""
    path = folder / PARAMS
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, keys in changes.items():
        named = section in ("datasets", "render", "experiments", "cross")
        params[section] = {**params.get(section, {}), **keys} if named else merge(params.get(section, {}), keys)
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


class Scratch:
    """A project in which the blocks of one page run.

    Args:
        folder: A copy of the project that ``build`` made. What the page shows as files is written into it.
        page: The page.
    """

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self._drawn = folder / "data/demo/raw"
        install(folder, [replace(block, text=self.here(block.text)) for block in files_of(page)])

    def here(self, text: str) -> str:
        """A text of the page with the folders of this project's lab in it."""
        return _PLACES.sub(str(self.folder / "lab"), text)

    def run(self, block: Block) -> None:
        """Do what a reader would do with a block, after what the page showed before it."""
        runners: dict[str, Callable[[Block], None]] = {
            "yaml": self.run_yaml,
            "python": self.run_python,
            "console": self.run_console,
        }
        if block.language not in runners:
            pytest.fail(f"{block}: nothing runs a block of {block.language!r}; mark it: <!-- not run: REASON -->")
        runners[block.language](block)

    def run_python(self, block: Block) -> None:
        """Run a whole script."""
        with inside(self.folder):
            exec(compile(self.here(block.text), str(block), "exec"), {"__name__": "__main__"})

    def run_console(self, block: Block) -> None:
        """Type the commands, and compare what they print with what is shown."""
        self._take_over(block)
        for command in read_commands(block):
            output = run_command(self.folder, self.here(command.text))
            if (line := missing_output([self.here(line) for line in command.shown], self.here(output))) is not None:
                pytest.fail(f"{block}: {command.text}\ndid not print {line!r}:\n{output[-4000:]}", pytrace=False)

    def run_yaml(self, block: Block) -> None:
        """Validate the sections, read the data sets, run the stages and train the experiments that they name."""
        shown = self._take_over(block)
        with inside(self.folder):
            self._validate()
            change_params(self.folder, {"train": SMALL["train"]})
            for name in shown.get("datasets", {}):
                ingest.main(name)
            stages = [("align", align), ("landmarks", landmarks), ("heatmaps", heatmaps)]
            changed = [number for number, (section, _) in enumerate(stages) if section in shown]
            for _, stage in stages[changed[0] :] if changed else ():  # what follows is made of it
                stage.main("demo")
            for name in shown.get("experiments", {}):
                self._train(name)
                if "evaluate" in shown:
                    evaluate.main(name)
            for name, entry in shown.get("cross", {}).items():
                self._prepare(entry["dataset"])
                cross.main(name)

    def _take_over(self, block: Block) -> dict[str, Any]:
        """Put all sections that the page has shown so far into params.yaml, and pictures where its data sets say.

        Returns:
            The sections of this block.
        """
        shown: dict[str, Any] = {}
        for earlier in read_blocks(block.page, "yaml"):
            if earlier.line <= block.line and not (earlier.file or earlier.reason):
                shown = yaml.safe_load(self.here(earlier.text))
                change_params(self.folder, shown)
                with inside(self.folder):
                    for name in shown.get("datasets", {}):
                        provide(load_dataset_config(name), self._drawn)
        return shown

    def _validate(self) -> None:
        """Look over params.yaml as every `dvc repro` does first; DVC, too, must find all that its templates name."""
        refuse_problems(PARAMS)
        with Repo(".") as repo:
            assert len(repo.index.stages) > len(read_params()["experiments"])

    def _prepare(self, dataset: str) -> None:
        """Run the stages of a data set up to its maps, where they have not run."""
        if not Path("data", dataset, "heatmaps.h5").exists():
            for stage in (ingest, align, landmarks, heatmaps):
                stage.main(dataset)

    def _train(self, name: str) -> None:
        """Train an experiment for an epoch, and before it the one that it starts from."""
        experiment, _ = load_experiment(name)
        self._prepare(experiment.dataset)
        if experiment.base != "none" and not Path("models", experiment.base).exists():
            self._train(experiment.base)
        entry = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))["experiments"][name]
        if entry.get("train") != UNTRAINED:
            change_params(self.folder, {"experiments": {name: {**entry, "train": {}}}})
        train.main(name)


def main(folder: str, page: str, line: str) -> None:
    """Run one block in a process of its own."""
    (block,) = [block for block in read_blocks(page) if block.line == int(line)]
    Scratch(Path(folder).resolve(), page).run(block)


if __name__ == "__main__":
    main(*sys.argv[1:])
