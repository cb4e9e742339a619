from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_au.config.data import AlignConfig
from fer_au.datasets.manifest import read_manifest, write_manifest
from fer_au.errors import DataError, MissingDependencyError
from fer_au.faces import Aligner, align_dataset, decode_crop
from fer_au.faces.operation import AlignOperation
from fer_au.faces.outside import outside_shares
from fer_au.rejects import Reason, read_rejects
from fer_au.stores import FaceStatus, Store

CONFIG = AlignConfig(size=96, max_reject_fraction=0.5)


def align(dataset, config=CONFIG):
    align_dataset(config, dataset, dataset / "raw")
    return Store.open(dataset / "faces.h5", "faces")


def edit(dataset, change):
    """Rewrite the manifest with ``change(row) -> row``."""
    path = dataset / "manifest.csv"
    (dataset / "annotations.h5").unlink(missing_ok=True)  # it keeps the digest of the manifest that ingest wrote
    rows = read_manifest(path)
    write_manifest(path, [replace(row, **change(index, row)) for index, row in enumerate(rows)])
    return rows


def test_every_manifest_row_has_a_crop_row_in_the_same_order(dataset):
    store = align(dataset)
    rows = read_manifest(dataset / "manifest.csv")
    assert store.ids == [row.id for row in rows]
    assert (store["status"] == FaceStatus.OK).all()
    assert set(store["detector"].tolist()) == {b"yunet"}
    assert np.isfinite(store["matrix"]).all()
    assert decode_crop(store, 0).shape == (96, 96, 3)
    assert store.attributes["image_size"] == 96
    assert store.attributes["template"] == "loose"
    assert len(str(store.attributes["face_box"]).split()) == 4
    assert read_rejects(dataset / "rejects" / "align.csv") == []


def test_bytes_are_equal_in_another_folder_with_two_workers_and_from_the_cache(dataset, tmp_path, monkeypatch):
    align(dataset)
    first = (dataset / "faces.h5").read_bytes()
    align(dataset)  # all cached
    assert (dataset / "faces.h5").read_bytes() == first
    other = tmp_path / "elsewhere" / "data"
    shutil.copytree(dataset, other)
    (other / "faces.h5").unlink()
    monkeypatch.setenv("FER_AU_WORKERS", "2")
    monkeypatch.setenv("FER_AU_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setattr(AlignOperation, "shard_rows", 4)
    align(other)
    assert (other / "faces.h5").read_bytes() == first


def test_changed_missing_and_outside_files_are_rejected_with_their_reason(dataset):
    rows = read_manifest(dataset / "manifest.csv")
    (dataset / "raw" / rows[0].path).write_bytes((dataset / "raw" / rows[1].path).read_bytes())
    (dataset / "raw" / rows[2].path).unlink()
    edit(dataset, lambda index, row: {"path": "../data/manifest.csv"} if index == 3 else {})
    store = align(dataset)
    rejects = {reject.id: reject.reason for reject in read_rejects(dataset / "rejects" / "align.csv")}
    assert rejects == {
        rows[0].id: Reason.CHANGED,
        rows[2].id: Reason.MISSING_FILE,
        rows[3].id: Reason.OUTSIDE_ROOT,
    }
    assert store["status"].tolist()[:5] == [2, 0, 2, 2, 0]
    assert store.ragged(0) == b""
    assert np.isnan(store["matrix"][0]).all()
    assert decode_crop(store, 4).shape == (96, 96, 3)


def test_a_changed_file_does_not_poison_the_cache(dataset):
    rows = read_manifest(dataset / "manifest.csv")
    path = dataset / "raw" / rows[0].path
    original = path.read_bytes()
    path.write_bytes(b"something else")
    assert align(dataset)["status"][0] == FaceStatus.REJECTED
    path.write_bytes(original)
    assert align(dataset)["status"][0] == FaceStatus.OK
    path.write_bytes(b"something else")  # now the row is in the cache, and the file is still not the ingested one
    assert align(dataset)["status"][0] == FaceStatus.REJECTED


def blank_first(dataset):
    """Make the first picture one without a face."""
    rows = read_manifest(dataset / "manifest.csv")
    data = cv2.imencode(".png", np.zeros((80, 120, 3), np.uint8))[1].tobytes()
    (dataset / "raw" / rows[0].path).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(dataset, lambda index, row: {"sha256": digest} if index == 0 else {})
    return rows[0].id


def test_no_face_keeps_the_whole_picture_and_says_so(dataset):
    blank_first(dataset)
    store = align(dataset)
    assert store["status"].tolist()[:2] == [FaceStatus.WHOLE_IMAGE, FaceStatus.OK]
    assert store["detector"][0] == b"none"
    assert store["why"][0] == b"no face"
    assert decode_crop(store, 0).max() < 5
    assert read_rejects(dataset / "rejects" / "align.csv") == []


@pytest.mark.parametrize("context", [0, 48])
def test_no_face_is_rejected_on_request_without_computing_anew(dataset, context, capfd):
    id_ = blank_first(dataset)
    config = CONFIG.model_copy(update={"context": context})
    kept = align(dataset, config)
    capfd.readouterr()
    store = align(dataset, config.model_copy(update={"on_missing": "reject"}))
    assert "were cached" in capfd.readouterr().err
    assert [(r.id, r.reason) for r in read_rejects(dataset / "rejects" / "align.csv")] == [(id_, Reason.NO_FACE)]
    assert store["status"].tolist()[:2] == [FaceStatus.REJECTED, FaceStatus.OK]
    assert store.ragged(0) == b""
    for row in range(1, len(store)):
        assert store.ragged(row) == kept.ragged(row)
        if context:
            assert store.ragged(row, "context") == kept.ragged(row, "context")


def test_context_crops_are_stored(dataset):
    store = align(dataset, CONFIG.model_copy(update={"context": 40}))
    assert decode_crop(store, 3, "context").shape == (40, 40, 3)
    assert store.attributes["context_size"] == 40


def test_a_box_outside_the_picture_is_a_bad_row(dataset):
    edit(dataset, lambda index, row: {"box": (900.0, 900.0, 950.0, 950.0)} if index == 0 else {})
    align(dataset)
    (reject,) = read_rejects(dataset / "rejects" / "align.csv")
    assert reject.reason == Reason.BAD_ROW


def test_too_many_rejects_fail_the_stage_and_name_the_table(dataset):
    for row in read_manifest(dataset / "manifest.csv")[:4]:
        (dataset / "raw" / row.path).unlink()
    with pytest.raises(DataError, match=r"4 missing_file (.*); see .*align\.csv"):
        align(dataset, CONFIG.model_copy(update={"max_reject_fraction": 0.1}))


def test_all_files_missing_is_one_clear_line(dataset):
    for row in read_manifest(dataset / "manifest.csv"):
        (dataset / "raw" / row.path).unlink()
    with pytest.raises(DataError, match="missing_file"):
        align(dataset, CONFIG.model_copy(update={"max_reject_fraction": 1.0}))


def test_a_missing_root_and_a_missing_manifest_are_clear(dataset):
    with pytest.raises(DataError, match="nowhere"):
        align_dataset(CONFIG, dataset, dataset / "nowhere")
    (dataset / "manifest.csv").unlink()
    with pytest.raises(DataError, match=r"manifest\.csv"):
        align(dataset)


def test_missing_weights_are_found_before_any_work(dataset, monkeypatch):
    monkeypatch.setattr("fer_au.assets._candidates", lambda weights: iter(()))
    with pytest.raises(MissingDependencyError, match="pip install"):
        align(dataset)
    align(dataset, CONFIG.model_copy(update={"detector": "dlib-hog", "template": "none"}))  # needs none


def test_fingerprints_follow_what_decides_the_pixels():
    def mark(**change):
        return AlignOperation.of(CONFIG.model_copy(update=change)).fingerprint

    assert mark() == mark(on_missing="reject") == mark(max_reject_fraction=0.0)
    others = [
        mark(size=112),
        mark(template="arcface"),
        mark(keypoints="dlib5"),
        mark(keypoints="detector"),
        mark(detector="whole-image"),
        mark(choose="central"),
        mark(choose="best-iou"),
        mark(context=32),
    ]
    assert len({mark(), *others}) == 9
    unread = [AlignOperation(Aligner(template="none", keypoints=one)).fingerprint for one in ("dlib5", "dlib68")]
    assert unread[0] == unread[1]


def test_a_choice_by_boxes_that_the_set_lacks_is_told(dataset, capfd):
    config = CONFIG.model_copy(update={"choose": "best-iou"})
    for box, told in ((None, 1), ((0.0, 0.0, 90.0, 90.0), 0)):
        edit(dataset, lambda index, row, box=box: {"box": box})
        align(dataset, config)
        assert capfd.readouterr().err.count("align.choose: best-iou compares with the data set's boxes, and") == told


def test_crops_of_an_aligned_set_are_kept_as_they_are(tmp_path):
    """``whole-image`` and template ``none`` at the pictures' own size: no pixel is interpolated."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for size, same in ((64, True), (65, False)):
        face = AlignOperation.of(AlignConfig(detector="whole-image", template="none", size=size)).aligner(image)
        assert face.matrix.tolist() == [[size / 64, 0, 0], [0, size / 64, 0]]
        assert np.array_equal(face.crop, image) == same


def test_the_share_outside_the_picture_is_kept_said_and_advised_on(dataset, capfd):
    """The rendered faces with more and with less around them: ``loose`` looks beyond the latter, ``tight`` does not."""
    config = CONFIG.model_copy(update={"max_reject_fraction": 1.0})
    for path in (dataset / "raw").rglob("*.jpg"):
        cv2.imwrite(str(path), cv2.copyMakeBorder(cv2.imread(str(path)), *(60,) * 4, cv2.BORDER_REFLECT))
    edit(dataset, lambda _, row: measured(dataset / "raw" / row.path))
    assert np.median(align(dataset, config)["outside"]) < 0.1
    assert "template: tight" not in capfd.readouterr().err
    for path in (dataset / "raw").rglob("*.jpg"):
        cv2.imwrite(str(path), cv2.imread(str(path))[100:-75, 100:-100])
    edit(dataset, lambda _, row: measured(dataset / "raw" / row.path))
    cut = align(dataset, config)
    sizes = np.array([(row.width, row.height) for row in read_manifest(dataset / "manifest.csv")])
    np.testing.assert_array_equal(cut["outside"], outside_shares(cut["matrix"], sizes, 96))
    assert np.median(cut["outside"]) > 0.1
    *_, advice, last = capfd.readouterr().err.splitlines()
    assert "`datasets.data.align: {template: tight}`" in advice
    assert f"{100 * np.median(cut['outside']):.0f} % of a crop outside its picture (median), none rejected; " in last
    tight = align(dataset, config.model_copy(update={"template": "tight"}))
    found = tight["status"] == FaceStatus.OK
    assert found.any()
    assert tight["outside"][found].max() < 1e-6
    assert tight.attributes["face_box"] == ""
    assert "template: tight" not in capfd.readouterr().err


def measured(path):
    """What ingest would write of a picture."""
    height, width = cv2.imread(str(path)).shape[:2]
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "width": width, "height": height}


def test_tight_is_loose_where_there_is_room(dataset):
    config = CONFIG.model_copy(update={"size": 64})
    loose = align(dataset, config)
    rows = np.flatnonzero(loose["outside"] == 0)
    matrices = loose["matrix"][rows]
    assert len(rows)
    tight = align(dataset, config.model_copy(update={"template": "tight"}))
    np.testing.assert_array_equal(tight["matrix"][rows], matrices)
