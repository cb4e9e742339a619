"""Write and read a model's folder, which rebuilds the classifier: ``model.safetensors``, ``config.json``, no pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from fer_au.arguments import check_type, read_path, read_text
from fer_au.atomic import write_atomically
from fer_au.compute import log
from fer_au.config.external import EXTERNAL, is_file
from fer_au.config.wording import short
from fer_au.errors import DataError, FerAuError
from fer_au.gate import WEIGHTS as MOST_BYTES
from fer_au.gate import read_bytes
from fer_au.models.config_file import CONFIG, SCHEMA, WEIGHTS, check_digest, config_bytes, read_config, write_config
from fer_au.models.external import file_tensor
from fer_au.models.network import FerModel, build_external, build_model, check_model
from fer_au.models.parts import Trunk

_RESERVED = ("schema", "fer_au_version", "model", "classes", "weights_sha256", "files", "sha256")
_HEAD = "head."
_BACKBONE = "backbone."
_CONTEXT_BACKBONE = "context_backbone."
# A network is built with layers that it then drops, such as a backbone's own classifier: the largest, VGG's, has 124
# million numbers, 500 MB.
_MORE, _SPARE, _SPARE_NUMBERS = 4, 100, 150_000_000
_LONGEST = 300  # characters of another library's reason
_TYPES = frozenset(
    {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool}
    | {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
)


@dataclass(frozen=True)
class LoadedWeights:
    """Record of the weights that ``load_base_weights`` copied.

    Attributes:
        loaded: Names of the tensors that were copied.
        skipped: Names of the model's tensors that kept their fresh values.
        reason: Reason why the head was skipped; empty if it was loaded.
        weights_sha256: sha256 of the base's weights file.
        preprocessing: Entry ``preprocessing`` of the base's ``config.json``.
    """

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    reason: str
    weights_sha256: str
    preprocessing: Mapping[str, Any]


def save_model(folder: Path, model: FerModel, meta: Mapping[str, Any], beside: Sequence[str] = ()) -> str:
    """Write a model's folder; equal weights and meta give equal bytes.

    Args:
        folder: Folder of the model; made if it is missing.
        model: Classifier, on any device.
        meta: More entries of ``config.json``, plain JSON data, such as the preprocessing.
        beside: Names of further files, which lie in the folder already: their sha256 is recorded, too.

    Returns:
        sha256 of the weights file, also recorded in ``config.json``.

    Raises:
        DataError: ``meta`` uses a reserved key or can't be written as JSON.
        StoreError: A file can't be written.
    """
    folder, model = read_path("folder", folder), check_model("model", model)
    check_type("meta", meta, Mapping, "a mapping of JSON's types")
    if taken := [key for key in _RESERVED if key in meta]:
        raise DataError(f"{folder / CONFIG}: the key {taken[0]!r} is reserved")
    tensors = _separate(model.state_dict())
    weights = safetensors.torch.save(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    record = {
        "schema": SCHEMA,
        "model": model.config.model_dump(mode="json"),
        "classes": list(model.classes),
        "weights_sha256": digest,
        **meta,
    }
    config_bytes(folder / CONFIG, record)  # refused before anything is written
    write_atomically(folder / WEIGHTS, weights)
    write_config(folder / CONFIG, record, beside)
    return digest


def _separate(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Bring tensors to the main memory, each with a place of its own, also those that a network ties together."""
    if other := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        raise DataError(f"the network's state {other[0]!r} is no tensor, and a model's folder holds tensors alone")
    taken: set[int] = set()
    tensors = {}
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if place in taken else tensor
        taken.add(place)
    return tensors


def load_model(folder: Path, *, trust: str | None = None) -> tuple[FerModel, dict[str, Any]]:
    """Rebuild a classifier in evaluation mode, on the CPU.

    Args:
        folder: Folder of the model.
        trust: The ``factory`` of an external model, ``package.module:function``, whose code the caller lets run: the
            folder may be a stranger's, and runs nothing of its own accord.

    Returns:
        Model, and all entries of ``config.json``.

    Raises:
        DataError: A file is missing, damaged or foreign, the weights don't fit the configuration, or it names code that
            the caller doesn't trust.
    """
    folder = read_path("folder", folder)
    trust = None if trust is None else read_text("trust", trust, "a factory, package.module:function")
    meta = read_config(folder)
    _check_trust(folder, meta, trust)
    tensors = _read_weights(folder, meta)
    model = _build(folder, meta, tensors)
    model.load_state_dict(tensors)
    model.eval()
    return model, meta


def _check_trust(folder: Path, meta: Mapping[str, Any], trust: str | None) -> None:
    """Check that the code which a model's folder names is code that the caller names, too."""
    factory = meta["model"].get("factory")
    if meta["model"].get("backbone") != EXTERNAL or (isinstance(factory, str) and is_file(factory)):
        if trust is not None:
            raise DataError(f"{folder / CONFIG}: runs no code: there is nothing to trust; leave out `trust`")
        return
    if trust is None or factory != trust:
        named = "" if trust is None else f", not of {short(trust)}"
        raise DataError(
            f"{folder / CONFIG}: the network is made by code, of {short(factory)}{named}; the experiment's stages run "
            f"it where params.yaml names it, and in Python load_model and Predictor.load do with trust={factory!r}"
        )


class _TooManyError(Exception):
    """A network has more or larger parameters than it can have weights for."""


def _build(folder: Path, meta: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FerModel:
    """Build the network that a config asks for, if it is the one whose weights these are.

    Raises:
        DataError: The config asks for something that can't be built, or for another network.
    """
    count, most = 0, _MORE * len(tensors) + _SPARE
    numbers, most_numbers = 0, _MORE * sum(value.numel() for value in tensors.values()) + _SPARE_NUMBERS

    def counted(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal count, numbers
        count += 1
        numbers += 0 if parameter is None else parameter.numel()
        if count > most or numbers > most_numbers:
            raise _TooManyError

    external = meta["model"].get("backbone") == EXTERNAL
    # First the shapes alone: what a config asks for may be larger than memory. A factory loads weights, which are here.
    for device in ("cpu",) if external else ("meta", "cpu"):
        count = numbers = 0
        hook = register_module_parameter_registration_hook(counted)
        try:
            with torch.device(device):
                if external:
                    model = build_external(meta["model"], meta["classes"], tensors)
                else:
                    model = build_model(meta["model"], meta["classes"], seed=0)
        except _TooManyError as error:
            raise DataError(f"{folder / CONFIG}: its model is far larger than the weights of {WEIGHTS}") from error
        except FerAuError as error:
            raise DataError(f"{folder / CONFIG}: {error}") from error
        except Exception as error:  # a stranger's options reach torch and timm, which raise nearly everything
            if device == "meta":  # some networks compute with numbers while they are built
                continue
            reason = str(error).strip().partition("\n")[0][:_LONGEST] or type(error).__name__
            raise DataError(f"{folder / CONFIG}: no model can be built of it: {reason}") from error
        finally:
            hook.remove()
        check_fit(folder / WEIGHTS, tensors, dict(model.state_dict()))
    return model


def load_base_weights(model: FerModel, folder: Path) -> LoadedWeights:
    """Copy the weights of a base model: the backbone's always, the head's if kind, options and classes are the same.

    The output strides may differ, and the model's backbone may end where the base's goes on. If the model has a second
    backbone for the whole picture and the base has none, both backbones get the weights of the base's; if the base has
    the second backbone, the model gets those of the face's.

    Args:
        model: Model that gets the weights.
        folder: Folder of the base model.

    Raises:
        DataError: A file is missing, damaged or foreign, or the base has another backbone.
    """
    folder, model = read_path("folder", folder), check_model("model", model)
    meta = read_config(folder)
    tensors = _read_weights(folder, meta)
    own = dict(model.state_dict())
    reason = _head_difference(model, meta)
    wanted = {name: value for name, value in own.items() if not (reason and name.startswith(_HEAD))}
    base = meta["model"].get("backbone")
    if base != model.config.backbone:
        raise DataError(f"{folder}: the base has backbone {base!r}, the model {model.config.backbone!r}")
    _check_cut(folder, model, meta)
    _check_maker(folder, model, meta, tensors)
    found = {name: value for name, value in tensors.items() if not (reason and name.startswith(_HEAD))}
    found = {name: value for name, value in _fit_views(found, wanted).items() if name not in _removed(model)}
    check_fit(folder / WEIGHTS, found, wanted)
    model.load_state_dict(found, strict=False)
    skipped = tuple(name for name in own if name not in wanted)
    log(f"base {folder}: {len(found)} tensors loaded" + (f"; head starts fresh: {reason}" if reason else ""))
    return LoadedWeights(tuple(found), skipped, reason, meta["weights_sha256"], meta.get("preprocessing", {}))


def _check_maker(folder: Path, model: FerModel, meta: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Check that an external base is the network of the same function, or of the same file."""
    base = meta["model"].get("factory")
    if base != model.config.factory:
        raise DataError(f"{folder}: the base has factory {base!r}, the model {model.config.factory!r}")
    name = file_tensor()
    own = model.state_dict().get(name)
    if own is not None and not torch.equal(own.cpu(), tensors.get(name, own.new_empty(0)).cpu()):
        raise DataError(f"{folder}: the base is another program than {base}, of which the model is")


def _check_cut(folder: Path, model: FerModel, meta: Mapping[str, Any]) -> None:
    """Check that the base has all layers of the model's backbone."""
    own, base = model.config.cut_after, meta["model"].get("cut_after")
    if base is not None and (own is None or own > base):
        whole = "is not cut" if own is None else f"is cut after layer {own}"
        raise DataError(f"{folder}: the base's backbone is cut after layer {base}, and the model's {whole}")


def _removed(model: FerModel) -> set[str]:
    """List the tensors of the model's backbones that its ``cut_after`` took away."""
    pairs = ((_BACKBONE, model.backbone), (_CONTEXT_BACKBONE, model.context_backbone))
    return {prefix + name for prefix, trunk in pairs if isinstance(trunk, Trunk) for name in trunk.removed}


def _fit_views(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename or leave out a base's tensors for a model with another number of backbones."""
    fitted = {name: value for name, value in found.items() if name in wanted or not name.startswith(_CONTEXT_BACKBONE)}
    if not any(name.startswith(_CONTEXT_BACKBONE) for name in fitted):
        second = {
            name: _BACKBONE + name.removeprefix(_CONTEXT_BACKBONE)
            for name in wanted
            if name.startswith(_CONTEXT_BACKBONE)
        }
        fitted |= {name: found[source] for name, source in second.items() if source in found}
    return fitted


def _head_difference(model: FerModel, meta: Mapping[str, Any]) -> str:
    if model.scores_itself:
        return ""  # its head is a part of it, and has the base's shapes or is refused
    if tuple(meta["classes"]) != model.classes:
        return f"base classes are {', '.join(meta['classes'])}"
    for key in ("head", "head_options", "cut_after"):
        base = meta["model"].get(key)
        if (base or None) != (getattr(model.config, key) or None):
            return f"base {key} is {base}"
    return ""


def _read_weights(folder: Path, meta: Mapping[str, Any]) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    try:
        data = read_bytes(path, MOST_BYTES)
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    check_digest(path, hashlib.sha256(data).hexdigest(), meta["weights_sha256"])
    try:
        tensors = dict(sorted(safetensors.torch.load(data).items()))
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file: {error}") from error
    if odd := [name for name, value in tensors.items() if value.dtype not in _TYPES]:
        raise DataError(f"{path}: {odd[0]} is {tensors[odd[0]].dtype}, which no model of fer_au has")
    check_finite(path, tensors)
    return tensors


def check_finite(where: Path | str, tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors hold numbers: one that isn't makes every score NaN, and the first label the answer.

    Args:
        where: File or origin of the tensors, used in messages.
        tensors: Tensors, by name.

    Raises:
        DataError: A value is NaN or infinite, or a batch norm's variance is negative.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise DataError(f"{where}: {name} holds NaN or infinite values; no such model can score a picture")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise DataError(f"{where}: {name} holds a negative variance; no such model can score a picture")


def check_fit(where: Path | str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Check that tensors are those of a network, by name, shape and type.

    Args:
        where: File or origin of the tensors, used in messages.
        found: Tensors to check, by name.
        wanted: Tensors of the network, by name.

    Raises:
        DataError: Tensors are missing, unexpected or of another shape or type.
    """
    if missing := [name for name in wanted if name not in found]:
        raise DataError(f"{where}: {len(missing)} tensors are missing, the first is {missing[0]}")
    if unexpected := [name for name in found if name not in wanted]:
        raise DataError(f"{where}: {len(unexpected)} unexpected tensors, the first is {unexpected[0]}")
    for name, value in wanted.items():
        if found[name].shape != value.shape or found[name].dtype != value.dtype:
            have, need = found[name], value
            raise DataError(
                f"{where}: {name} is {have.dtype} {list(have.shape)}, the model needs {need.dtype} {list(need.shape)}"
            )
