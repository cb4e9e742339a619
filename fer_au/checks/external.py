"""Models that were made elsewhere: what can be said of one before its code is run, which no check does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fer_au.checks.memory import Memory
from fer_au.code.stages import work_code
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.external import ONNX, has_gradients, is_file
from fer_au.config.model import ModelConfig
from fer_au.config.reading import Fault
from fer_au.errors import FerAuError, MissingCamError

if TYPE_CHECKING:
    from fer_au.models.network import FerModel

LACKING = "evaluate.cams."
"""Before a CAM that other networks may have."""


def check_external(
    config: ExperimentConfig, train: TrainConfig, evaluate: EvaluateConfig, memory: Memory
) -> list[Fault]:
    """List what is wrong with an experiment's external model, as far as it shows without running it.

    Args:
        config: The experiment.
        train: Its training settings.
        evaluate: Section ``evaluate``.
        memory: Keeps what was found.

    Returns:
        Faults, with keys below the experiment or ``evaluate``; CAMs that the model can't have behind ``LACKING``.
    """
    faults = list(_import_faults(config.model.factory or ""))
    asked = evaluate.model_dump(include={"attention_layers", "cams"})
    code = work_code("evaluate", {"model": {"backbone": config.model.backbone}}, {"evaluate": asked})
    guided = [(term.source, term.layers) for term in config.guidance]
    frozen = [phase.layers for phase in train.freeze]
    question = ("external", code, has_gradients(config.model.factory), len(config.model.layers), guided, frozen, asked)
    answer = memory.recall(*question)
    if answer is None:
        answer = [(fault.key, fault.text) for fault in _ask_stand_in(config, train, evaluate)]
        memory.keep(answer, *question)
    return [*faults, *(Fault(key, text) for key, text in cast(list[tuple[str, str]], answer))]


def _import_faults(factory: str) -> Iterator[Fault]:
    """Say that there is no such package: it is looked for, and not imported."""
    if is_file(factory):
        yield from _file_faults(factory)
        return
    package = factory.partition(":")[0].partition(".")[0]
    if not package.isidentifier():
        return
    try:
        found = find_spec(package) or PathFinder.find_spec(package, [str(Path.cwd())])
    except (ImportError, ValueError):
        found = None
    if found is None:
        where = "neither among the installed packages nor beside params.yaml"
        yield Fault("model.factory", f"there is no module {package!r}, {where}")


def _file_faults(factory: str) -> Iterator[Fault]:
    """Say that a file can't be read, or what it needs isn't installed; what is in it, the stage says."""
    from fer_au.models.onnx_network import check_packages, read_file

    try:
        read_file(Path(factory))
        if factory.endswith(ONNX):
            check_packages()
    except FerAuError as error:
        key, _, text = str(error).partition(": ")
        yield Fault(key, text)


def _ask_stand_in(config: ExperimentConfig, train: TrainConfig, evaluate: EvaluateConfig) -> Iterator[Fault]:
    """Ask a network without insides, which has the layers that the configuration names, for layers and CAMs."""
    from fer_au.cam.registry import resolve_cams
    from fer_au.models.freezing import check_phases

    model = _stand_in(config.model)
    asked = [("evaluate.attention_layers", partial(model.resolve_layers, evaluate.attention_layers))]
    for number, term in enumerate(config.guidance):
        if term.source == "features":
            asked.append((f"guidance.{number}.layers", partial(model.resolve_layers, term.layers)))
        else:
            yield Fault(f"guidance.{number}.source", "an external model has no map of its own; use features")
    for key, ask in asked:
        try:
            ask()
        except FerAuError as error:
            yield Fault(key, str(error))
    try:
        check_phases(train.freeze, model)
    except FerAuError as error:
        yield Fault("train.freeze", str(error).removeprefix("train.freeze: "))
    for cam in evaluate.cams:
        try:
            resolve_cams([cam], model)
        except MissingCamError as error:
            yield Fault(f"{LACKING}{error.cam}", error.reason)
        except FerAuError as error:
            yield Fault("evaluate.cams", str(error))


def _stand_in(config: ModelConfig) -> FerModel:
    from torch import Tensor, nn

    from fer_au.models.external import ExternalTrunk
    from fer_au.models.network import FerModel

    class StandIn(nn.Module):
        """A network of empty layers; its ReLU says that it may have some, which no one knows yet."""

        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()
            self.steps = nn.ModuleList(nn.Identity() for _ in config.layers)
            self.weight = nn.Parameter(self._scores())

        @staticmethod
        def _scores() -> Tensor:
            import torch

            scores = torch.arange(float(len(config.classes)))
            return scores.softmax(0) if config.scores == "probabilities" else scores

        def forward(self, x: Tensor) -> Tensor:
            for step in self.steps:
                x = step(x)
            return self.weight.expand(len(x), -1)

    layers = tuple(f"steps.{number}" for number in range(len(config.layers)))
    stand_in: Mapping[str, Any] = {"layers": layers}
    asked = config.model_copy(update=stand_in)
    return FerModel(asked, config.outputs, ExternalTrunk(asked, StandIn()))
