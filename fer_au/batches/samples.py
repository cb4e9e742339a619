"""Faces of a data set one by one, for anyone's own training loop: ``fer_au.datasets.open_faces``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict

from torch import Tensor
from torch.utils.data import Dataset

from fer_au.batches.faces import FaceDataset
from fer_au.errors import ConfigError

_STORED_CUE = "au"


class Sample(TypedDict):
    """One face.

    Attributes:
        image: (3, S, S) uint8 RGB.
        label: Position of its expression in ``FaceSamples.classes``.
        map: (s, s) float32 AU map in [0, 1], which spans the image; zeros where not valid.
        valid: False where a face has no map: neutral, or no landmarks.
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
        faces: The faces.

    Attributes:
        faces: The faces.
        classes: Names of the expressions, in the order of the labels.
    """

    def __init__(self, faces: FaceDataset) -> None:
        self.faces = faces
        self.classes = faces.classes
        self._scale = faces.image_size / faces.crop_size

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        batch = self.faces.batch([index % len(self)])
        return {
            "image": batch.images[0],
            "label": int(batch.labels[0]),
            "map": batch.maps[0].float() / 255,
            "valid": bool(batch.valid[0]),
            "points": batch.points[0] * self._scale,
            "id": batch.ids[0],
        }


def open_faces(
    folder: Path | str,
    split: Literal["train", "valid", "test"] = "train",
    *,
    maps: str = _STORED_CUE,
    image_size: int | None = None,
    fold: str | int | None = None,
) -> FaceSamples:
    """Open the faces of a data set that the pipeline has prepared.

    Args:
        folder: ``data/<key>`` with manifest.csv, faces.h5, landmarks.h5, heatmaps.h5.
        split: Which faces.
        maps: Cue of the maps. heatmaps.h5 has those of ``au``; ``fer_au.cues.create_cue`` draws others from ``points``.
        image_size: Side of the images, pixels; default that of the stored crops.
        fold: This fold becomes ``test``, and the set's own ``test`` rows of other folds train.

    Returns:
        A torch ``Dataset`` of ``Sample``.

    Raises:
        ConfigError: Maps of another cue.
        DataError: Missing or mismatched files, or a fold that the set doesn't have.

    Example:
        ::

            faces = open_faces("data/demo", split="train", maps="au")
            for batch in torch.utils.data.DataLoader(faces, batch_size=64, shuffle=True):
                loss = functional.cross_entropy(net(batch["image"] / 255), batch["label"])
    """
    if maps != _STORED_CUE:
        raise ConfigError(f"maps: heatmaps.h5 has those of cue 'au'; draw {maps!r} by fer_au.cues.create_cue({maps!r})")
    return FaceSamples(FaceDataset(Path(folder), split, image_size, fold=fold))
