"""Faces of a data set one by one, for anyone's own training loop: ``fer_au.datasets.open_faces``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, TypedDict, cast, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fer_au.arguments import check_type, choose, plain, read_flag, read_path, read_text, read_whole
from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.similarities import move_points, random_similarities, warp
from fer_au.config.experiments import AugmentConfig
from fer_au.cues.cue import Cue, FaceBatch, create_cue
from fer_au.cues.drawing import draw_bytes
from fer_au.datasets.manifest import Split, read_manifest
from fer_au.errors import ConfigError, DataError

_STORED_CUE = "au"


class Sample(TypedDict):
    """One face.

    Attributes:
        image: (3, S, S) uint8 RGB.
        label: Position of its expression in ``FaceSamples.classes``.
        map: (s, s) float32 in [0, 1], where to look, which spans the image; zeros where not valid.
        valid: False where a face has no map, such as a neutral one's AU map, or any without landmarks.
        points: (68, 2) float32 xy pixels of the image, NaN where none were found.
        id: Id of the face in ``manifest.csv``.
    """

    image: Tensor
    label: int
    map: Tensor
    valid: bool
    points: Tensor
    id: str


class FaceSamples(Dataset[Sample]):
    """The usable faces of one split as a torch data set; survives pickling, so that a ``DataLoader`` may use workers.

    Args:
        faces: Faces of the split.
        cue: Cue of the maps; None takes those of heatmaps.h5.
        augment: Whether each face is moved at random whenever it is read, by torch's global generator.

    Attributes:
        faces: Faces of the split.
        classes: Names of the expressions, in the order of the labels.
    """

    def __init__(self, faces: FaceDataset, cue: Cue | None = None, *, augment: bool = False) -> None:
        self.faces, self._cue, self._augment = faces, cue, augment
        self.classes = faces.classes
        self._scale = faces.image_size / faces.crop_size

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        batch = self.faces.batch([index % len(self)])
        maps, valid = self._maps(batch)
        sample: Sample = {
            "image": batch.images[0],
            "label": int(batch.labels[0]),
            "map": maps[0].float() / 255,
            "valid": bool(valid[0]),
            "points": batch.points[0] * self._scale,
            "id": batch.ids[0],
        }
        return _moved(sample) if self._augment else sample

    def _maps(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return maps (N, s, s) uint8 and valid (N,)."""
        if self._cue is None:
            return batch.maps, batch.valid
        labels = [self.classes[label] for label in batch.labels.tolist()]
        faces = FaceBatch(batch.points.numpy(), labels, self.faces.crop_size, self.faces.map_size)
        maps, valid = draw_bytes(self._cue, faces)
        return torch.from_numpy(maps), torch.from_numpy(valid)


def _moved(sample: Sample) -> Sample:
    """Mirror, turn, zoom and shift a face at random, its map and points with it, as far as trainings do by default."""
    generator = torch.Generator().manual_seed(int(torch.randint(2**62, ()).item()))
    matrix = random_similarities(1, AugmentConfig(), generator)
    image = warp(sample["image"][None].float(), matrix, "border")[0].round().clamp(0, 255).to(torch.uint8)
    points = move_points(sample["points"], matrix[0], image.shape[2])
    moved = {"image": image, "map": warp(sample["map"][None, None], matrix, "zeros")[0, 0], "points": points}
    return cast(Sample, {**sample, **moved})


def _filled(folder: Path) -> str:
    """Say how many faces of a data set's manifest are in each split."""
    counts = Counter(row.split for row in read_manifest(folder / "manifest.csv"))
    return f"the manifest lists {', '.join(f'{counts[split]} in {split}' for split in get_args(Split))}"


def open_faces(
    folder: Path | str,
    split: Literal["train", "valid", "test"] = "train",
    *,
    maps: str = _STORED_CUE,
    image_size: int | None = None,
    fold: str | int | None = None,
    augment: bool = False,
) -> FaceSamples:
    """Open the faces of a data set that the pipeline has prepared.

    Args:
        folder: ``data/<key>`` with manifest.csv, faces.h5, landmarks.h5, heatmaps.h5.
        split: Split whose faces are opened.
        maps: Cue of the maps. Those of ``au`` are read from heatmaps.h5, others drawn from the landmarks.
        image_size: Side of the images, pixels; default that of the stored crops.
        fold: This fold becomes ``test``, and the set's own ``test`` rows of other folds train.
        augment: Whether each face is mirrored, turned, zoomed and shifted at random whenever it is read, its map and
            points with it, within the default limits of ``train.augment``; by torch's global generator, which a
            ``DataLoader`` seeds in each worker.

    Returns:
        A torch ``Dataset`` of ``Sample``.

    Raises:
        ArgumentError: An argument has another type, or ``split`` is no split; the message lists near names.
        UnknownNameError: No cue has that name; the message lists near names.
        ConfigError: A cue that is drawn from more than landmarks and expression.
        DataError: Missing or mismatched files, a fold that the set doesn't have, or a split without usable faces.

    Example:
        ::

            faces = open_faces("data/demo", split="train", maps="au")
            for batch in torch.utils.data.DataLoader(faces, batch_size=64, shuffle=True):
                loss = functional.cross_entropy(net(batch["image"] / 255), batch["label"])
    """
    path = read_path("folder", folder)
    split = choose("split", split, get_args(Split))  # type: ignore[assignment]
    maps = read_text("maps", maps, "the name of a cue")
    side = None if image_size is None else read_whole("image_size", image_size)
    fold = check_type("fold", plain(fold), (str, int, type(None)), "the name of a fold")
    augment = read_flag("augment", augment)
    faces = FaceDataset(path, split, side, fold=fold)
    if not len(faces):
        raise DataError(f"{path / 'manifest.csv'}: split {split!r} has no usable faces; {_filled(path)}")
    if maps == _STORED_CUE:
        return FaceSamples(faces, augment=augment)
    cue = create_cue(maps, codebook=faces.codebook, geometry=str(faces.heatmap_options["geometry"]))
    if cue.needs:
        raise ConfigError(f"maps: cue {maps!r} is drawn from {', '.join(cue.needs)}, not from landmarks alone")
    return FaceSamples(faces, cue, augment=augment)
