"""8-bit versions of exported models, by onnxruntime, and what they cost in exactness."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.compute import batched
from fer_au.errors import DataError
from fer_au.gate import WEIGHTS, read_bytes
from fer_au.use.running import GraphRunner, Pictures

CALIBRATED = 200
"""Most training faces by whose activations a static quantisation is scaled."""

_BATCH = 32
_OPERATORS = ["Conv", "MatMul", "Gemm"]


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers on a split.

    Attributes:
        before: That of the exported model in float32.
        after: That of its 8-bit version.
        faces: Number of faces.
    """

    before: float
    after: float
    faces: int


def quantise(data: bytes, faces: FaceDataset | None, notes: dict[str, str]) -> bytes:
    """Bring the weights and activations of convolutions and matrix products to 8 bits.

    Args:
        data: Bytes of the ONNX file in float32.
        faces: Training faces by which activations are scaled once (static); None scales them anew for each batch
            (dynamic).
        notes: ``metadata_props`` of the result.

    Raises:
        DataError: onnxruntime can't.
    """
    import onnx
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as folder, _quiet():
        # onnxruntime writes files alone; a folder of its own holds them until they are read back.
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("float", "prepared", "int8"))
        onnx.save_model(onnx.load_model_from_string(data), source)
        try:
            quantization.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            if faces is None:
                quantization.quantize_dynamic(
                    prepared, target, op_types_to_quantize=_OPERATORS, weight_type=quantization.QuantType.QUInt8
                )
            else:
                quantization.quantize_static(
                    prepared,
                    target,
                    _Calibration(faces, GraphRunner(data).inputs),
                    op_types_to_quantize=_OPERATORS,
                    per_channel=True,
                    activation_type=quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                )
        except Exception as error:  # its own, onnx's and numpy's, without a common base
            reason = " ".join(str(error).split())[:300]
            raise DataError(f"onnxruntime can't bring the model to 8 bits: {type(error).__name__}: {reason}") from error
        model = onnx.load_model_from_string(read_bytes(target, WEIGHTS))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, notes)
    quantised: bytes = model.SerializeToString(deterministic=True)
    return quantised


class _Calibration:
    """Faces as onnxruntime's calibration asks for them: one batch after another, then None."""

    def __init__(self, faces: FaceDataset, inputs: Sequence[str]) -> None:
        chosen = min(CALIBRATED, len(faces))
        rows = [number * len(faces) // chosen for number in range(chosen)]
        self._batches = (dict(zip(inputs, pictures_of(faces, some), strict=True)) for some in batched(rows, _BATCH))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Give the next batch."""
        return next(self._batches, None)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        return self._batches


def measure(before: bytes, after: bytes, faces: FaceDataset) -> Accuracy:
    """Measure what an 8-bit version costs in accuracy.

    Args:
        before: The exported model in float32.
        after: Its 8-bit version.
        faces: Faces of a split, with the model's classes and its image size.
    """
    first, second = (_share(GraphRunner(data), faces) for data in (before, after))
    return Accuracy(first, second, len(faces))


def _share(runner: GraphRunner, faces: FaceDataset) -> float:
    right = 0
    for rows in batched(range(len(faces)), _BATCH):
        predicted = runner(pictures_of(faces, rows))["logits"].argmax(axis=1)
        right += int((predicted == faces.labels[list(rows)]).sum())
    return right / len(faces)


def pictures_of(faces: FaceDataset, rows: Sequence[int]) -> Pictures:
    """Give some faces as the inputs of an exported model."""
    images = np.stack([faces.image(row) for row in rows]).transpose(0, 2, 3, 1)
    return tuple(np.ascontiguousarray(images[..., 3 * view : 3 * view + 3]) for view in range(faces.views))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime's advice for its developers from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
