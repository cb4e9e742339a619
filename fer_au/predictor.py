"""A trained model ready to use on pictures: alignment, preprocessing, scores and attention in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.batches.preprocess import Preprocessing, resize_picture
from fer_au.compute import batched
from fer_au.errors import DataError
from fer_au.faces import AlignedFace, Aligner
from fer_au.maps import channel_mean, shift_non_negative
from fer_au.models import FerModel, load_model
from fer_au.stores.schemas import FaceStatus

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """A model's answer for N faces: one per picture, or all of each picture.

    Attributes:
        classes: C canonical labels, the order of ``scores``.
        scores: (N, C) float32 probabilities.
        labels: N names of the most probable classes.
        maps: (N, h, w) float32 attention of the model's last layer, >= 0, on its own grid, which spans the crop.
        crops: N crops (H, W, 3) uint8 RGB that the model saw.
        matrices: (N, 2, 3) float64 from a picture's xy to its crop's, pixel centres at +0.5; identity for given crops.
        found: (N,) False where no face was found and the whole picture was taken.
        pictures: (N,) index of the picture that shows the face.
        boxes: (N, 4) the face in its picture, xyxy pixels; the whole picture for given crops.
    """

    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    maps: NDArray[np.float32]
    crops: tuple[Image, ...]
    matrices: NDArray[np.float64]
    found: NDArray[np.bool_]
    pictures: NDArray[np.int64]
    boxes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class _Face:
    crop: Image
    context: Image | None
    matrix: NDArray[np.float64]
    found: bool
    picture: int
    box: tuple[float, float, float, float]


class Predictor:
    """A model with its preprocessing.

    Args:
        model: Classifier; moved to ``device``.
        preprocess: Preprocessing of the classifier.
        aligner: Aligner that makes crops like those of the training; None if only aligned crops will be given.
        device: Device of the model; default a GPU if there is one.

    Example:
        A trained model is loaded by ``Predictor.load("models/au")``; this one knows nothing yet.

        >>> import numpy as np
        >>> from fer_au.models import create_model
        >>> model = create_model({"backbone": "test_resnet"}, ["happiness", "anger"], seed=0)
        >>> predictor = Predictor(model, Preprocessing(image_size=64), device="cpu")
        >>> prediction = predictor(np.zeros((3, 96, 96, 3), np.uint8), aligned=True)
        >>> prediction.scores.shape, prediction.maps.shape, len(prediction.labels)
        ((3, 2), (3, 2, 2), 3)
    """

    def __init__(
        self,
        model: FerModel,
        preprocess: Preprocessing,
        aligner: Aligner | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval()
        self.preprocess = preprocess
        self.aligner = aligner

    @classmethod
    def load(cls, folder: Path | str, device: torch.device | str | None = None) -> Predictor:
        """Load a trained model.

        Args:
            folder: Folder ``models/<exp>``, with model.safetensors and config.json.
            device: Device of the model; default a GPU if there is one.

        Raises:
            DataError: A missing, damaged or foreign file.
        """
        folder = Path(folder)
        model, meta = load_model(folder)
        recorded = meta.get("preprocessing")
        if not isinstance(recorded, dict):
            raise DataError(f"{folder / 'config.json'}: 'preprocessing' is missing; was it written by the train stage?")
        aligner = _recorded_aligner(recorded.get("align") or {}, with_context=model.views > 1)
        return cls(model, Preprocessing.from_meta(recorded), aligner, device)

    def __call__(
        self,
        images: Sequence[Image] | Image,
        *,
        aligned: bool = False,
        faces: Literal["one", "all"] = "one",
        batch_size: int = 64,
    ) -> Prediction:
        """Classify pictures.

        Args:
            images: Pictures (H, W, 3) uint8 RGB of any sizes, or one array (N, H, W, 3).
            aligned: Whether the pictures are crops already, made like the model's training crops; else the face is
                found and aligned first, as the model's config.json tells. Not for models that see the whole picture,
                too.
            faces: Faces of a picture: ``one``, chosen as for the training crops; or ``all``.
            batch_size: Images per forward pass.

        Returns:
            ``one``: one row per picture, in order. Nothing is dropped: without a face the whole picture is taken, see
            ``found``. ``all``: one row per face, in the order of the pictures, the largest face of each first; a
            picture without a face has no row. ``pictures`` tells which rows belong to which picture.

        Raises:
            DataError: An image is no (H, W, 3) uint8 array, ``faces`` is neither word, the config doesn't tell how to
                align, or the model needs whole pictures and gets crops.
            MissingDependencyError: The aligner's detector or its weights are not installed.
        """
        if aligned and self.model.views > 1:
            raise DataError("the model sees each face and the whole picture: give pictures, not crops, aligned=False")
        _check_images(images)
        if faces not in ("one", "all"):
            raise DataError(f"faces: expected 'one' or 'all', got {faces!r}")
        seen = [
            face
            for index, image in enumerate(images)
            for face in ([_as_given(image, index)] if aligned else self._align(image, index, every=faces == "all"))
        ]
        scores = np.zeros((0, len(self.model.classes)), np.float32)
        maps = np.zeros((0, 1, 1), np.float32)
        if seen:
            parts = list(self._forward(seen, batch_size))
            scores, maps = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Prediction(
            classes=self.model.classes,
            scores=scores,
            labels=tuple(self.model.classes[index] for index in scores.argmax(axis=1).tolist()),
            maps=maps,
            crops=tuple(face.crop for face in seen),
            matrices=np.array([face.matrix for face in seen], np.float64).reshape(-1, 2, 3),
            found=np.array([face.found for face in seen], np.bool_),
            pictures=np.array([face.picture for face in seen], np.int64),
            boxes=np.array([face.box for face in seen], np.float64).reshape(-1, 4),
        )

    def _align(self, image: Image, index: int, *, every: bool) -> list[_Face]:
        if self.aligner is None:
            raise DataError("the model's config.json doesn't tell how its crops were made; give crops, aligned=True")
        found: list[AlignedFace] = self.aligner.all(image) if every else [self.aligner(image)]
        return [
            _Face(face.crop, face.context, face.matrix, face.status == FaceStatus.OK, index, face.box) for face in found
        ]

    def _forward(
        self, faces: Sequence[_Face], batch_size: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        last = self.model.layers[-1]
        for batch in batched(faces, batch_size):
            inputs = np.stack([self._views(face) for face in batch])
            with torch.inference_mode():
                pixels = torch.from_numpy(inputs).permute(0, 3, 1, 2).to(self.device)
                output = self.model(self.preprocess(pixels))
                scores = output.logits.float().softmax(dim=1)
                maps = shift_non_negative(channel_mean(output.features[last]))
            yield scores.cpu().numpy(), maps.cpu().numpy()

    def _views(self, face: _Face) -> Image:
        """Stack the model's views of a face, (S, S, 3 views)."""
        pictures = [face.crop] if face.context is None else [face.crop, face.context]
        return np.concatenate([resize_picture(picture, self.preprocess.image_size) for picture in pictures], axis=2)


def _check_images(images: object) -> None:
    """Make sure that these are pictures in memory.

    Raises:
        DataError: They are not; the message names the first that is none, and the remedy.
    """
    if isinstance(images, str | PurePath) or not isinstance(images, Sequence | np.ndarray):
        raise DataError(f"images: expected a list of arrays (H, W, 3) uint8 RGB, got {_describe(images)}")
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise DataError(f"images: one picture, {_describe(images)}; give a list of pictures: predictor([picture])")
    for index, image in enumerate(images):
        shaped = isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        if not shaped or image.dtype != np.uint8:
            raise DataError(f"image {index}: expected (H, W, 3) uint8 RGB, got {_describe(image)}")


def _describe(value: object) -> str:
    """Say what was given instead of a picture; a path comes with the way to read it."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, str | PurePath):
        return f"the path {str(value)!r}; read it by fer_au.decoding.decode_image(Path({str(value)!r}).read_bytes())"
    return f"a value of type {type(value).__name__}"


def _as_given(image: Image, index: int) -> _Face:
    return _Face(image, None, np.eye(2, 3), True, index, (0.0, 0.0, float(image.shape[1]), float(image.shape[0])))


def _recorded_aligner(options: Mapping[str, Any], *, with_context: bool) -> Aligner | None:
    """Make the aligner that config.json records, None if it records none; whole pictures only if they are needed."""
    if not {"detector", "keypoints", "template", "choose", "image_size"} <= options.keys():
        return None
    return Aligner(
        detector=str(options["detector"]),
        keypoints=options["keypoints"],
        template=str(options["template"]),
        size=int(options["image_size"]),
        context=int(options["context_size"]) if with_context else 0,
        choose=options["choose"],
    )
