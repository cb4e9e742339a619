"""Write and read a model's folder, which rebuilds the classifier: ``model.safetensors``, ``config.json``, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from fer_au.atomic import write_atomically
from fer_au.compute import log
from fer_au.errors import DataError, FerAuError
from fer_au.models.network import FerModel, create_model

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
SCHEMA = "fer_au.model/1"
_RESERVED = ("schema", "fer_au_version", "model", "classes", "weights_sha256")
_HEAD = "head."
_BACKBONE = "backbone."
_CONTEXT_BACKBONE = "context_backbone."


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


def save_model(folder: Path, model: FerModel, meta: Mapping[str, Any]) -> str:
    """Write a model's folder; equal weights and meta give equal bytes.

    Args:
        folder: Folder of the model; made if it is missing.
        model: Classifier, on any device.
        meta: More entries of ``config.json``, plain JSON data, such as the preprocessing.

    Returns:
        sha256 of the weights file, also recorded in ``config.json``.

    Raises:
        DataError: ``meta`` uses a reserved key or can't be written as JSON.
        StoreError: A file can't be written.
    """
    if taken := [key for key in _RESERVED if key in meta]:
        raise DataError(f"{folder / CONFIG}: the key {taken[0]!r} is reserved")
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    weights = safetensors.torch.save(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    record = {
        "schema": SCHEMA,
        "model": model.config.model_dump(mode="json"),
        "classes": list(model.classes),
        "weights_sha256": digest,
        **meta,
    }
    config = _json_bytes(folder / CONFIG, record)
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CONFIG, config)
    return digest


def write_config(path: Path, record: Mapping[str, Any]) -> None:
    """Write a model's ``config.json`` anew.

    Args:
        path: Path of the file.
        record: All entries of the file, plain JSON data.

    Raises:
        DataError: An entry can't be written as JSON.
        StoreError: The file can't be written.
    """
    write_atomically(path, _json_bytes(path, record))


def _json_bytes(path: Path, record: Mapping[str, Any]) -> bytes:
    try:
        return (json.dumps(record, indent=2, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: can't be written as JSON: {error}") from error


def load_model(folder: Path) -> tuple[FerModel, dict[str, Any]]:
    """Rebuild a classifier in evaluation mode, on the CPU.

    Returns:
        Model, and all entries of ``config.json``.

    Raises:
        DataError: A file is missing, damaged or foreign, or the weights don't fit the configuration.
    """
    meta = _read_config(folder)
    try:
        model = create_model(meta["model"], meta["classes"], seed=0)
    except FerAuError as error:
        raise DataError(f"{folder / CONFIG}: {error}") from error
    tensors = _read_weights(folder, meta)
    check_fit(folder / WEIGHTS, tensors, dict(model.state_dict()))
    model.load_state_dict(tensors)
    model.eval()
    return model, meta


def load_base_weights(model: FerModel, folder: Path) -> LoadedWeights:
    """Copy the weights of a base model: the backbone's always, the head's if kind, options and classes are the same.

    The output strides may differ. If the model has a second backbone for the whole picture and the base has none, both
    backbones get the weights of the base's; if the base has the second backbone, the model gets those of the face's.

    Args:
        model: Model that gets the weights.
        folder: Folder of the base model.

    Raises:
        DataError: A file is missing, damaged or foreign, or the base has another backbone.
    """
    meta = _read_config(folder)
    tensors = _read_weights(folder, meta)
    own = dict(model.state_dict())
    reason = _head_difference(model, meta)
    wanted = {name: value for name, value in own.items() if not (reason and name.startswith(_HEAD))}
    found = {name: value for name, value in tensors.items() if not (reason and name.startswith(_HEAD))}
    found = _fit_views(found, wanted)
    base = meta["model"].get("backbone")
    if base != model.config.backbone:
        raise DataError(f"{folder}: the base has backbone {base!r}, the model {model.config.backbone!r}")
    check_fit(folder / WEIGHTS, found, wanted)
    model.load_state_dict(found, strict=False)
    skipped = tuple(name for name in own if name not in wanted)
    log(f"base {folder}: {len(found)} tensors loaded" + (f"; head starts fresh: {reason}" if reason else ""))
    return LoadedWeights(tuple(found), skipped, reason, meta["weights_sha256"], meta.get("preprocessing", {}))


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
    if tuple(meta["classes"]) != model.classes:
        return f"base classes are {', '.join(meta['classes'])}"
    for key in ("head", "head_options"):
        base = meta["model"].get(key)
        if (base or None) != (getattr(model.config, key) or None):
            return f"base {key} is {base}"
    return ""


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); is {folder} a model's folder?") from error
    except ValueError as error:  # bad JSON or bad UTF-8
        raise DataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        found = meta.get("schema") if isinstance(meta, dict) else None
        raise DataError(f"{path}: schema {found!r} is not {SCHEMA!r}")
    classes = meta.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{path}: 'classes' must be a list of labels")
    if not isinstance(meta.get("model"), dict) or not isinstance(meta.get("weights_sha256"), str):
        raise DataError(f"{path}: 'model' or 'weights_sha256' is missing")
    return meta


def _read_weights(folder: Path, meta: Mapping[str, Any]) -> dict[str, Tensor]:
    path = folder / WEIGHTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != meta["weights_sha256"]:
        raise DataError(f"{path}: sha256 {digest[:12]}... is not the recorded {meta['weights_sha256'][:12]}...")
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise DataError(f"{path}: not a safetensors file: {error}") from error


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
