"""Run an ONNX file as its users do, by onnxruntime, and compare its answers with torch's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.errors import DataError
from fer_au.use.graph import OUTPUTS, ServedModel

Pictures = tuple[NDArray[np.uint8], ...]
Answers = Mapping[str, NDArray[np.float32]]

CHECKED = 50
"""Inputs by which an exported model is compared with the original."""
TOLERANCE = 1e-4
"""Largest difference from torch: of probabilities; of logits and maps as a share of the largest value, if above 1."""

_BATCHES = (1, 2, 47)  # their numbers of inputs differ: the batch must be free


def checked_pictures(served: ServedModel, count: int = CHECKED) -> Pictures:
    """Make the inputs of the comparison, always the same ones: soft patterns of any contrast, and noise over them.

    Args:
        served: The model.
        count: Number of inputs.

    Returns:
        For each of its inputs (N, S, S, 3) uint8.
    """
    return tuple(
        np.stack([_picture(np.random.default_rng([view, number]), served) for number in range(count)])
        for view in range(len(served.inputs))
    )


def _picture(random: np.random.Generator, served: ServedModel) -> NDArray[np.uint8]:
    side = served.preprocess.image_size
    y, x = (np.mgrid[:side, :side] / side).astype(np.float32)
    waves = np.zeros((side, side, 3), np.float32)
    for _ in range(4):
        kx, ky = random.uniform(-4, 4, 2)
        waves += np.sin(2 * np.pi * (kx * x + ky * y + random.uniform()))[..., None] * random.normal(0, 30, 3)
    noise = random.normal(0, 1, waves.shape) * random.uniform(0, 40)
    return np.clip(random.uniform(60, 190) + waves + noise, 0, 255).astype(np.uint8)


class GraphRunner:
    """An ONNX file in onnxruntime, on the CPU.

    Args:
        data: Bytes of the file.

    Raises:
        DataError: onnxruntime refuses it.
    """

    def __init__(self, data: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its errors come as exceptions, too
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of a module that has no common base
            raise DataError(f"onnxruntime can't load the exported model: {_line(error)}") from error
        self.inputs = tuple(one.name for one in self._session.get_inputs())
        self.outputs = tuple(one.name for one in self._session.get_outputs())

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        """Give the answers for pictures, by the names of the outputs.

        Raises:
            DataError: onnxruntime can't compute them.
        """
        try:
            values = self._session.run(None, dict(zip(self.inputs, pictures, strict=True)))
        except Exception as error:  # as above
            raise DataError(f"onnxruntime can't run the exported model: {_line(error)}") from error
        return dict(zip(self.outputs, values, strict=True))


def torch_answers(served: ServedModel, pictures: Sequence[NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
    """Give torch's answers for pictures, by the names of the outputs."""
    with torch.inference_mode():
        values = served(*map(torch.from_numpy, pictures))
    return {name: value.numpy() for name, value in zip(OUTPUTS, values, strict=False)}


def in_batches(pictures: Pictures) -> Iterator[Pictures]:
    """Cut the inputs of the comparison into batches of different sizes."""
    start = 0
    for size in _BATCHES:
        yield tuple(view[start : start + size] for view in pictures)
        start += size


def compare(data: bytes, served: ServedModel) -> dict[str, float]:
    """Compare an exported model with the original.

    Args:
        data: Bytes of the ONNX file.
        served: The original.

    Returns:
        Largest difference of each output over ``CHECKED`` inputs: as a share of the largest value of torch where that
        is above 1.

    Raises:
        DataError: An answer has another shape, or is no number.
    """
    runner, worst = GraphRunner(data), dict.fromkeys(OUTPUTS, 0.0)
    for batch in in_batches(checked_pictures(served)):
        ours, theirs = runner(batch), torch_answers(served, batch)
        if {name: value.shape for name, value in ours.items()} != {name: v.shape for name, v in theirs.items()}:
            raise DataError("the exported model gives other outputs than torch, or outputs of other shapes")
        for name, value in theirs.items():
            difference = np.abs(ours[name] - value).max() / max(1.0, np.abs(value).max())
            if not np.isfinite(difference):
                raise DataError(f"the answers hold NaN or infinite {name}; no such model can be checked")
            worst[name] = max(worst[name], float(difference))
    return {name: worst[name] for name in runner.outputs}


def check_equal(differences: Mapping[str, float]) -> None:
    """Refuse an exported model that answers otherwise than torch.

    Raises:
        DataError: A difference is above the tolerance.
    """
    name, most = max(differences.items(), key=lambda one: one[1])
    if most > TOLERANCE:
        raise DataError(f"the exported model's {name} differ from torch's by up to {most:.1e}, above {TOLERANCE:.0e}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
