"""Networks: whether one can be built, takes the images, and has the layers, maps and phases that are asked of it.

Nothing tells that as surely as the network itself, built where shapes alone are computed. That takes torch, so it is
done once and remembered; and it is passed over where a network of a plain kind is asked for nothing unusual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fer_au.checks.memory import Memory
from fer_au.checks.parts import is_net, timm_models
from fer_au.code.stages import work_code
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, TrainConfig
from fer_au.config.reading import Fault, examine
from fer_au.errors import ConfigError, FerAuError
from fer_au.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from fer_au.models.network import FerModel

# timm's files whose networks are convolutions all through, and the strides with which all of them can be built; any of
# them takes images of 32 pixels or more, and has five feature layers at least.
_PLAIN: dict[str, tuple[int | None, ...]] = {"efficientnet": (None, 8, 16, 32), "resnet": (None, 8, 16, 32)}
_BLURRED = ("aa", "blur")  # in the names of networks whose strides blur, and take no image of odd maps
_PLAIN_LAYERS = ("1", "2", "3", "4", "5", "last", "all")
_PLAIN_HEADS = frozenset({"gap", "lan", "mlp", "prm", "wildcat"})
_PLAIN_SIZE, _PLAIN_STRIDE = 32, 32

_LOCATED = re.compile(r"(?:\w+ '[^']*': )?((?:model|guidance|train|evaluate)(?:\.[\w.]+)?): (.+)", re.DOTALL)


def check_network(
    key: str,
    config: ExperimentConfig,
    train: TrainConfig,
    evaluate: EvaluateConfig | None,
    params: Mapping[str, Any],
    memory: Memory,
) -> list[Fault]:
    """Check what an experiment asks of its network.

    Args:
        key: Key of the experiment, such as ``experiments.au``.
        config: The experiment, whose parts exist.
        train: Its training settings.
        evaluate: Section ``evaluate``; None if it has faults.
        params: The whole of ``params.yaml``.
        memory: Keeps experiments whose network was found right.
    """
    found = [(fault.key, fault.text) for fault in _device_faults(train)]
    if not _is_plain(config, train, evaluate.attention_layers if evaluate is not None else "all"):
        found += _remembered(config, train, evaluate, params, memory)
    # What the section `evaluate` asks of every network stands there.
    return [Fault(place if place.startswith("evaluate.") else f"{key}.{place}", text) for place, text in found]


def _remembered(
    config: ExperimentConfig,
    train: TrainConfig,
    evaluate: EvaluateConfig | None,
    params: Mapping[str, Any],
    memory: Memory,
) -> list[tuple[str, str]]:
    """List keys and faults of a network; a good one is looked at once, a bad one once in a run."""
    context = params["align"].get("context", 0)
    layers = evaluate.attention_layers if evaluate is not None else "all"
    model = config.model.model_dump()
    guidance = [term.model_dump(include={"cue", "loss", "source", "layers"}) for term in config.guidance]
    code = work_code("train", {"model": {**model, "weights": "none"}, "guidance": guidance}, params)
    settings = train.model_dump(include={"image_size", "freeze", "batch_size", "epochs"})
    question = ("network", code, model, guidance, settings, config.target, layers, bool(context))
    answer = memory.recall(*question)
    if answer is None:
        answer = [(fault.key, fault.text) for fault in _look(config, train, layers, bool(context))]
        (memory.note if answer else memory.keep)(answer, *question)
    return [(str(place), str(text)) for place, text in cast(list[list[str]], answer)]


def _device_faults(train: TrainConfig) -> Iterator[Fault]:
    """Check the precision on the device that would train; torch alone knows that device."""
    if train.precision != "fp16":
        return
    import torch

    from fer_au.batches.precision import resolve_precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolve_precision(train.precision, device)
    except FerAuError as error:
        yield _fault("train.precision", error)


def _is_plain(config: ExperimentConfig, train: TrainConfig, layers: str | tuple[str, ...]) -> bool:
    """Tell whether a network surely has all that is asked of it."""
    model = config.model
    asked = {layer for term in config.guidance for layer in term.layers}
    asked |= {layers} if isinstance(layers, str) else set(layers)
    stride = model.output_stride or _PLAIN_STRIDE
    return (
        model.output_stride in _PLAIN.get(timm_models().get(model.backbone, ""), ())
        and not any(mark in model.backbone for mark in _BLURRED)
        and not is_net(model.backbone)
        and (model.head or "gap") in _PLAIN_HEADS
        and not model.head_options
        and not model.backbone_options
        and not model.large_maps
        and train.image_size >= max(_PLAIN_SIZE, stride + 1)  # a map of 1 x 1 guides nothing
        and all(term.source != "module" for term in config.guidance)
        and asked <= set(_PLAIN_LAYERS)
        and not train.freeze
        and train.batch_size > 1
    )


def _look(config: ExperimentConfig, train: TrainConfig, layers: str | tuple[str, ...], context: bool) -> list[Fault]:
    """Build the network and ask it for everything."""
    if faults := list(_option_faults(config)):
        return faults
    # Shapes alone take no time; where that goes wrong, or values matter, the network is built for good.
    devices = ["cpu"] if any(term.source == "module" for term in config.guidance) else ["meta", "cpu"]
    for device in devices:
        if not (faults := list(_faults_on(device, config, train, layers, context))):
            break
    return faults


def _option_faults(config: ExperimentConfig) -> Iterator[Fault]:
    """List all faults of options; a network would stop at the first."""
    from fer_au.models.heads.base import HEADS
    from fer_au.models.nets.base import NETS
    from fer_au.models.network import DEFAULT_HEAD, find_net_faults

    model = config.model
    if model.backbone in NETS.names():
        net = NETS.get(model.backbone)
        yield from (_fault("model", ConfigError(text)) for text in find_net_faults(model))
        yield from examine(net.Options, model.backbone_options, "model.backbone_options")[1]
        yield from examine(net.head.Options, model.head_options, "model.head_options")[1]
    else:
        head = HEADS.get(model.head or DEFAULT_HEAD)
        yield from examine(head.Options, model.head_options, "model.head_options")[1]


def _faults_on(
    device: str,
    config: ExperimentConfig,
    train: TrainConfig,
    layers: str | tuple[str, ...],
    context: bool,
) -> Iterator[Fault]:
    import torch

    from fer_au.models.network import create_model

    classes = ("subject:a", "subject:b") if config.target == "subject" else EXPRESSIONS
    try:
        with torch.device(device):
            model = create_model(config.model, classes)
    except (FerAuError, RuntimeError, NotImplementedError) as error:
        yield _fault("model", error)
        return
    if model.views > 1 and not context:
        text = f"head {model.config.head!r} looks at the whole picture, too; set align.context, such as 224"
        yield Fault("model.head", text)
    try:
        model.grid_sizes(train.image_size)
    except FerAuError as error:
        yield _fault("model.backbone", error)
        return
    for place, check in _questions(model, config, train, layers):
        try:
            check()
        except (FerAuError, RuntimeError, NotImplementedError) as error:
            yield _fault(place, error)


def _questions(
    model: FerModel, config: ExperimentConfig, train: TrainConfig, layers: str | tuple[str, ...]
) -> Iterator[tuple[str, Callable[[], object]]]:
    """List what is asked of a network, each with the key that asks."""
    from fer_au.models.freezing import check_phases
    from fer_au.training.attention import resolve_source
    from fer_au.training.losses import create_loss
    from fer_au.training.trainer import check_batch_size

    for number, term in enumerate(config.guidance):
        where = f"guidance.{number}"
        yield (
            f"{where}.{'layers' if term.source == 'features' else 'source'}",
            partial(resolve_source, term, create_loss(term.loss), model, train.image_size, where),
        )
    yield "train.freeze", partial(check_phases, train.freeze, model)
    yield "train.batch_size", partial(check_batch_size, train, model)
    yield "evaluate.attention_layers", partial(model.resolve_layers, layers)


def _fault(place: str, error: Exception) -> Fault:
    """Give an error the key that it names itself, or else the one that was asked about."""
    text = " ".join(str(error).split())
    if found := _LOCATED.fullmatch(text):
        return Fault(found[1], found[2])
    return Fault(place, text or type(error).__name__)
