"""Networks: whether one can be built, takes the images, and has the layers, maps and phases that are asked of it.

Nothing tells that as surely as the network itself, built where shapes alone are computed. That takes torch, so it is
done once and remembered; and it is passed over where a network of a plain kind is asked for nothing unusual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fer_au.checks.cams import LackingCams
from fer_au.checks.external import LACKING as _LACKING
from fer_au.checks.external import check_external
from fer_au.checks.memory import Memory
from fer_au.checks.parts import is_net, timm_models
from fer_au.code.stages import work_code
from fer_au.config.cams import CamChoice
from fer_au.config.data import HeatmapsConfig
from fer_au.config.dataset_settings import ALIGN
from fer_au.config.experiments import EvaluateConfig, ExperimentConfig, GuidanceConfig, TrainConfig
from fer_au.config.external import EXTERNAL
from fer_au.config.model import DEFAULT_HEAD
from fer_au.config.reading import Fault, examine, salvage
from fer_au.config.unread import no_effect
from fer_au.errors import ConfigError, FerAuError, MissingCamError
from fer_au.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from fer_au.models.network import FerModel

# timm's files whose networks are convolutions all through, and the strides with which all of them can be built; any of
# them takes images of 32 pixels or more, and has five feature layers at least.
_PLAIN: dict[str, tuple[int | None, ...]] = {"efficientnet": (None, 8, 16, 32), "resnet": (None, 8, 16, 32)}
_BLURRED = ("aa", "blur")  # in the names of networks whose strides blur, and take no image of odd maps
_PLAIN_LAYERS = ("1", "2", "3", "4", "5", "last", "all")
# CAM methods that take any network, and of these the ones that explain any layer of it.
_LAYER_CAMS = frozenset({"gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"})
_PLAIN_CAMS = frozenset({"native", "integrated_gradients", "occlusion"}) | _LAYER_CAMS
PLAIN_HEADS = frozenset({"gap", "lan", "mlp", "prm", "wildcat"})
_PLAIN_SIZE, _PLAIN_STRIDE = 32, 32
_FEWEST_CELLS = 4
_USUAL = {"cue": "au", "loss": "cosine"}

_INNER_OPTION = re.compile(r"(?:model\.head_options|guidance\.\d+\.loss_options)\.")  # the rest of the network stands
_LOCATED = re.compile(r"(?:\w+ '[^']*': )?((?:model|guidance|train|evaluate)(?:\.[\w.]+)?): (.+)", re.DOTALL)


def check_network(
    key: str,
    config: ExperimentConfig,
    train: TrainConfig,
    evaluate: EvaluateConfig | None,
    params: Mapping[str, Any],
    memory: Memory,
    lacking: LackingCams,
    doubtful: Collection[str] = (),
) -> list[Fault]:
    """Check what an experiment asks of its network.

    Args:
        key: Key of the experiment, such as ``experiments.au``.
        config: The experiment; its wrong keys hold their defaults, or the names of parts that don't exist.
        train: Its training settings.
        evaluate: Section ``evaluate``; None if it has faults.
        params: The whole of ``params.yaml``.
        memory: Keeps experiments whose network was found right.
        lacking: Takes down the CAMs that the network can't have; what that means depends on the other experiments.
        doubtful: Keys of the experiment that are wrong; nothing is said that rests on one.
    """
    found = list(_device_faults(train))
    if "model.backbone" in doubtful or "model" in doubtful or not config.model.backbone:
        lacking.note(key, None)
        return [replace(fault, key=f"{key}.{fault.key}") for fault in found]
    config = _with_usual_parts(config, doubtful)
    asked = evaluate or EvaluateConfig()
    if config.model.backbone == EXTERNAL:
        if any(_is_within(wrong, "model") for wrong in doubtful):
            lacking.note(key, None)
            return []
        found += check_external(config, train, asked, memory)
    elif not _is_plain(config, train, asked):
        found += _remembered(config, train, asked, params, memory)
    cams = {one.key.removeprefix(_LACKING): one.text for one in found if one.key.startswith(_LACKING)}
    lacking.note(key, None if any(_is_within(wrong, "model") for wrong in doubtful) else cams)
    found = [one for one in found if not one.key.startswith(_LACKING)]
    # What the section `evaluate` asks of every network stands there.
    return [
        fault if fault.key.startswith("evaluate.") else replace(fault, key=f"{key}.{fault.key}")
        for fault in found
        if not any(_is_within(wrong, rest) for rest in _rests_on(fault.key) for wrong in doubtful)
    ]


def _with_usual_parts(config: ExperimentConfig, doubtful: Collection[str]) -> ExperimentConfig:
    """Put usual parts in the place of those that don't exist, so that the network can be asked about the rest."""
    if any(_is_within(key, "model.head") or _is_within(key, "model.head_options") for key in doubtful):
        config = config.model_copy(update={"model": config.model.model_copy(update={"head": None, "head_options": {}})})
    terms = []
    for n, term in enumerate(config.guidance):
        update: dict[str, Any] = {part: usual for part, usual in _USUAL.items() if f"guidance.{n}.{part}" in doubtful}
        if any(_is_within(key, f"guidance.{n}.{part}") for key in doubtful for part in ("loss", "loss_options")):
            update["loss_options"] = {}
        terms.append(term.model_copy(update=update))
    return config.model_copy(update={"guidance": tuple(terms)})


def _rests_on(place: str) -> list[str]:
    """List the keys of an experiment that an answer of its network at a key depends on."""
    first, *rest = place.split(".")
    shape = [f"model.{key}" for key in ("backbone_options", "cut_after", "output_stride", "large_maps", "in_chans")]
    if first == "model":
        return [*shape, "model.head", "model.head_options", "train.image_size"]
    if first == "guidance":
        if rest[1:2] == ["loss_options"]:
            return [".".join([first, rest[0], "loss"])]
        own = [".".join([first, *rest[:1], key]) for key in ("source", "layers", "loss")]
        head = ["model.head", "model.head_options"] if rest[-1:] == ["source"] else []
        return [*shape, *own[: 2 if rest[-1:] == ["layers"] else 3], *head, "train.image_size"]
    return [place, "train.epochs"] if place == "train.freeze" else [place]


def _is_within(key: str, other: str) -> bool:
    """Tell whether a key is another one, or lies in it."""
    return key == other or key.startswith(f"{other}.")


def _remembered(
    config: ExperimentConfig,
    train: TrainConfig,
    evaluate: EvaluateConfig,
    params: Mapping[str, Any],
    memory: Memory,
) -> list[Fault]:
    """List faults of a network; a good one is looked at once, a bad one once in a run."""
    context = ALIGN.merge(params, config.dataset).get("context", 0)
    asked = evaluate.model_dump(include={"attention_layers", "cams"})
    model = config.model.model_dump()
    own = {"cue", "loss", "loss_options", "source", "layers", "codebook", "geometry"}
    guidance = [term.model_dump(include=own) for term in config.guidance]
    heatmaps = salvage(HeatmapsConfig, params["heatmaps"]) or HeatmapsConfig()
    entry = {"model": {**model, "weights": "none"}, "guidance": guidance}
    code = work_code("train", entry, params), work_code("evaluate", entry, {"evaluate": {"cams": list(evaluate.cams)}})
    settings = train.model_dump(include={"image_size", "freeze", "batch_size", "epochs"})
    drawn = heatmaps.model_dump() if guidance else {}
    question = ("network", *code, model, guidance, settings, config.target, asked, bool(context), drawn)
    answer = memory.recall(*question)
    if answer is None:
        found = _look(config, train, evaluate, bool(context), heatmaps)
        answer = [(fault.key, fault.text, fault.stops) for fault in found]
        # CAMs that a network can't have may be no fault, so that this is known the next time, too.
        kept = not any(fault.stops and not fault.key.startswith(_LACKING) for fault in found)
        (memory.keep if kept else memory.note)(answer, *question)
    return [Fault(*one) for one in cast(list[tuple[str, str, bool]], answer)]


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


def _is_plain(config: ExperimentConfig, train: TrainConfig, evaluate: EvaluateConfig) -> bool:
    """Tell whether a network surely has all that is asked of it."""
    model, layers = config.model, evaluate.attention_layers
    cams = [CamChoice.parse(cam) for cam in evaluate.cams]
    asked = {layer for term in config.guidance for layer in term.layers}
    asked |= {layers} if isinstance(layers, str) else set(layers)
    asked |= {cam.layer for cam in cams if cam.layer is not None}
    stride = model.output_stride or _PLAIN_STRIDE
    return (
        model.output_stride in _PLAIN.get(timm_models().get(model.backbone, ""), ())
        and not any(mark in model.backbone for mark in _BLURRED)
        and not is_net(model.backbone)
        and (model.head or DEFAULT_HEAD) in PLAIN_HEADS
        and not model.head_options
        and not model.backbone_options
        and not model.large_maps
        and model.cut_after is None
        and train.image_size >= max(_PLAIN_SIZE, stride + 1)  # a map of 1 x 1 guides nothing
        and (not config.guidance or train.image_size > (_FEWEST_CELLS - 1) * stride)  # a coarse one little
        and all(term.source != "module" and not term.loss_options for term in config.guidance)
        and asked <= set(_PLAIN_LAYERS)
        and all(cam.method in (_LAYER_CAMS if cam.layer else _PLAIN_CAMS) for cam in cams)
        and not train.freeze
        and train.batch_size > 1
    )


def _look(
    config: ExperimentConfig, train: TrainConfig, evaluate: EvaluateConfig, context: bool, heatmaps: HeatmapsConfig
) -> list[Fault]:
    """Build the network and ask it for everything."""
    if faults := list(_option_faults(config)):
        if any(not _INNER_OPTION.match(fault.key) for fault in faults):
            return faults
        wrong = [fault.key for fault in faults]
        rest = _look(_with_usual_parts(config, wrong), train, evaluate, context, heatmaps)
        return faults + [
            fault for fault in rest if not any(_is_within(key, on) for on in _rests_on(fault.key) for key in wrong)
        ]
    # Shapes alone take no time; where that goes wrong, or values matter, the network is built for good.
    devices = ["cpu"] if any(term.source == "module" for term in config.guidance) else ["meta", "cpu"]
    for device in devices:
        faults = list(_faults_on(device, config, train, evaluate, context, heatmaps))
        if not any(fault.stops for fault in faults):
            break
    return faults


def _option_faults(config: ExperimentConfig) -> Iterator[Fault]:
    """List all faults of options; a network would stop at the first."""
    from fer_au.models.backbones import find_unread_options
    from fer_au.models.heads.base import HEADS
    from fer_au.models.nets.base import NETS, own_head
    from fer_au.models.trunks import find_net_faults
    from fer_au.training.losses.base import LOSSES

    model = config.model
    head = own_head(model.backbone) or HEADS.get(model.head or DEFAULT_HEAD)
    if model.backbone in NETS.names():
        yield from (_fault("model", ConfigError(text)) for text in find_net_faults(model))
        yield from examine(NETS.get(model.backbone).Options, model.backbone_options, "model.backbone_options")[1]
        yield from examine(head.Options, model.head_options, "model.head_options")[1]
    else:
        yield from examine(head.Options, model.head_options, "model.head_options")[1]
        with suppress(FerAuError):  # told when the whole network is built
            for option in find_unread_options(model):
                why = f"{model.backbone!r} is the same network without it"
                yield Fault(f"model.backbone_options.{option}", no_effect(why))
    for number, term in enumerate(config.guidance):
        where = f"guidance.{number}.loss_options"
        yield from examine(LOSSES.get(term.loss).Options, term.loss_options, where)[1]


def _faults_on(
    device: str,
    config: ExperimentConfig,
    train: TrainConfig,
    evaluate: EvaluateConfig,
    context: bool,
    heatmaps: HeatmapsConfig,
) -> Iterator[Fault]:
    import torch

    from fer_au.models.image_sizes import fit_to_images
    from fer_au.models.network import build_model

    classes = ("subject:a", "subject:b") if config.target == "subject" else EXPRESSIONS
    try:
        with torch.device(device):
            model = build_model(config.model, classes)
    except (FerAuError, RuntimeError, NotImplementedError) as error:
        yield _fault("model", error)
        return
    if model.views > 1 and not context:
        text = f"head {model.config.head!r} looks at the whole picture, too; set align.context, such as 224"
        yield Fault("model.head", text)
    try:
        with torch.device(device):
            model = fit_to_images(model, train.image_size)
    except FerAuError as error:
        yield _fault("model.backbone", error)
        return
    for place, check in _questions(model, config, train, evaluate, heatmaps):
        try:
            for line in check() or ():
                yield Fault(place, line, stops=False)
        except MissingCamError as error:
            yield Fault(f"{_LACKING}{error.cam}", error.reason)
        except (FerAuError, RuntimeError, NotImplementedError) as error:
            yield _fault(place, error)


def _questions(
    model: FerModel, config: ExperimentConfig, train: TrainConfig, evaluate: EvaluateConfig, heatmaps: HeatmapsConfig
) -> Iterator[tuple[str, Callable[[], list[str] | None]]]:
    """List what is asked of a network, each with the key that asks; answers are things to know."""
    from fer_au.models.freezing import check_phases
    from fer_au.training.batch_size import check_batch_size

    for number, term in enumerate(config.guidance):
        where = f"guidance.{number}"
        yield (
            f"{where}.{'layers' if term.source == 'features' else 'source'}",
            partial(_look_at_source, term, model, train.image_size, where, heatmaps),
        )
    yield "train.freeze", partial(check_phases, train.freeze, model)
    yield "train.batch_size", partial(check_batch_size, train, model)
    yield "evaluate.attention_layers", partial(_resolve, model, evaluate.attention_layers)
    for cam in evaluate.cams:
        yield "evaluate.cams", partial(_find_cam, cam, model)


def _resolve(model: FerModel, layers: str | tuple[str, ...]) -> None:
    model.resolve_layers(layers)


def _find_cam(cam: str, model: FerModel) -> None:
    from fer_au.cam.registry import resolve_cams

    resolve_cams([cam], model)


def _look_at_source(
    term: GuidanceConfig, model: FerModel, image_size: int, where: str, heatmaps: HeatmapsConfig
) -> list[str]:
    """Find the attention of a term, and say what is too coarse of it for the cue of an average face."""
    import numpy as np
    import torch

    from fer_au.cues.cue import FaceBatch, create_cue
    from fer_au.faces.templates import get_template
    from fer_au.training.attention import coarse_lines, resolve_source
    from fer_au.training.losses.base import LOSSES

    source = resolve_source(term, LOSSES.get(term.loss), model, image_size, where)
    codebook, geometry = term.codebook or heatmaps.codebook, term.geometry or heatmaps.geometry
    maps = None
    if any(min(grid) < _FEWEST_CELLS for grid in source.grids):
        cue = create_cue(term.cue, codebook=codebook, geometry=geometry)
        if not cue.needs:
            face = get_template("loose").mean_face(image_size)
            points = np.broadcast_to(face, (len(EXPRESSIONS), *face.shape)).astype(np.float32)
            maps = torch.from_numpy(cue.render(FaceBatch(points, EXPRESSIONS, image_size, heatmaps.size))[0])
    return coarse_lines(source, maps)


def _fault(place: str, error: Exception) -> Fault:
    """Give an error the key that it names itself, or else the one that was asked about."""
    text = " ".join(str(error).split())
    if found := _LOCATED.fullmatch(text):
        return Fault(found[1], found[2])
    return Fault(place, text or type(error).__name__)
