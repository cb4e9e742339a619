from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmarks.shared.blobs import Blob
from fer_au.batches import FaceDataset
from fer_au.config.experiments import AugmentConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.cues import render_au_maps
from fer_au.ibug68 import MEAN_FACE, inter_ocular_distance, mirror_points, normalised_error
from fer_au.models import create_model
from fer_au.training import train_experiment
from fer_au.training.augment import Augmenter
from fer_au.training.guidance import Guidance
from fer_au.training.landmark_noise import LandmarkNoise, standard_noise
from fer_au.training.pull import Targets

SIZE = 32
AU = {"cue": "au", "loss": "cosine", "layers": ["last"], "weight": 4.0}
Make = Callable[[Sequence[Blob]], Path]


def targets(folder: Path, indices: Sequence[int], *, seed: int = 0, **entry: Any) -> Targets:
    faces = FaceDataset(folder, "train", SIZE)
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, faces.classes, seed=0)
    guidance = Guidance([GuidanceConfig.model_validate({**AU, **entry})], model, faces, seed)
    maps, valid, _ = guidance.targets(faces.batch(indices), torch.zeros(len(indices), dtype=torch.bool))[0]
    return maps, valid


def many_faces(count: int) -> tuple[torch.Tensor, list[str]]:
    """The average face at many places, sizes and angles."""
    rng = np.random.default_rng(0)
    turns = rng.uniform(-0.5, 0.5, count)
    rotations = np.stack([[np.cos(turns), -np.sin(turns)], [np.sin(turns), np.cos(turns)]]).transpose(2, 0, 1)
    scales, shifts = rng.uniform(20, 120, (count, 1, 1)), rng.uniform(50, 150, (count, 1, 2))
    points = (MEAN_FACE[None] @ rotations) * scales + shifts
    return torch.from_numpy(points.astype(np.float32)), [f"face/{k}.jpg" for k in range(count)]


def test_without_noise_the_very_stored_maps_are_used(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", SIZE)
    stored = faces.batch(range(8))
    maps, valid = targets(dataset_dir, range(8), landmark_noise=0)
    assert torch.equal(maps, stored.maps / 255)
    assert torch.equal(valid, stored.valid)


def test_the_noise_has_the_sigma_that_was_asked_for_in_inter_ocular_units() -> None:
    points, ids = many_faces(500)
    moved = LandmarkNoise(0.08, seed=3)(points, ids)
    unit = inter_ocular_distance(points.numpy())[:, None, None]
    offsets = (moved - points).numpy() / unit
    n = offsets.size  # 68,000 draws: the deviation's own error is sigma / sqrt(2 n)
    assert offsets.std() == pytest.approx(0.08, rel=4 / np.sqrt(2 * n))
    assert abs(offsets.mean()) < 4 * 0.08 / np.sqrt(n)
    assert abs(np.corrcoef(offsets[..., 0].ravel(), offsets[..., 1].ravel())[0, 1]) < 4 / np.sqrt(n / 2)
    assert abs(np.corrcoef(offsets[:, 0, 0], offsets[:, 1, 0])[0, 1]) < 4 / np.sqrt(500)
    mean_error = normalised_error(moved.numpy(), points.numpy()).mean()
    assert mean_error == pytest.approx(0.08 * np.sqrt(np.pi / 2), rel=0.01)


def test_levels_of_one_seed_are_one_noise_scaled() -> None:
    points, ids = many_faces(4)
    small, large = (LandmarkNoise(sigma, 1)(points, ids) - points for sigma in (0.05, 0.1))
    assert torch.allclose(2 * small, large, atol=1e-3)


def test_equal_seeds_give_equal_noise_and_others_another() -> None:
    points, ids = many_faces(3)
    first, again, other = (LandmarkNoise(0.1, seed)(points, ids) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.isclose(first, other).all(-1).any()


def test_noise_does_not_depend_on_order_or_batch(dataset_dir: Path) -> None:
    whole, _ = targets(dataset_dir, range(12), landmark_noise=0.1)
    turned, _ = targets(dataset_dir, range(11, -1, -1), landmark_noise=0.1)
    alone = torch.cat([targets(dataset_dir, [k], landmark_noise=0.1)[0] for k in range(12)])
    assert torch.equal(whole, turned.flip(0))
    assert torch.equal(whole, alone)


def test_noise_is_the_same_in_another_process() -> None:
    code = "from fer_au.training.landmark_noise import standard_noise as n; print(n(5, 'a/b.jpg').tobytes().hex())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout.strip()) == standard_noise(5, "a/b.jpg").tobytes()


def test_a_noisy_cue_is_drawn_from_the_moved_points_and_not_from_the_stored_maps(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", SIZE)
    batch = faces.batch(range(10, 22))
    unit = inter_ocular_distance(batch.points.numpy())[:, None, None]
    noise = np.stack([standard_noise(4, id_) for id_ in batch.ids])
    labels = [faces.classes[label] for label in batch.labels.tolist()]
    moved = batch.points.numpy() + 0.1 * unit * noise
    expected, seen = render_au_maps(moved, labels, faces.crop_size, faces.map_size)
    maps, valid = targets(dataset_dir, range(10, 22), landmark_noise=0.1, seed=4)
    assert torch.allclose(maps, torch.from_numpy(expected), atol=1 / 255)
    assert torch.equal(valid, torch.from_numpy(seen))
    assert not torch.allclose(maps, batch.maps / 255, atol=0.05)


def test_noisy_maps_move_with_the_image_as_the_noisy_points_do(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", SIZE)
    batch = faces.batch(range(10, 16))
    maps, _ = targets(dataset_dir, range(10, 16), landmark_noise=0.05, seed=2)
    mirror = AugmentConfig(flip=1, rotate=0, scale=(1, 1), shift=0, grayscale=0, erase=0)
    augmenter, generator = Augmenter(mirror), torch.Generator().manual_seed(0)
    _, (moved,) = augmenter(batch.images.float() / 255, [maps], augmenter.draw(len(batch), generator))
    points = LandmarkNoise(0.05, 2)(batch.points, batch.ids).numpy()
    labels = [faces.classes[label] for label in batch.labels.tolist()]
    expected, _ = render_au_maps(mirror_points(points, faces.crop_size), labels, faces.crop_size, faces.map_size)
    assert torch.allclose(moved, torch.from_numpy(expected), atol=1 / 255)


def test_noise_applies_under_another_codebook_too(dataset_dir: Path) -> None:
    options = {"codebook": "paper", "geometry": "paper"}
    clean, _ = targets(dataset_dir, range(10, 16), **options)
    noisy, _ = targets(dataset_dir, range(10, 16), landmark_noise=0.1, **options)
    assert not torch.allclose(clean, noisy, atol=0.05)


def test_a_face_without_landmarks_stays_without(make_dataset: Make) -> None:
    folder = make_dataset([Blob("anger"), Blob("anger", landmarks=False), Blob("neutral")])
    maps, valid = targets(folder, range(3), landmark_noise=0.1)
    assert valid.tolist() == [True, False, False]
    assert not maps[1:].any()


@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf"), "much"])
def test_a_level_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="landmark_noise"):
        GuidanceConfig.model_validate({**AU, "landmark_noise": value})


def test_a_training_with_noise_repeats_and_differs_from_one_without(dataset_dir: Path) -> None:
    settings = TrainConfig.model_validate({"epochs": 2, "batch_size": 16, "image_size": SIZE, "precision": "fp32"})
    for name, level in (("clean", 0.0), ("noisy", 0.2), ("again", 0.2)):
        experiment = ExperimentConfig.model_validate(
            {
                "dataset": "blobs",
                "model": {"backbone": "test_resnet", "output_stride": 8},
                # From points in both, so that the noise is all that differs.
                "guidance": [{**AU, "codebook": "paper", "landmark_noise": level}],
            }
        )
        train_experiment(name, experiment, settings, dataset_dir, Path("models/none"), Path(name))
    weights = {name: (Path(name) / "model.safetensors").read_bytes() for name in ("clean", "noisy", "again")}
    assert weights["noisy"] == weights["again"]
    assert weights["noisy"] != weights["clean"]
    record = json.loads(Path("noisy/config.json").read_text())
    assert record["experiment"]["guidance"][0]["landmark_noise"] == 0.2
