"""A trained model as one ONNX graph: crops in as bytes; logits, probabilities and attention maps out."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fer_au.batches.preprocess import Preprocessing
from fer_au.errors import DataError, MissingDependencyError
from fer_au.models import FerModel
from fer_au.predictor import Predictor, answer_pixels
from fer_au.version import __version__

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""Version of ONNX's operators; onnxruntime runs it from 1.14 on."""
INPUTS = ("crops", "pictures")
"""Inputs, (N, S, S, 3) uint8 RGB: the crops of faces, and for models that see two views the whole pictures."""
OUTPUTS = ("logits", "probabilities", "attention", "module")
"""Outputs; ``module`` where the head makes a map of its own."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_LARGEST = (1 << 31) - (1 << 24)  # bytes of weights: ONNX's files end at 2 GB, and the graph itself needs some
_MOST_FACES = 1 << 16  # of one batch; torch wants a bound
_TALKATIVE = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


class ServedModel(nn.Module):
    """A model with its preprocessing folded in.

    Args:
        model: Classifier; a copy is taken, whose attention is computed by plain operations.
        preprocess: Its preprocessing.
    """

    def __init__(self, model: FerModel, preprocess: Preprocessing) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
        self.preprocess = preprocess
        modules: list[Any] = list(self.model.modules())
        for module in modules:
            if hasattr(module, "fused_attn"):  # timm's word; fused kernels can't always be taken apart again
                module.fused_attn = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs."""
        return INPUTS[: self.model.views]

    def forward(self, crops: Tensor, pictures: Tensor | None = None) -> tuple[Tensor, ...]:
        """Classify crops (N, S, S, 3) uint8, beside their whole pictures where the model sees those, too."""
        views = crops if pictures is None else torch.cat([crops, pictures], dim=3)
        answer = answer_pixels(self.model, self.preprocess, views.permute(0, 3, 1, 2))
        return tuple(part for part in answer if part is not None)


def check_packages() -> None:
    """Check that the packages of the extra ``export`` are installed.

    Raises:
        MissingDependencyError: One is not.
    """
    if lacking := [name for name in _PACKAGES if find_spec(name) is None]:
        raise MissingDependencyError(
            f"fer-au export needs {' and '.join(lacking)}, not installed; run `pip install 'fer-au[export]'`"
        )


def make_graph(predictor: Predictor, notes: Mapping[str, str]) -> bytes:
    """Make the ONNX file of a model; equal models and notes give equal bytes.

    Args:
        predictor: The model and its preprocessing.
        notes: Entries of the file's ``metadata_props``.

    Raises:
        DataError: The network can't be brought into ONNX; one line says why.
    """
    served = ServedModel(predictor.model, predictor.preprocess)
    weight = sum(tensor.numel() * tensor.element_size() for tensor in served.state_dict().values())
    if weight > _LARGEST:
        raise DataError(f"its weights take {weight / 1e9:.1f} GB, and an ONNX file holds at most 2 GB")
    side = predictor.preprocess.image_size
    faces = torch.export.Dim("faces", min=1, max=_MOST_FACES)
    example = tuple(torch.full((2, side, side, 3), 128, dtype=torch.uint8) for _ in served.inputs)
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(served, example, dynamic_shapes=tuple({0: faces} for _ in example))
            count = len(program.graph.output_node().args[0])
            converted = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(served.inputs),
                output_names=list(OUTPUTS[:count]),
                verbose=False,
            )
    except Exception as error:  # exporters raise nearly everything, and a network may do nearly everything
        raise DataError(f"{_title(predictor.model)} can't be brought into ONNX: {_reason(error)}") from error
    assert converted is not None  # noqa: S101 (as nothing was to be written)
    return _tidied(converted.model_proto, notes)


def _tidied(model: onnx.ModelProto, notes: Mapping[str, str]) -> bytes:
    """Take out where the exporter was run, put in what users should know, and give the bytes."""
    import onnx

    model.producer_name, model.producer_version, model.doc_string = "fer_au", __version__, ""
    model.graph.name = "fer_au"
    del model.graph.value_info[:]
    for parts in (model.graph.node, model.graph.input, model.graph.output):
        for part in parts:
            del part.metadata_props[:]
            part.doc_string = ""
    for part in (*model.graph.input, *model.graph.output):
        part.type.tensor_type.shape.dim[0].dim_param = "faces"
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks about their own steps from the user."""
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in _TALKATIVE]
    try:
        for logger, _ in before:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


def _title(model: FerModel) -> str:
    head = f" with head {model.config.head!r}" if model.config.head else ""
    return f"backbone {model.config.backbone!r}{head}"


def _reason(error: BaseException) -> str:
    """Find the first cause of an exporter's error, and say it in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    if "specialized it to be a constant" in text:
        return "its code fixes the number of images; where it says len(x) or x.size(0) of a tensor, write x.shape[0]"
    line: Any = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line}"[:300]
