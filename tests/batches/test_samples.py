"""Faces one by one, as somebody's own training loop takes them."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks.shared.blobs import CENTRES, CROP, MAP, many, write_dataset
from fer_au.batches.faces import FaceDataset
from fer_au.batches.similarities import move_points
from fer_au.config.experiments import GuidanceConfig
from fer_au.cues import create_codebook
from fer_au.datasets import open_faces
from fer_au.errors import ConfigError, DataError, UnknownNameError
from fer_au.ibug68 import mirror_points
from fer_au.models import create_model
from fer_au.stores import Store, write_store
from fer_au.training.guidance import Guidance

DOCS = Path(__file__).parents[2] / "docs" / "index.md"


@pytest.fixture
def demo(workspace: Path) -> Path:
    blobs = [blob for label in CENTRES for blob in [*many(label, 3), *many(label, 1, "test")]]
    return write_dataset(workspace / "data" / "demo", blobs)


def test_the_documented_call_opens_a_torch_data_set(demo: Path) -> None:
    (call,) = re.findall(r"`fer_au\.datasets\.(open_faces\(.*?\))`", DOCS.read_text())
    faces = eval(call, {"open_faces": open_faces})
    assert isinstance(faces, torch.utils.data.Dataset)
    assert len(faces) == 12
    assert faces.classes == ("neutral", "happiness", "surprise", "anger")
    batch = next(iter(DataLoader(faces, batch_size=5)))
    assert set(batch) == {"image", "label", "map", "valid", "points", "id"}
    assert batch["image"].shape == (5, 3, CROP, CROP)
    assert batch["image"].dtype == torch.uint8
    assert batch["map"].shape == (5, MAP, MAP)
    assert batch["points"].shape == (5, 68, 2)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * CROP**2, 4))
    assert torch.nn.functional.cross_entropy(net(batch["image"] / 255), batch["label"]).isfinite()


def test_items_are_those_of_the_stores(demo: Path) -> None:
    faces, expected = open_faces(demo, "test"), FaceDataset(demo, "test", CROP).batch(range(4))
    for index, sample in enumerate(faces):
        assert torch.equal(sample["image"], expected.images[index])
        assert sample["label"] == expected.labels[index]
        assert torch.allclose(sample["map"] * 255, expected.maps[index].float())
        assert sample["valid"] == expected.valid[index]
        assert torch.equal(sample["points"], expected.points[index])
        assert sample["id"] == expected.ids[index]
    assert index == 3
    assert faces[-1]["id"] == expected.ids[3]
    with pytest.raises(IndexError):
        faces[4]


def test_points_follow_the_images_size(demo: Path) -> None:
    small, full = open_faces(demo, image_size=CROP // 2)[5], open_faces(demo)[5]
    assert small["image"].shape == (3, CROP // 2, CROP // 2)
    assert torch.allclose(small["points"], full["points"] / 2)
    assert torch.equal(small["map"], full["map"])


@pytest.mark.parametrize("name", ["landmarks", "background"])
def test_maps_of_other_cues_say_where_to_look_as_in_training(demo: Path, name: str) -> None:
    faces = FaceDataset(demo, "train", 32)
    model = create_model({"backbone": "test_resnet", "output_stride": 8}, faces.classes, seed=0)
    guidance = Guidance([GuidanceConfig(cue=name)], model, faces, 0)
    batch = faces.batch([7])
    (expected,) = guidance.targets(batch, torch.zeros(1, dtype=torch.bool))
    sample = open_faces(demo, maps=name, image_size=32)[7]
    assert torch.equal(sample["map"], expected.maps[0])
    assert sample["valid"] == expected.valid[0]
    assert sample["map"].any()


def test_it_survives_pickling(demo: Path) -> None:
    faces = open_faces(demo)
    assert torch.equal(pickle.loads(pickle.dumps(faces))[2]["image"], faces[2]["image"])


def test_mistakes_are_one_line(demo: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown cue 'landmark'; did you mean landmarks"):
        open_faces(demo, maps="landmark")
    with pytest.raises(ConfigError, match=r"^maps: cue 'clusters' is drawn from \w+, not from landmarks alone$"):
        open_faces(demo, maps="clusters")
    with pytest.raises(DataError, match=r"absent.*manifest\.csv"):
        open_faces(demo / "absent")


def test_maps_are_drawn_by_the_stores_own_codebook_wherever_its_file_is(demo: Path, tmp_path: Path) -> None:
    """A codebook from a file is no registered name: neither guidance nor samples could draw by it."""
    path = tmp_path / "mine.yaml"
    path.write_text("expressions: {happiness: [12], surprise: [1, 2], anger: [4]}\n")
    attributes = {**create_codebook(path).attributes, "geometry": "corrected"}
    path.unlink()
    store = Store.open(demo / "heatmaps.h5", "heatmaps")
    columns = {name: store[name] for name in store.columns}
    write_store(demo / "heatmaps.h5", "heatmaps", columns, fingerprint="h", attributes=attributes)
    faces = FaceDataset(demo, "train", CROP)
    model = create_model({"backbone": "test_resnet"}, faces.classes, seed=0)
    entry = GuidanceConfig.model_validate({"cue": "au", "loss": "cosine", "layers": ["last"], "geometry": "paper"})
    (term,) = Guidance([entry], model, faces, 0).terms
    assert term.cue_maps is not None
    maps, valid = term.cue_maps(faces.ids, torch.zeros(len(faces), dtype=torch.bool))
    assert valid.tolist() == [faces.classes[label] != "neutral" for label in faces.labels]
    assert (maps.amax((1, 2)) > 0).tolist() == valid.tolist()


def test_augmentation_moves_picture_points_and_map_together(tmp_path: Path) -> None:
    demo = write_dataset(tmp_path / "data" / "demo", many("happiness", 6))
    still, moving = open_faces(demo), open_faces(demo, augment=True)
    torch.manual_seed(0)
    first = [moving[0] for _ in range(8)]
    torch.manual_seed(0)
    assert all(torch.equal(one["image"], moving[0]["image"]) for one in first)
    assert len({one["points"][0, 0].item() for one in first}) == len(first)
    assert moving[0]["image"].dtype == torch.uint8
    inner = slice(17, 68)  # the jaw of a moved face may lie outside
    for index in range(6):
        was, now = still[index], moving[index]
        assert now["image"].shape == was["image"].shape
        for one in (was, now):  # the map's spot is where the blob's colour is
            red = one["image"].float()
            spot = _centre((red[0] - red[2]).clamp_min(60) - 60)
            torch.testing.assert_close(spot, _centre(one["map"]), atol=0.04, rtol=0)
        pairs = (
            (now["points"][inner] - now["points"][inner].mean(0)).norm(),
            (was["points"][inner] - was["points"][inner].mean(0)).norm(),
        )
        assert 0.85 < float(pairs[0] / pairs[1]) < 1.2


def test_a_mirrored_face_has_its_points_by_their_own_names() -> None:
    points = torch.rand(68, 2) * 100
    mirror = torch.tensor([[-1.0, 0, 0], [0, 1, 0]])
    torch.testing.assert_close(move_points(points, mirror, 100), torch.from_numpy(mirror_points(points.numpy(), 100)))
    shifted = move_points(points, torch.tensor([[1.0, 0, 0.2], [0, 1, 0]]), 100)
    torch.testing.assert_close(shifted, points + torch.tensor([10.0, 0]))


def _centre(heat: torch.Tensor) -> torch.Tensor:
    """Centre of mass, xy in shares of the side."""
    places = (torch.arange(len(heat)) + 0.5) / len(heat)
    return torch.stack([(heat.sum(0) * places).sum(), (heat.sum(1) * places).sum()]) / heat.sum()
