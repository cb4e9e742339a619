"""``train.fraction``: a share of every class, nested, by person, another one for each seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.shared.blobs import Blob, many
from fer_au.batches import FaceDataset
from fer_au.batches.fraction import draw_fraction
from fer_au.config.experiments import ExperimentConfig, TrainConfig
from fer_au.errors import DataError
from fer_au.evaluation.seen import find_seen
from fer_au.fingerprints import file_digest
from fer_au.training.stage import _splits

Make = Callable[[Sequence[Blob]], Path]
SIZES = {"neutral": 40, "happiness": 20, "surprise": 11, "anger": 2}
FOUR = [blob for label, count in SIZES.items() for blob in many(label, count)]


def drawn(faces: FaceDataset, fraction: float, seed: int = 0) -> list[str]:
    return list(draw_fraction(faces, fraction, seed).ids)


def test_every_class_keeps_its_share_and_one_face_at_least(make_dataset: Make) -> None:
    faces = FaceDataset(make_dataset(FOUR), "train")
    for fraction, expected in ((1.0, [40, 20, 11, 2]), (0.25, [10, 5, 3, 1]), (0.1, [4, 2, 1, 1])):
        part = draw_fraction(faces, fraction, 0)
        counts = Counter(part.classes[label] for label in part.labels.tolist())
        assert [counts[label] for label in SIZES] == expected
        assert part.classes == faces.classes
        assert list(part.ids) == sorted(part.ids)  # the split's own order


def test_a_share_lies_in_every_larger_one_and_another_seed_draws_others(make_dataset: Make) -> None:
    faces = FaceDataset(make_dataset(FOUR), "train")
    shares = [set(drawn(faces, fraction)) for fraction in (0.01, 0.1, 0.25, 0.5, 0.9, 1.0)]
    assert all(small < large for small, large in pairwise(shares))
    assert drawn(faces, 0.25) == drawn(faces, 0.25)
    assert len({*drawn(faces, 0.25)} & {*drawn(faces, 0.25, seed=1)}) < 0.5 * len(drawn(faces, 0.25))


def test_the_faces_of_a_person_are_drawn_together_in_all_classes(make_dataset: Make) -> None:
    people = [f"p{number}" for number in range(10)]
    blobs = [Blob(label, subject=name) for label in ("happiness", "anger") for name in people for _ in range(3)]
    folder = make_dataset(blobs)
    faces = FaceDataset(folder, "train")
    persons = dict(zip(faces.ids, (blob.subject for blob in blobs), strict=True))
    counts = Counter(persons[one] for one in drawn(faces, 0.3))
    assert sorted(counts.values()) == [6, 6, 6]
    assert Counter(persons[one] for one in drawn(faces, 0.3, seed=3)) != counts


def test_training_sees_the_share_alone_and_selects_on_the_whole(
    make_dataset: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_dataset([*FOUR, *many("anger", 5, "valid")])
    experiment = ExperimentConfig.model_validate({"dataset": "data", "model": {"backbone": "test_resnet"}, "seed": 2})
    settings = TrainConfig(fraction=0.5, batch_size=8, image_size=32)
    train, valid = _splits(experiment, settings, folder)
    assert list(train.ids) == drawn(FaceDataset(folder, "train"), 0.5, seed=2)
    assert len(valid) == 5
    assert (
        f"{folder}: {len(train)} of 73 training faces are drawn, by train.fraction and seed" in capsys.readouterr().err
    )
    with pytest.raises(DataError, match=r"train\.fraction: 0\.1 of 73 training faces are 8, less than one batch of 64"):
        _splits(experiment, TrainConfig(fraction=0.1), folder)


def test_faces_that_were_not_drawn_are_not_taken_for_seen(make_dataset: Make) -> None:
    folder = make_dataset(FOUR)
    experiment = {"dataset": folder.name, "seed": 1}
    recorded = {"manifest.csv": file_digest(folder / "manifest.csv")}
    # All made-up faces have one file, so that one drawn face is enough to have seen them all.
    assert find_seen(["0000.png"], folder, experiment, recorded, 0.1).number == 1
    (folder / "faces.h5").unlink()
    found = find_seen(["0000.png"], folder, experiment, recorded, 0.1)
    assert found.number is None
    assert "faces.h5" in found.example
