"""A trained model ready to use on pictures: alignment, preprocessing, scores and attention in one call."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray

from fer_au.arguments import check_type, choose, read_flag, read_path, read_whole
from fer_au.batches.preprocess import Preprocessing, resize_picture
from fer_au.compute import batched
from fer_au.data_frames import make_frame
from fer_au.errors import ArgumentError, DataError
from fer_au.faces import AlignedFace, Aligner
from fer_au.faces.crops import decode_crop_bytes, encode_crop
from fer_au.faces.placing import Place
from fer_au.maps import channel_mean, shift_non_negative
from fer_au.models import FerModel, load_model
from fer_au.models.network import check_model
from fer_au.pictures import list_pictures, open_picture
from fer_au.stores.schemas import FaceStatus

if TYPE_CHECKING:
    import pandas

Image = NDArray[np.uint8]
NO_DETECTOR = "none"
Picture = Image | torch.Tensor | str | PathLike[str] | PIL.Image.Image


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
        module: (N, h, w) float32 attention map that the model's head itself makes (LAN, TS-CAM, APViT), on its own
            grid; None if it makes none.
        detectors: N names of the detectors that found the faces; ``none`` where none was found or looked for.
        detector_scores: (N,) float64 confidence of the detector, NaN where it has none.
        paths: Path of each picture as it was given, by the index in ``pictures``; empty for pictures in memory.
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
    module: NDArray[np.float32] | None = None
    detectors: tuple[str, ...] = ()
    detector_scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    paths: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def faces(self) -> NDArray[np.int64]:
        """(N,) number of each face among those of its picture, from 0."""
        starts = np.searchsorted(self.pictures, self.pictures)
        return np.arange(len(self), dtype=np.int64) - starts

    def to_frame(self) -> pandas.DataFrame:
        """Make a pandas table: one row per face, with the columns of ``fer-au predict``, and the picture's index first.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        columns: dict[str, object] = {
            "picture": self.pictures,
            "path": [self.paths[index] for index in self.pictures.tolist()],
            "face": self.faces,
            **{name: self.boxes[:, place] for place, name in enumerate(("x0", "y0", "x1", "y1"))},
            "detector": list(self.detectors),
            "score": self.detector_scores,
            "predicted": list(self.labels),
            "confidence": self.scores.max(axis=1, initial=0.0),
            **{name: self.scores[:, place] for place, name in enumerate(self.classes)},
        }
        return make_frame(columns, "to_frame()")


@dataclass(frozen=True)
class SeenFace:
    """A face as a model sees it.

    Attributes:
        crop: Crop (H, W, 3) uint8 RGB.
        context: Crop of the whole picture, for models that see it, too.
        matrix: (2, 3) from the picture's xy to the crop's.
        found: Whether a face was found, or the crop was given.
        picture: Index of the picture.
        box: Box of the face in the picture, xyxy pixels.
        detector: Name of the detector that found it, or ``none``.
        score: Confidence of the detector, NaN where it has none.
    """

    crop: Image
    context: Image | None
    matrix: NDArray[np.float64]
    found: bool
    picture: int
    box: tuple[float, float, float, float]
    detector: str = NO_DETECTOR
    score: float = math.nan


class RawAnswer(NamedTuple):
    """A model's answer for a batch, before anything is made of it.

    Attributes:
        logits: (N, C) scores.
        probabilities: (N, C), their softmax.
        attention: (N, h, w) attention of the last layer, >= 0.
        module: (N, h, w) attention map that the head itself makes; None if it makes none.
    """

    logits: torch.Tensor
    probabilities: torch.Tensor
    attention: torch.Tensor
    module: torch.Tensor | None


def answer_pixels(model: FerModel, preprocess: Preprocessing, pixels: torch.Tensor) -> RawAnswer:
    """Compute a model's answer for pixels: the one way from them to it, for ``Predictor`` and for exported models.

    Args:
        model: Classifier in evaluation mode.
        preprocess: Its preprocessing.
        pixels: (N, 3 views, S, S) uint8 RGB of the model's input size.
    """
    output = model(preprocess(pixels))
    logits = output.logits.float()
    attention = shift_non_negative(channel_mean(output.features[model.layers[-1]]))
    module = None if output.attention is None else output.attention.float()
    return RawAnswer(logits, logits.softmax(dim=1), attention, module)


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
        model = check_model("model", model)
        check_type("preprocess", preprocess, Preprocessing, "a fer_au.batches.preprocess.Preprocessing")
        check_type("aligner", aligner, (Aligner, type(None)), "a fer_au.faces.Aligner or None")
        self.device = _chosen(device)
        self.model = model.to(self.device).eval()
        self.preprocess = preprocess
        self.aligner = aligner

    @classmethod
    def load(
        cls, folder: Path | str, device: torch.device | str | None = None, *, trust: str | None = None
    ) -> Predictor:
        """Load a trained model.

        Args:
            folder: Folder ``models/<exp>``, with model.safetensors and config.json.
            device: Device of the model; default a GPU if there is one.
            trust: The ``factory`` of an external model, ``package.module:function``, whose code you let run.

        Raises:
            DataError: A missing, damaged or foreign file, or one that names code which you don't trust.
        """
        folder = read_path("folder", folder)
        device = _chosen(device)
        model, meta = load_model(folder, trust=trust)
        recorded = meta.get("preprocessing")
        if not isinstance(recorded, dict):
            raise DataError(f"{folder / 'config.json'}: 'preprocessing' is missing; was it written by the train stage?")
        aligner = _recorded_aligner(recorded.get("align") or {}, with_context=model.views > 1)
        return cls(model, Preprocessing.from_meta(recorded), aligner, device)

    def __call__(
        self,
        images: Picture | Iterable[Picture],
        *,
        aligned: bool = False,
        faces: Literal["one", "all"] = "one",
        batch_size: int = 64,
    ) -> Prediction:
        """Classify pictures.

        Args:
            images: Pictures, or one alone: paths of JPEG, PNG, WebP, BMP or TIFF files, which are read as the pipeline
                reads them, Pillow images of any mode, arrays and tensors (H, W, 3) RGB of whole numbers from 0 to 255,
                also mixed, in a list, an iterator or a table's column; or one array (N, H, W, 3).
            aligned: Whether the pictures are crops already, made like the model's training crops; else the face is
                found and aligned first, as the model's config.json tells. Not for models that see the whole picture,
                too.
            faces: Faces of a picture: ``one``, chosen as for the training crops; or ``all``. A face that is found alone
                gets the same crop either way.
            batch_size: Images per forward pass.

        Returns:
            ``one``: one row per picture, in order. Nothing is dropped: without a face the whole picture is taken, see
            ``found``. ``all``: one row per face, in the order of the pictures, the largest face of each first; a
            picture without a face has no row. ``pictures`` tells which rows belong to which picture.

        Raises:
            ArgumentError: An image is no picture, or a given crop not square; another argument is something else.
            DataError: A file can't be read, which the message names; the config doesn't tell how to align, or the
                model needs whole pictures and gets crops.
            MissingDependencyError: The aligner's detector or its weights are not installed.
        """
        aligned = read_flag("aligned", aligned)
        if aligned and self.model.views > 1:
            raise DataError("the model sees each face and the whole picture: give pictures, not crops, aligned=False")
        batch_size = read_whole("batch_size", batch_size)
        every = choose("faces", faces, ("one", "all")) == "all"
        listed = list_pictures("images", images)
        seen = [
            face
            for index, image in enumerate(listed)
            for face in self._faces(open_picture(f"images[{index}]", image), index, aligned=aligned, every=every)
        ]
        return self.answer(
            seen, [os.fspath(one) if isinstance(one, str | PathLike) else "" for one in listed], batch_size
        )

    def answer(self, faces: Sequence[SeenFace], paths: Sequence[str], batch_size: int = 64) -> Prediction:
        """Classify faces that were cut out before.

        Args:
            faces: Faces, in the order of their pictures.
            paths: Path of each picture.
            batch_size: Images per forward pass.
        """
        scores = np.zeros((0, len(self.model.classes)), np.float32)
        maps, module = np.zeros((0, 1, 1), np.float32), None
        if faces:
            parts = list(self._forward(faces, batch_size))
            scores, maps = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
            own = [part[2] for part in parts if part[2] is not None]
            module = np.concatenate(own) if own else None
        return Prediction(
            classes=self.model.classes,
            scores=scores,
            labels=tuple(self.model.classes[index] for index in scores.argmax(axis=1).tolist()),
            maps=maps,
            crops=tuple(face.crop for face in faces),
            matrices=np.array([face.matrix for face in faces], np.float64).reshape(-1, 2, 3),
            found=np.array([face.found for face in faces], np.bool_),
            pictures=np.array([face.picture for face in faces], np.int64),
            boxes=np.array([face.box for face in faces], np.float64).reshape(-1, 4),
            module=module,
            detectors=tuple(face.detector for face in faces),
            detector_scores=np.array([face.score for face in faces], np.float64),
            paths=tuple(paths),
        )

    def _faces(self, image: Image, index: int, *, aligned: bool, every: bool) -> list[SeenFace]:
        if aligned:
            if image.shape[0] != image.shape[1]:
                raise ArgumentError(
                    f"images[{index}]: expected a square crop, got {image.shape[1]} x {image.shape[0]} pixels; "
                    "leave out aligned=True, so that the face is cropped"
                )
            return [_as_given(image, index)]
        if self.aligner is None:
            raise DataError("the model's config.json doesn't tell how its crops were made; give crops, aligned=True")
        found: list[AlignedFace] = self.aligner.all(image) if every else [self.aligner(image)]
        return [
            SeenFace(
                _stored(face.crop),
                None if face.context is None else _stored(face.context),
                face.matrix,
                face.status == FaceStatus.OK,
                index,
                face.box,
                face.detector,
                face.score,
            )
            for face in found
        ]

    def _forward(
        self, faces: Sequence[SeenFace], batch_size: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]]:
        """Give scores, attention of the last layer, and the head's own map, batch by batch."""
        for batch in batched(faces, batch_size):
            with torch.inference_mode():
                found = answer_pixels(self.model, self.preprocess, self.pixels(batch))
            module = None if found.module is None else found.module.cpu().numpy()
            yield found.probabilities.cpu().numpy(), found.attention.cpu().numpy(), module

    def pixels(self, faces: Sequence[SeenFace]) -> torch.Tensor:
        """Bring faces to the model's input size, on its device: (N, 3 views, S, S) uint8 RGB, for ``preprocess``.

        Args:
            faces: At least one face.
        """
        views = np.stack([self._views(face) for face in faces])
        return torch.from_numpy(views).permute(0, 3, 1, 2).to(self.device)

    def _views(self, face: SeenFace) -> Image:
        """Stack the model's views of a face, (S, S, 3 views)."""
        pictures = [face.crop] if face.context is None else [face.crop, face.context]
        return np.concatenate([resize_picture(picture, self.preprocess.image_size) for picture in pictures], axis=2)


def _chosen(device: torch.device | str | None) -> torch.device:
    """Choose the device of a model: the one asked for, else a GPU if there is one.

    Raises:
        ArgumentError: There is no such kind of device.
    """
    check_type("device", device, (torch.device, str, type(None)), 'a device such as "cpu" or "cuda:0", or None')
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ArgumentError(f'device: expected one such as "cpu" or "cuda:0", got {device!r}: {reason}') from error
    return chosen


def _stored(crop: Image) -> Image:
    """Give a crop as ``faces.h5`` keeps it: the model was trained and evaluated on what its JPEG shows."""
    return decode_crop_bytes(encode_crop(crop))


def _as_given(image: Image, index: int) -> SeenFace:
    box = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
    return SeenFace(image.copy(), None, np.eye(2, 3), True, index, box)


def _recorded_aligner(options: Mapping[str, Any], *, with_context: bool) -> Aligner | None:
    """Make the aligner that config.json records, None if it records none; whole pictures only if they are needed."""
    if not {"detector", "keypoints", "template", "choose", "image_size"} <= options.keys():
        return None
    return Aligner(
        detector=tuple(str(options["detector"]).split()),
        keypoints=options["keypoints"],
        template=str(options["template"]),
        size=int(options["image_size"]),
        context=int(options["context_size"]) if with_context else 0,
        choose=options["choose"],
        place=Place.parse(str(options["place"])) if "place" in options else None,
    )
