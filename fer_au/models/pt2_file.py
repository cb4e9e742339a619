"""Read a program that ``torch.export.save`` wrote, a ``.pt2`` file: its graph and its tensors, as plain data.

torch's own loader unpickles parts of such a file, evaluates texts of it, and calls any function of torch that it names.
None of that happens here: the archive is read entry by entry, tensors from raw bytes, the graph as JSON.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fer_au.errors import ConfigError
from fer_au.gate import parse_json
from fer_au.models.factory import KEY, reason

_SCHEMA = 8
"""Version of torch's schema of programs: 2.8 and later ones write it."""

_GRAPH, _WEIGHTS, _CONSTANTS = "models/", "data/weights/", "data/constants/"
_CONFIG = "_config.json"
_COMPILED = "data/aotinductor/"
_OLD = "serialized_exported_program.json"  # of torch 2.6 and earlier ones
_SMALL = 1_000_000  # bytes that a tensor may have without having them in the file, as a repeated row
_KEPT = ("nn_module_stack",)  # of what is said of a node; the rest is source lines and paths of somebody's machine
# torch's numbers of types, of which its schema says that they never change.
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}


class Program(NamedTuple):
    """A program as it lies in a file.

    Attributes:
        graph: Its graph, JSON of torch's schema, without what is said of the machine that wrote it.
        tensors: Parameters, buffers and constants, by the names that the network had for them; those that the network
            tied together are one tensor.
    """

    graph: bytes
    tensors: dict[str, Tensor]


def read_program(data: bytes) -> Program:
    """Read the bytes of a ``.pt2`` file.

    Raises:
        ConfigError: It is none, damaged, of another version of torch's format, holds more than one program or compiled
            code, or keeps tensors as pickles.
    """
    files = _unpack(data)
    graphs = [name for name in files if name.startswith(_GRAPH)]
    if any(name.startswith(_COMPILED) for name in files):
        raise ConfigError(
            f"{KEY}: the file holds compiled code, which is not run; write the program by torch.export.save"
        )
    if _OLD in files:
        raise ConfigError(f"{KEY}: the file is in the format of torch 2.6; load and save it by a newer torch.export")
    if len(graphs) != 1 or not graphs[0].endswith(".json"):
        raise ConfigError(f"{KEY}: no program that torch.export.save wrote: it has {len(graphs)} graphs")
    name = graphs[0].removeprefix(_GRAPH).removesuffix(".json")
    graph = parse(files[graphs[0]], "graph")
    version = _at(graph, "schema_version", "major")
    if version != _SCHEMA:
        raise ConfigError(f"{KEY}: the file has version {version} of torch's format; what is known here is {_SCHEMA}")
    for node in _listed(graph, "graph_module", "graph", "nodes"):
        told = node.get("metadata") if isinstance(node, dict) else None
        if isinstance(told, dict):
            node["metadata"] = {key: told[key] for key in _KEPT if key in told}
    kept = {key: graph[key] for key in ("graph_module", "range_constraints", "schema_version") if key in graph}
    tensors: dict[str, Tensor] = {}
    for folder, kind in ((_WEIGHTS, "weights"), (_CONSTANTS, "constants")):
        config = f"{folder}{name}_{kind}{_CONFIG}"
        if config not in files:
            raise ConfigError(
                f"{KEY}: no program that torch.export.save of torch 2.9 or later wrote: it lacks {config}"
            )
        tensors |= _read_tensors(files, folder, parse(files[config], config))
    return Program(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode(), tensors)


def parse(data: bytes, what: str) -> Any:  # noqa: ANN401 (JSON)
    """Read JSON.

    Raises:
        ConfigError: It is none.
    """
    try:
        return parse_json(data)
    except ValueError as error:
        raise ConfigError(f"{KEY}: the file's {what} can't be read: {reason(error)}") from error


def _unpack(data: bytes) -> dict[str, bytes]:
    """Take the entries out of the archive, by their names below its one folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if min((one.header_offset for one in entries), default=0):
                # The last whole archive in it is one of its entries.
                raise zipfile.BadZipFile("its end is missing")
            if packed := [one.filename for one in entries if one.compress_type != zipfile.ZIP_STORED]:
                raise ConfigError(f"{KEY}: torch packs no entry, and {packed[0]!r} of the file is")
            names = [one.filename.partition("/")[2] for one in entries]
            if len(set(names)) < len(names):
                raise ConfigError(f"{KEY}: the file has an entry twice")
            files = {name: archive.read(one) for name, one in zip(names, entries, strict=True)}
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{KEY}: no .pt2 file, or a damaged one: {reason(error)}") from error
    if files.get("archive_format") != b"pt2":
        pickled = "data.pkl" in files
        hint = "a pickle of torch.save, which is code" if pickled else "another archive"
        raise ConfigError(f"{KEY}: no program that torch.export.save wrote, but {hint}")
    if files.get("byteorder", b"little") != b"little":
        raise ConfigError(f"{KEY}: the file's numbers are big-endian")
    return files


def _read_tensors(files: Mapping[str, bytes], folder: str, config: object) -> dict[str, Tensor]:
    """Make tensors of the raw bytes that a table of the archive names."""
    tensors: dict[str, Tensor] = {}
    known: dict[str, Tensor] = {}
    for name, entry in _table(config).items():
        key = json.dumps(entry, sort_keys=True)
        if key not in known:
            known[key] = _tensor(files, folder, name, entry)
        tensors[name] = known[key]
    return tensors


def _table(config: object) -> dict[str, Any]:
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise ConfigError(f"{KEY}: the file's table of tensors is none")
    return entries


def _tensor(files: Mapping[str, bytes], folder: str, name: str, entry: object) -> Tensor:
    if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
        raise ConfigError(
            f"{KEY}: {name!r} of the file is a pickle, which is code; a plain tensor isn't written as one"
        )
    meta, data = entry.get("tensor_meta"), files.get(f"{folder}{entry.get('path_name')}")
    dtype = DTYPES.get(meta.get("dtype", 0)) if isinstance(meta, dict) else None
    if data is None or dtype is None or not isinstance(meta, dict):
        raise ConfigError(f"{KEY}: {name!r} of the file has no bytes, or a type that no network here has")
    sizes, strides = sizes_of(meta.get("sizes")), sizes_of(meta.get("strides"))
    (offset,) = sizes_of([meta.get("storage_offset")])
    try:
        if math.prod(sizes) * dtype.itemsize > max(len(data), _SMALL):
            raise ValueError(f"{len(data)} bytes for {sizes}")
        flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.zeros(0, dtype=dtype)
        # A copy: a view of a larger storage would drag that along wherever the tensor is saved.
        tensor = torch.as_strided(flat, sizes, strides, offset).clone(memory_format=torch.contiguous_format)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(f"{KEY}: {name!r} of the file doesn't fit its bytes: {reason(error)}") from error
    return tensor


def sizes_of(sizes: object) -> list[int]:
    """Read sizes that are numbers.

    Raises:
        ConfigError: One is none.
    """
    found = (
        [one.get("as_int") if isinstance(one, dict) else None for one in sizes] if isinstance(sizes, list) else [None]
    )
    if any(type(one) is not int for one in found):
        raise ConfigError(f"{KEY}: the file has a tensor whose size is no number")
    return [one for one in found if one is not None]


def _at(data: object, *keys: str) -> Any:  # noqa: ANN401 (JSON)
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _listed(data: object, *keys: str) -> Sequence[Any]:
    found = _at(data, *keys)
    return found if isinstance(found, list) else ()
