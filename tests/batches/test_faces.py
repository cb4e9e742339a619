from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.shared.blobs import CROP, MAP, Blob, many
from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, cut_batches, shuffled
from fer_au.datasets.manifest import read_manifest, write_manifest
from fer_au.errors import ConfigError, DataError
from fer_au.stores.reader import Store
from fer_au.stores.schemas import FaceStatus

Make = Callable[[Sequence[Blob]], Path]


def stored_crop(folder: Path, id_: str) -> np.ndarray:
    store = Store.open(folder / "faces.h5", "faces")
    data = np.frombuffer(store.ragged(store.index[id_]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1].transpose(2, 0, 1)


def test_a_sample_joins_crop_label_map_points_and_id(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", CROP)
    batch = faces.batch([17])
    row = next(row for row in read_manifest(dataset_dir / "manifest.csv") if row.id == batch.ids[0])
    assert faces.classes == ("neutral", "happiness", "surprise", "anger")
    assert faces.classes[batch.labels[0]] == row.label
    assert batch.images.dtype == torch.uint8
    assert torch.equal(batch.images[0], torch.from_numpy(stored_crop(dataset_dir, row.id).copy()))
    assert batch.maps.shape == (1, MAP, MAP)
    assert batch.maps.dtype == torch.uint8
    assert batch.valid.tolist() == [row.label != "neutral"]
    assert batch.points.shape == (1, 68, 2)


def test_splits_are_those_of_the_manifest(dataset_dir: Path) -> None:
    rows = read_manifest(dataset_dir / "manifest.csv")
    for split in ("train", "valid", "test"):
        assert list(FaceDataset(dataset_dir, split, 32).ids) == [row.id for row in rows if row.split == split]


def test_a_held_out_fold_becomes_test_and_the_rest_trains(make_dataset: Make) -> None:
    folder = make_dataset([Blob("anger", "test" if f == 2 else "train", fold=str(f)) for f in (0, 1, 2, 0, 1, 2)])
    assert FaceDataset(folder, "test", 32, fold=1).ids == ("0001.png", "0004.png")
    assert FaceDataset(folder, "train", 32, fold="1").ids == ("0000.png", "0002.png", "0003.png", "0005.png")
    assert FaceDataset(folder, "test", 32, fold="01.0").ids == ("0001.png", "0004.png")
    with pytest.raises(DataError, match="no fold '7'; it has 0, 1, 2"):
        FaceDataset(folder, "train", 32, fold=7)


def test_rejected_faces_are_left_out_and_whole_images_are_used(make_dataset: Make) -> None:
    folder = make_dataset(
        [Blob("anger"), Blob("anger", status=FaceStatus.REJECTED), Blob("anger", status=FaceStatus.WHOLE_IMAGE)]
    )
    assert FaceDataset(folder, "train", 32).ids == ("0000.png", "0002.png")


def test_classes_come_from_the_training_split_and_others_are_counted_as_skipped(make_dataset: Make) -> None:
    folder = make_dataset([*many("anger", 2), Blob("neutral"), Blob("surprise", "test"), Blob("anger", "test")])
    faces = FaceDataset(folder, "test", 32)
    assert faces.classes == ("neutral", "anger")
    assert faces.skipped == 1
    assert len(faces) == 1


def test_a_face_without_landmarks_has_no_valid_map_and_nan_points(make_dataset: Make) -> None:
    batch = FaceDataset(make_dataset([Blob("anger", landmarks=False)]), "train", 32).batch([0])
    assert not batch.valid[0]
    assert batch.points.isnan().all()


@pytest.mark.parametrize("size", [16, 24, 32, 48, 64, 100])
def test_images_are_resized_without_moving_their_content(make_dataset: Make, size: int) -> None:
    folder = make_dataset([Blob("happiness")])
    full = stored_crop(folder, "0000.png").astype(float)
    image = FaceDataset(folder, "train", size).image(0).astype(float)
    for picture in (full, image):
        picture[:] = np.clip(picture - 150, 0, None)  # the blob alone
    places = []
    for picture in (full, image):
        weights, cells = picture[0], (np.arange(picture.shape[-1]) + 0.5) / picture.shape[-1]
        places.append(np.array([(weights.sum(0) * cells).sum(), (weights.sum(1) * cells).sum()]) / weights.sum())
    assert np.abs(places[0] - places[1]).max() < 0.006


def test_shrinking_averages_noise_away(make_dataset: Make) -> None:
    folder = make_dataset([Blob("neutral")])
    noise = stored_crop(folder, "0000.png")[:, :12, :12].astype(float).std()
    assert FaceDataset(folder, "train", 16).image(0)[:, :3, :3].astype(float).std() < 0.5 * noise


def test_a_dataset_survives_pickling(dataset_dir: Path) -> None:
    faces = FaceDataset(dataset_dir, "train", 32)
    copy = ForkingPickler.loads(ForkingPickler.dumps(faces))  # what a worker process receives
    assert np.array_equal(copy.image(3), faces.image(3))
    assert len(ForkingPickler.dumps(faces)) < 20_000  # no pixels travel


def test_a_store_of_other_faces_is_named(dataset_dir: Path) -> None:
    rows = read_manifest(dataset_dir / "manifest.csv")
    write_manifest(dataset_dir / "manifest.csv", rows[:-1])
    with pytest.raises(DataError, match=r"faces\.h5: its rows are not those of manifest\.csv"):
        FaceDataset(dataset_dir, "train", 32)


def test_content_hashes_follow_the_data(make_dataset: Make) -> None:
    one = FaceDataset(make_dataset([Blob("anger")]), "train", 32).content_hashes()
    two = FaceDataset(make_dataset([Blob("neutral")]), "train", 32).content_hashes()
    assert set(one) == {"manifest.csv", "faces.h5", "landmarks.h5", "heatmaps.h5"}
    assert all(one[name] != two[name] for name in ("manifest.csv", "faces.h5", "heatmaps.h5"))


def test_an_epochs_order_is_a_permutation_decided_by_seed_and_epoch() -> None:
    assert sorted(shuffled(50, 0, 0)) == list(range(50))
    assert shuffled(50, 0, 0) == shuffled(50, 0, 0)
    assert len({tuple(shuffled(50, seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


@pytest.mark.parametrize(("count", "sizes"), [(8, [4, 4]), (9, [4, 5]), (10, [4, 4, 2]), (1, [1]), (3, [3])])
def test_every_sample_is_in_one_batch_and_none_is_alone(count: int, sizes: list[int]) -> None:
    batches = cut_batches(range(count), 4)
    assert [len(batch) for batch in batches] == sizes
    assert [index for batch in batches for index in batch] == list(range(count))


@pytest.mark.parametrize("cache_mb", ["0", "100"])
@pytest.mark.parametrize("threads", [1, 3])
def test_loaded_batches_do_not_depend_on_threads_or_cache(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch, cache_mb: str, threads: int
) -> None:
    monkeypatch.setenv("FER_AU_IMAGE_CACHE_MB", cache_mb)
    faces = FaceDataset(dataset_dir, "train", 32)
    loader = BatchLoader(faces, threads)
    batches = cut_batches(shuffled(len(faces), 0, 0), 7)
    for _ in range(2):
        for indices, batch in zip(batches, loader(batches), strict=True):
            expected = faces.batch(indices)
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.maps, expected.maps)
            assert batch.ids == expected.ids


def test_images_that_fit_are_decoded_once(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = FaceDataset(dataset_dir, "train", 32)
    loader = BatchLoader(faces)
    first = [batch.images for batch in loader([range(10)])]
    monkeypatch.setattr(FaceDataset, "image", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(next(loader([range(10)])).images, first[0])


def test_a_consumer_that_stops_early_leaves_no_thread_behind(dataset_dir: Path) -> None:
    import threading

    before = threading.active_count()
    batches = BatchLoader(FaceDataset(dataset_dir, "train", 32), 2)(cut_batches(range(40), 4))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_wrong_cache_size_is_a_clear_error(dataset_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_AU_IMAGE_CACHE_MB", "lots")
    with pytest.raises(ConfigError, match="FER_AU_IMAGE_CACHE_MB"):
        BatchLoader(FaceDataset(dataset_dir, "train", 32))
