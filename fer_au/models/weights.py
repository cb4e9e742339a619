"""Load pretrained weights into a backbone, as ``model.weights`` names them: ImageNet's, or the user's own file.

A file's path is relative to the workspace, and DVC does not track it: put it under DVC or keep it where it is. Its
sha256 is part of a training's identity, so that another file of the same name never continues an old training.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import timm
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from fer_au.compute import log
from fer_au.config.model import NAMED_WEIGHTS
from fer_au.errors import DataError, MissingDependencyError
from fer_au.gate import WEIGHTS, read_bytes
from fer_au.models.backbones import Backbone
from fer_au.models.files import check_finite, check_fit
from fer_au.models.image_sizes import BUILT_FOR
from fer_au.models.nets.base import Net
from fer_au.models.network import FerModel, check_model
from fer_au.models.onnx_file import read_tensors
from fer_au.models.parts import Trunk
from fer_au.models.pretrained import (
    OTHER_WAYS,
    Package,
    PretrainedWeights,
    cached_only,
    find_package,
    find_pretrained,
)

# Keys under which training scripts save a state dict, and names that they give to a classifier.
_NESTS = ("state_dict", "model", "model_state_dict", "net", "backbone")
_CLASSIFIERS = {"fc", "_fc", "head", "heads", "head_dist", "classifier", "last_linear", "logits", "output"}

# Packages carry files made for other implementations; their layers are mapped to timm's by name.
# Blocks per stage, and the names of a block's layers (theirs -> timm's); blocks of the first stage have no expansion.
_MOBILENET_STAGES = (1, 2, 3, 4, 3, 3, 1)
_MOBILENET_FIRST = {"conv.0.0": "conv_dw", "conv.0.1": "bn1", "conv.1": "conv_pw", "conv.2": "bn2"}
_MOBILENET_BLOCK = {
    "conv.0.0": "conv_pw",
    "conv.0.1": "bn1",
    "conv.1.0": "conv_dw",
    "conv.1.1": "bn2",
    "conv.2": "conv_pwl",
    "conv.3": "bn3",
}
_LITE_STAGES = (1, 2, 2, 3, 3, 4, 1)
_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


@dataclass(frozen=True)
class _Source:
    tensors: dict[str, Tensor]
    where: str  # for messages
    weights: PretrainedWeights


def load_pretrained(model: FerModel) -> PretrainedWeights | None:
    """Give a model's backbone the weights that ``model.weights`` names; the head stays as it is.

    ``create_model`` does that. Here it is for models that were built otherwise. The random state stays as it was.

    ``imagenet`` is found in an installed package for ``mobilenetv2_100`` and ``tf_efficientnet_lite0``, and on timm's
    hub for every other architecture; ``faces`` in an installed package for ``sface``. Anything else is the path of a
    file: safetensors, ONNX, or a state dict by torch.save, which may be nested (``state_dict``, ``model``, ...) and
    prefixed (``module.``, ``backbone.``, ...). A classifier's tensors are left out, and those behind ``cut_after``; all
    others must fit, one by one. A first convolution for RGB is summed for grey images.

    Returns:
        Record of the weights, which is also ``model.pretrained``; None for ``none``.

    Raises:
        ConfigError: There is no such file, or there are no such weights of this backbone.
        MissingDependencyError: Weights are neither installed nor can be fetched.
        DataError: A file can't be read or doesn't fit the backbone.
    """
    check_model("model", model)
    choice, name = model.config.weights, model.config.backbone
    if choice == "none":
        return None
    path, package = find_pretrained(choice, name), find_package(choice, name)
    if choice not in NAMED_WEIGHTS and path is not None:
        source = _file(path)
    elif package is not None and path is not None:
        source = _packaged(package, path)
    else:
        source = _hub(name, path, model.config.backbone_options)
    dropped: tuple[str, ...] = ()
    for backbone in (model.backbone, model.context_backbone):
        if isinstance(backbone, Trunk):
            dropped = _adopt(backbone, source)
    left = f"; left out: {len(dropped)} of the classifier" if dropped else ""
    log(f"backbone {name}: {len(source.tensors) - len(dropped)} tensors of {source.weights.origin}{left}")
    model.pretrained = replace(source.weights, dropped=dropped)
    return model.pretrained


def _packaged(package: Package, path: Path) -> _Source:
    weights = PretrainedWeights(package.origin, package.weights.sha256, package.mean, package.std, card=package.card)
    return _Source(_read(path, _bytes(path)), str(path), weights)


def _hub(name: str, cached: Path | None, options: Mapping[str, object]) -> _Source:
    """Let timm load the weights, from the cached file if there is one, else from the network.

    Where the backbone is built for images of another size than the weights, timm fits their tables of positions to it.
    """
    size = {key: value for key, value in options.items() if key == BUILT_FOR}
    try:
        with cached_only() if cached else nullcontext(), torch.random.fork_rng(devices=[]):
            network = timm.create_model(name, pretrained=True, **size)
    except Exception as error:  # whatever the hub's client, the network and the disk raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingDependencyError(
            f"model.weights: timm's hub doesn't give ImageNet weights of {name!r} ({reason}); {OTHER_WAYS}"
        ) from error
    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    digest = hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
    config = network.pretrained_cfg
    tag = f"{config['architecture']}.{config['tag']}" if config.get("tag") else name
    weights = PretrainedWeights(f"timm {tag}", digest, tuple(config["mean"]), tuple(config["std"]))
    return _Source(tensors, f"timm {tag}", weights)


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path, WEIGHTS)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _file(path: Path) -> _Source:
    data = _bytes(path)
    return _Source(_read(path, data), str(path), PretrainedWeights(path.name, hashlib.sha256(data).hexdigest()))


def _read(path: Path, data: bytes) -> dict[str, Tensor]:
    """Read the tensors of a file; mappings that nest them are unwrapped."""
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load(data)
        except SafetensorError as error:
            raise DataError(f"{path}: not a safetensors file: {error}") from error
    if path.suffix == ".onnx":
        try:
            return {name: torch.from_numpy(value.copy()) for name, value in read_tensors(data).items()}
        except (ValueError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not an ONNX file of float32 weights, or a damaged one: {error}") from error
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # many save their command line, too
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever the bytes lead it to
        code = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds a {code[1]}, not tensors alone" if code else "it is damaged, or no such file at all"
        raise DataError(f"{path}: not a state dict: {reason}") from error
    for _ in range(len(_NESTS)):
        nests = [content.get(key) for key in _NESTS] if isinstance(content, Mapping) else []
        content = next((nest for nest in nests if isinstance(nest, Mapping)), content)
    items = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): value for name, value in items if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{path}: holds no state dict")
    return tensors


def _adopt(backbone: Trunk, source: _Source) -> tuple[str, ...]:
    """Load tensors into a backbone; return the names of those that belong to a classifier."""
    network: nn.Module = backbone.network if isinstance(backbone, Backbone) else backbone
    own = dict(network.state_dict())
    removed = {name.removeprefix("network.") for name in backbone.removed}
    aliases = _aliases(backbone, {*own, *removed})
    prefix = _prefix(source, aliases)
    stripped = {key.removeprefix(prefix): value for key, value in source.tensors.items()}
    if "norm.weight" in own.keys() - stripped.keys():
        # Transformers that pool before their last norm call it so; here tokens are normed, and pooled by the head.
        aliases |= {f"fc_norm.{leaf}": f"norm.{leaf}" for leaf in ("weight", "bias")}
    classifiers = _CLASSIFIERS | set(backbone.dropped)
    computed = {key for key, _ in network.named_buffers()} - own.keys()  # position indices and the like
    found: dict[str, Tensor] = {}
    dropped = []
    for key, value in stripped.items():
        first = next((part for part in key.split(".") if part not in prefix.split(".")), key)
        if aliases.get(key) in removed:
            continue
        if key in aliases:
            found[aliases[key]] = _fitted(value, own[aliases[key]])
        elif first in classifiers:
            dropped.append(key)
        elif key not in computed:
            found[key] = value  # unexpected
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):
            found.setdefault(key, value)  # files of old torch versions have none
    check_fit(source.where, found, own)
    check_finite(source.where, found)
    network.load_state_dict(found)
    return tuple(dropped)


def _aliases(backbone: Trunk, own: Iterable[str]) -> dict[str, str]:
    """Map the names that a backbone's tensors may have in files to their names in the backbone."""
    foreign = {ours: theirs for theirs, ours in _foreign_names(backbone.name).items()}
    aliases = {key: key for key in own}
    if isinstance(backbone, Net):
        aliases |= {theirs: ours for theirs, ours in backbone.foreign_names.items() if ours in aliases}
    for key in own:
        layer, _, leaf = key.rpartition(".")
        if layer in foreign:
            aliases[f"{foreign[layer]}.{leaf}"] = key
    return aliases


def _prefix(source: _Source, names: Iterable[str]) -> str:
    """Find the most frequent prefix of a backbone's tensor names in a file, such as ``""`` or ``"module."``."""
    known = set(names)
    counts: Counter[str] = Counter()
    for key in source.tensors:
        parts = key.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in known:
                counts["".join(f"{part}." for part in parts[:start])] += 1
    best = counts.most_common(2)
    if not best:
        first = next(iter(source.tensors))
        raise DataError(f"{source.where}: none of its {len(source.tensors)} tensors fits; the first is {first}")
    if len(best) == 2 and best[0][1] == best[1][1]:
        raise DataError(f"{source.where}: holds two such networks, under {best[0][0]!r} and {best[1][0]!r}; keep one")
    return best[0][0]


def _fitted(value: Tensor, own: Tensor) -> Tensor:
    """Bring a tensor to the backbone's precision; filters for RGB are summed for grey images."""
    if own.ndim == 1 and value.numel() == value.shape[0] == own.numel():
        value = value.flatten()  # ONNX gives the slopes of PReLUs two more axes
    if value.ndim == own.ndim == 4 and value.shape[1] == 3 and own.shape[1] == 1:
        value = value.float().sum(1, keepdim=True)
    return value.to(own.dtype)


def _foreign_names(backbone: str) -> dict[str, str]:
    """Map an architecture's names of layers in its usual weights files to timm's; empty where they are the same."""
    if backbone == "mobilenetv2_100":
        ends = {
            "features.0.0": "conv_stem",
            "features.0.1": "bn1",
            "features.18.0": "conv_head",
            "features.18.1": "bn2",
            "classifier.1": "classifier",
        }
        blocks = _block_names("features", 1, _MOBILENET_STAGES, _MOBILENET_FIRST, _MOBILENET_BLOCK)
        return ends | dict(blocks)
    if backbone == "tf_efficientnet_lite0":
        ends = {
            "_conv_stem": "conv_stem",
            "_bn0": "bn1",
            "_conv_head": "conv_head",
            "_bn1": "bn2",
            "_fc": "classifier",
        }
        return ends | dict(_block_names("_blocks", 0, _LITE_STAGES, _LITE_FIRST, _LITE_BLOCK))
    return {}


def _block_names(
    theirs: str, start: int, stages: Sequence[int], first: Mapping[str, str], other: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of layer names (theirs, timm's): other files number blocks throughout, timm within each stage."""
    number = start
    for stage, count in enumerate(stages):
        for block in range(count):
            for name, own in (other if stage else first).items():
                yield f"{theirs}.{number}.{name}", f"blocks.{stage}.{block}.{own}"
            number += 1
