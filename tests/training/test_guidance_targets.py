"""Targets of a batch: cues, grids, mixed images, clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.shared.blobs import Blob, many
from fer_au.batches.faces import FaceDataset
from fer_au.batches.similarities import mirrored, warp
from fer_au.config.experiments import AugmentConfig
from fer_au.cues import FaceBatch, create_cue
from fer_au.errors import ConfigError, DataError
from fer_au.resizing import Frame, Resize, resize_maps
from fer_au.stores import Store, encode_ids, write_store
from fer_au.training import cue_maps
from fer_au.training.augment import Augmenter
from fer_au.training.guidance import Guidance
from fer_au.training.losses.base import create_loss, list_losses
from fer_au.training.mixing import Mix
from fer_au.training.pull import Targets
from tests.training.guided import SIZE, build, of_class, still

Make = Callable[[Sequence[Blob]], Path]


class TestCues:
    @pytest.mark.parametrize("name", ["au_generic", "landmarks", "landmarks51", "background"])
    def test_each_batch_gets_the_cues_of_its_faces_as_where_to_look(self, dataset_dir: Path, name: str) -> None:
        guidance, _, faces = build(dataset_dir, {"cue": name})
        indices = [3, 30, 11, 7]
        batch = faces.batch(indices)
        labels = [faces.classes[label] for label in batch.labels.tolist()]
        cue_faces = FaceBatch(batch.points.numpy(), labels, faces.crop_size, faces.map_size)
        expected, seen = create_cue(name).render(cue_faces)
        ((maps, valid, known),) = guidance.targets(batch, still(4))
        assert known is None
        assert valid.tolist() == seen.tolist()
        assert valid.any()
        look = np.where(seen[:, None, None], 1 - expected if name == "background" else expected, 0)
        np.testing.assert_allclose(maps.numpy(), look, atol=0.51 / 255)

    def test_maps_that_do_not_fit_into_memory_are_drawn_alike(
        self, dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = {"cue": "landmarks", "landmark_noise": 0.05}
        kept, _, faces = build(dataset_dir, entry)
        monkeypatch.setattr(cue_maps, "_KEPT_BYTES", 100)
        drawn, _, _ = build(dataset_dir, entry)
        batch = faces.batch([5, 1, 33])
        (one,), (other,) = kept.targets(batch, still(3)), drawn.targets(batch, still(3))
        assert torch.equal(one.maps, other.maps)
        assert torch.equal(one.valid, other.valid)

    def test_kept_maps_are_not_drawn_again(self, dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        guidance, _, faces = build(dataset_dir, {"cue": "background"})

        def refuse(*_: object) -> None:
            raise AssertionError("drawn again")

        monkeypatch.setattr("fer_au.cues.background.BackgroundCue.draw", refuse)
        assert guidance.targets(faces.batch([0, 1]), still(2))[0].valid.any()

    def test_the_active_units_come_from_the_annotations_by_id(self, dataset_dir: Path) -> None:
        faces = FaceDataset(dataset_dir, "train", SIZE)
        ids = sorted(Store.open(dataset_dir / "faces.h5", "faces").ids)
        intensities = np.random.default_rng(0).random((len(ids), 2)).astype(np.float32)
        intensities[ids.index(faces.ids[4])] = 0
        columns = {"id": encode_ids(ids), "au": intensities}
        attributes = {"au_names": "AU4,AU12"}
        write_store(dataset_dir / "annotations.h5", "annotations", columns, fingerprint="a" * 64, attributes=attributes)
        guidance, _, _ = build(dataset_dir, {"cue": "au_active"})
        batch = faces.batch([9, 4, 25])
        rows = [ids.index(id_) for id_ in batch.ids]
        columns = {"au": intensities[rows]}
        known = FaceBatch(batch.points.numpy(), ["fear"] * 3, faces.crop_size, 28, columns, attributes)
        expected, _ = create_cue("au_active").render(known)
        ((maps, valid, _),) = guidance.targets(batch, still(3))
        assert valid.tolist() == [True, False, True]
        np.testing.assert_allclose(maps.numpy(), expected, atol=0.51 / 255)

    def test_a_data_set_that_knows_no_units_is_one_line(self, dataset_dir: Path) -> None:
        ids = Store.open(dataset_dir / "faces.h5", "faces")["id"]
        write_store(dataset_dir / "annotations.h5", "annotations", {"id": ids}, fingerprint="a" * 64)
        with pytest.raises(DataError, match=r"annotations\.h5: the data set has no column 'au', which cue 'au_active'"):
            build(dataset_dir, {"cue": "au_active"})

    def test_beyond_the_border_there_is_background(self, dataset_dir: Path) -> None:
        guidance, _, faces = build(dataset_dir, {"cue": "background", "loss": "mass_sum"})
        batch = faces.batch(range(20, 24))
        (target,) = guidance.targets(batch, still(4))
        shift = torch.tensor([[1.0, 0, 1.0], [0, 1.0, 0]]).repeat(4, 1, 1)  # half the picture to the right
        moved = target._replace(maps=warp(target.maps[:, None], shift, "zeros")[:, 0])
        attention = torch.zeros(4, 28, 28)
        attention[:, :, 3] = 1
        loss = guidance.terms[0].value([attention], moved, time=0)
        assert loss.item() == pytest.approx(28, rel=0.01)


@pytest.mark.parametrize("size", [4, 7, 8, 14, 16, 28])
@pytest.mark.parametrize("centre", [(0.2, 0.7), (0.5, 0.5), (0.8, 0.35)])
def test_a_blob_stays_where_it_is_on_every_grid(size: int, centre: tuple[float, float]) -> None:
    cells = (torch.arange(28) + 0.5) / 28
    x, y = centre
    blob = torch.exp(-((cells[None, :] - x) ** 2 + (cells[:, None] - y) ** 2) / (2 * 0.06**2))
    for known in (None, torch.ones(1, 28, 28)):
        drawn, _ = Targets(blob[None], torch.tensor([True]), known).on_grid((size, size), Frame("corrected", 224))
        coarse = (torch.arange(size) + 0.5) / size
        mass = drawn[0] / drawn.sum()
        assert float((mass.sum(0) * coarse).sum()) == pytest.approx(x, abs=0.01)
        assert float((mass.sum(1) * coarse).sum()) == pytest.approx(y, abs=0.01)


class TestMixedImages:
    def pair(self, folder: Path, entry: dict[str, Any]) -> tuple[Guidance, Targets]:
        """The cues of an angry face, which has one, and a neutral face, which has none."""
        guidance, _, faces = build(folder, entry)
        (target,) = guidance.targets(
            faces.batch([of_class(faces, "anger")[0], of_class(faces, "neutral")[0]]), still(2)
        )
        assert target.valid.tolist() == [True, False]
        return guidance, target

    @pytest.mark.parametrize("loss", list_losses())
    def test_a_neutral_paste_leaves_its_host_the_guidance_of_the_rest(self, dataset_dir: Path, loss: str) -> None:
        guidance, target = self.pair(dataset_dir, {"loss": loss})
        mix = Mix(0.5, (0.0, 1.0, 0.5, 1.0))  # the partner fills the right half
        mixed = mix.targets(target)
        attention = (0.2 + 0.6 * torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0))).requires_grad_()
        found = guidance.terms[0].value([attention], mixed, time=0)
        found.backward()
        wanted = target.maps[:1, :, :14]
        wanted = 1 - wanted if loss in ("mass", "mass_sum") else wanted
        halves = [create_loss(loss)(attention[:1, :, :14], wanted, torch.tensor([True]))]
        wanted = target.maps[:1, :, 14:]
        wanted = 1 - wanted if loss in ("mass", "mass_sum") else wanted
        halves.append(create_loss(loss)(attention[1:, :, 14:], wanted, torch.tensor([True])))
        assert found.item() == pytest.approx(torch.stack(halves).mean().item(), rel=1e-4)
        assert attention.grad[0, :, :14].any()
        assert not attention.grad[0, :, 14:].any()
        assert not attention.grad[1, :, :14].any()

    def test_a_blend_with_a_neutral_face_keeps_the_whole_cue(self, dataset_dir: Path) -> None:
        guidance, target = self.pair(dataset_dir, {})
        mixed = Mix(0.7).targets(target)
        attention = torch.rand(2, 14, 14, generator=torch.Generator().manual_seed(0))
        found = guidance.terms[0].value([attention], mixed, time=0)
        both = resize_maps(target.maps[:1], 14).expand(2, -1, -1)
        assert found.item() == pytest.approx(
            float(create_loss("cosine")(attention, both, torch.tensor([True, True]))), rel=1e-4
        )

    @pytest.mark.parametrize("resize", ["corrected", "published"])
    def test_unknown_values_do_not_leak_into_their_neighbours_on_a_coarse_grid(self, resize: Resize) -> None:
        maps, known = torch.full((1, 28, 28), 0.25), torch.ones(1, 28, 28)
        maps[:, :, 10:], known[:, :, 10:] = 1.0, 0.0
        drawn, weight = Targets(maps, torch.tensor([True]), known).on_grid((7, 7), Frame(resize, 224))
        assert weight is not None
        torch.testing.assert_close(drawn[weight > 0], torch.full_like(drawn[weight > 0], 0.25))
        assert not drawn[weight == 0].any()


class TestClusters:
    def store(self, folder: Path, faces: FaceDataset, shape: tuple[int, int] = (4, 4)) -> Store:
        rng = np.random.default_rng(0)
        order = rng.permutation(len(faces.ids))
        positions = shape[0] * shape[1]
        columns = {
            "id": encode_ids([faces.ids[i] for i in order]),
            "map": rng.integers(0, 2, (len(order), 2, *shape)).astype(np.uint8),
            "table/centres": np.zeros((positions, 2, 3), np.float32),
            "table/counts": np.zeros((positions, 2), np.int64),
            "table/attentive": np.zeros(positions, np.uint8),
            "table/degenerate": np.zeros(positions, np.uint8),
        }
        write_store(folder / "clusters.h5", "clusters", columns, fingerprint="c" * 64)
        return Store.open(folder / "clusters.h5", "clusters")

    def test_a_mirrored_image_gets_its_own_map_after_the_augmentation(self, dataset_dir: Path, tmp_path: Path) -> None:
        clusters = self.store(tmp_path, FaceDataset(dataset_dir, "train", SIZE))
        guidance, _, faces = build(dataset_dir, {"cue": "clusters", "loss": "bce"}, clusters=clusters)
        batch = faces.batch([5, 0, 31, 8, 17, 2])
        config = AugmentConfig(flip=0.5, rotate=0, scale=(1, 1), shift=0, grayscale=0, erase=0)
        augmenter = Augmenter(config)
        draws = augmenter.draw(6, torch.Generator().manual_seed(1))
        flips = mirrored(draws.matrices)
        assert 0 < flips.sum() < 6
        (target,) = guidance.targets(batch, flips)
        _, (moved,) = augmenter(batch.images.float() / 255, [target.maps], draws)
        rows = [clusters.index[id_] for id_ in batch.ids]
        own_of_what_is_seen = np.asarray(clusters["map"])[rows, flips.long().numpy()]
        np.testing.assert_allclose(moved.numpy(), own_of_what_is_seen, atol=1e-5)
        assert target.valid.all()

    def test_a_face_without_landmarks_has_a_map(self, make_dataset: Make, tmp_path: Path) -> None:
        folder = make_dataset([*many("anger", 2), Blob("neutral", landmarks=False)])
        clusters = self.store(tmp_path, FaceDataset(folder, "train", SIZE))
        guidance, _, faces = build(folder, {"cue": "clusters"}, clusters=clusters)
        assert guidance.targets(faces.batch([0, 1, 2]), still(3))[0].valid.all()

    def test_clusters_of_other_faces_are_refused(self, dataset_dir: Path, tmp_path: Path) -> None:
        faces = FaceDataset(dataset_dir, "train", SIZE)
        faces.ids = faces.ids[1:]
        clusters = self.store(tmp_path, faces)
        with pytest.raises(DataError, match=r"clusters\.h5: no row for '0000\.png'"):
            build(dataset_dir, {"cue": "clusters"}, clusters=clusters)

    def test_without_clusters_it_is_one_line(self, dataset_dir: Path) -> None:
        with pytest.raises(ConfigError, match="cue 'clusters' needs an experiment's base model"):
            build(dataset_dir, {"cue": "clusters"})
