"""Render the whole demo set: pictures, labels and truth, the same bytes for the same configuration."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.compute import log, map_ordered
from fer_au.config.data import DemoConfig
from fer_au.csv_files import write_csv
from fer_au.demo.action_units import AU_NAMES
from fer_au.demo.asset import Floats, load_asset
from fer_au.demo.degradation import encode_jpeg
from fer_au.demo.expressions import RECIPES
from fer_au.demo.identity import Identity, sample_identities
from fer_au.demo.render import PersonModel, render
from fer_au.demo.scene import sample_scene
from fer_au.errors import DataError
from fer_au.fingerprints import fingerprint
from fer_au.stores.columns import encode_ids
from fer_au.stores.writer import write_store
from fer_au.terminal import counted

LABELS, TRUTH, IMAGES = "labels.csv", "truth.h5", "images"
LABEL_HEADER = ("path", "label", "subject", "split")
# Raised when the renderer changes what the same configuration gives.
RENDERER_VERSION = 3


@dataclass(frozen=True)
class PersonTask:
    """Task of a worker: all pictures of one person."""

    identity: Identity
    number: int
    expressions: tuple[str, ...]
    size: int
    seed: int


@dataclass(frozen=True)
class PersonResult:
    """Rendered pictures of one person, in order."""

    jpegs: tuple[bytes, ...]
    points: Floats
    au: Floats
    pose: Floats
    motion: NDArray[np.uint8]


def plan(config: DemoConfig) -> list[PersonTask]:
    """Plan which person shows which expression in which picture; expressions are balanced over the set."""
    names = tuple(RECIPES)
    people = sample_identities(load_asset(), config.identities, config.seed)
    return [
        PersonTask(
            identity=person,
            number=number,
            expressions=tuple(names[(number * config.images + k) % len(names)] for k in range(config.images)),
            size=config.size,
            seed=config.seed,
        )
        for number, person in enumerate(people)
    ]


def split_of(number: int, test_fraction: float) -> str:
    """Choose the split of a person: test people are spread evenly over the list, so both sexes and all tones occur."""
    # Rounded to the nearest, so that a small set has test people too.
    before, after = (int(people * test_fraction + 0.5) for people in (number, number + 1))
    return "test" if after > before else "train"


def render_person(task: PersonTask) -> PersonResult:
    """Render all pictures of one person; each picture has its own seed."""
    model = PersonModel.build(task.identity)
    jpegs, points, motions, units, poses = [], [], [], [], []
    for k, expression in enumerate(task.expressions):
        rng = np.random.default_rng([task.seed, 1, task.number, k])
        scene = sample_scene(expression, rng)
        result = render(model, scene, task.size, rng)
        jpegs.append(encode_jpeg(result.picture, scene.degradation))
        points.append(result.points)
        motions.append(result.motion)
        units.append(scene.activation.mean_vector())
        poses.append((scene.pose.yaw, scene.pose.pitch, scene.pose.roll))
    return PersonResult(
        jpegs=tuple(jpegs),
        points=np.stack(points),
        au=np.array(units, np.float32),
        pose=np.array(poses, np.float32),
        motion=np.stack(motions),
    )


def generate(config: DemoConfig, output: Path) -> None:
    """Write ``images/<subject>/<n>.jpg``, ``labels.csv`` and ``truth.h5`` below ``output``.

    Raises:
        DataError: ``output`` holds files that are no demo set.
    """
    _clear(output)
    tasks = plan(config)
    rows: list[tuple[str, str, str, str]] = []
    results: list[PersonResult] = []
    weights = [len(task.expressions) for task in tasks]
    for task, result in zip(tasks, map_ordered(render_person, tasks, label="render", weights=weights), strict=True):
        folder = output / IMAGES / task.identity.name
        folder.mkdir(parents=True)
        split = split_of(task.number, config.test_fraction)
        for k, (expression, jpeg) in enumerate(zip(task.expressions, result.jpegs, strict=True)):
            (folder / f"{k:03d}.jpg").write_bytes(jpeg)
            rows.append((f"{IMAGES}/{task.identity.name}/{k:03d}.jpg", expression, task.identity.name, split))
        results.append(result)
    tones = np.repeat([task.identity.darkness for task in tasks], [len(task.expressions) for task in tasks])
    _write_truth(output / TRUTH, config, [row[0] for row in rows], results, tones.astype(np.float32))
    write_csv(output / LABELS, LABEL_HEADER, rows)
    people = counted(len(tasks), "person", "people")
    log(f"render {output.parent.name}: {counted(len(rows), 'picture')} of {people}; {output}")


def _write_truth(path: Path, config: DemoConfig, ids: list[str], results: list[PersonResult], tones: Floats) -> None:
    columns = {
        name: np.concatenate([getattr(result, name) for result in results])
        for name in ("points", "au", "pose", "motion")
    }
    write_store(
        path,
        "truth",
        {"id": encode_ids(ids), **columns, "skin_tone": tones},
        fingerprint=fingerprint("demo", RENDERER_VERSION, config.model_dump()),
        attributes={"au_names": ",".join(AU_NAMES)},
    )


def _clear(output: Path) -> None:
    """Make room for a new set, but only where there is nothing or an older demo set."""
    if output.exists():
        if not output.is_dir():
            raise DataError(f"{output}: is a file, not a folder for the demo set")
        strange = sorted(entry.name for entry in output.iterdir() if entry.name not in (LABELS, TRUTH, IMAGES))
        if strange:
            raise DataError(f"{output}: holds {strange[0]!r}, which is no part of a demo set; choose another folder")
        shutil.rmtree(output)
    output.mkdir(parents=True)
