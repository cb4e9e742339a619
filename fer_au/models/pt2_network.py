"""A network that somebody exported by ``torch.export``: its graph run node by node, its modules read by their paths.

A file is data, see ``pt2_nodes``. Unlike an ONNX file it has gradients, so that it can be explained and trained as a
module is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fer_au.config.external import InputConfig
from fer_au.errors import ArgumentError, ConfigError
from fer_au.models.factory import BYTES, KEY, reason
from fer_au.models.pt2_file import DTYPES, Program, parse, sizes_of
from fer_au.models.pt2_nodes import Name, Node, names_in, read_argument, read_node
from fer_au.models.taps import as_map
from fer_au.registry import near_names

WEIGHTS = "weights"
"""Name of the module that holds the program's tensors, under the names that they had in the network."""

_BYTE = 255


class Pt2Network(nn.Module):
    """A ``.pt2`` file as a module, whose answer is what the program gives and the outputs of some of its modules.

    Args:
        program: The program.
        layers: Paths of modules, in the order in which they run, each of which gives one map or tokens.
        wanted: The pictures that it gets.

    Attributes:
        order: The layers in the order in which they run.

    Raises:
        ConfigError: It calls something else than torch's operators, was exported for training, takes other pictures, or
            has no such layers.
    """

    file: Tensor

    def __init__(self, program: Program, layers: Sequence[str], wanted: InputConfig) -> None:
        super().__init__()
        self.register_buffer(BYTES, torch.from_numpy(np.frombuffer(program.graph, np.uint8).copy()))
        try:
            parts = parse(program.graph, "graph")["graph_module"]
            graph, specs = parts["graph"], parts["signature"]
            self._nodes = [read_node(node) for node in graph["nodes"]]
            self._tensors = self._read_inputs(specs["input_specs"], graph["tensor_values"], program.tensors)
            self._type, self._alone = _read_pictures(self._pictures(specs, graph), wanted)
            self._outputs = _read_outputs(specs["output_specs"], graph["outputs"], parts["module_call_graph"])
        except ConfigError:
            raise
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise ConfigError(f"{KEY}: the file's graph is damaged: {reason(error)}") from error
        self._last_use = self._read_lifetimes()
        self._layers = tuple(layers)
        self._values = _find_layers(self._nodes, [value for _, value in self._outputs], layers, graph["tensor_values"])
        made = {name: number for number, node in enumerate(self._nodes) for name in node.gives}
        self.order = tuple(sorted(layers, key=lambda layer: made[self._values[layer]]))

    def forward(self, pictures: Tensor) -> dict[str, object]:
        """Score normalised pictures (N, channels, H, W); ``answer`` gives the layers, too."""
        return self.answer(pictures)[0]

    def answer(self, pictures: Tensor) -> tuple[dict[str, object], list[Tensor]]:
        """Score normalised pictures.

        Args:
            pictures: (N, channels, H, W), on the device of the weights.

        Returns:
            What the program gives, by name or position; and the map of each layer, (N, c, h, w), with its gradient.

        Raises:
            ConfigError: A layer is no map.
        """
        given = pictures.round().clamp(0, _BYTE) if self._type is torch.uint8 else pictures
        given = given.to(self._type)
        runs, layers = self._run(torch.split(given, 1) if self._alone else [given])
        answers = {
            name: _join([values[value.name] for values in runs]) if isinstance(value, Name) else value
            for name, value in self._outputs
        }
        return answers, [_map(name, layers[name]) for name in self._layers]

    def _run(self, parts: Sequence[Tensor]) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
        """Run the graph for parts of a batch, node by node, and join what a layer gives for all of them.

        So the scores depend on the joined map, and have a gradient by it. Values are dropped after their last use.
        """
        weights = {name: self._weight(place) for name, place in self._tensors.items()}
        runs = [{**weights, self._input: part} for part in parts]
        kept = {value: layer for layer, value in self._values.items()}
        layers: dict[str, Tensor] = {}
        with torch.device(parts[0].device):
            for number, node in enumerate(self._nodes):
                for values in runs:
                    values.update(node.run(values, parts[0].device))
                for name in (one for one in node.gives if one in kept):
                    layers[kept[name]] = _keep(name, runs)
                for name in self._last_use.get(number, ()):
                    for values in runs:
                        values.pop(name, None)
        return runs, layers

    def _weight(self, place: str) -> Tensor:
        path, _, name = f"{WEIGHTS}.{place}".rpartition(".")
        found: Tensor = getattr(self.get_submodule(path), name)
        return found

    def _read_inputs(
        self, specs: Sequence[Any], metas: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> dict[str, str]:
        """Take in parameters, buffers and constants, under the names that they had: name in the graph -> place."""
        root, places, known = nn.Module(), {}, {}
        self.add_module(WEIGHTS, root)
        for spec in specs:
            ((kind, told),) = spec.items()
            if kind in ("user_input", "constant_input"):
                continue
            if kind not in ("parameter", "buffer", "tensor_constant"):
                raise ConfigError(f"{KEY}: the file has an input of kind {kind!r}, and networks have tensors alone")
            name, place = told["arg"]["name"], told[f"{kind}_name"]
            if (tensor := tensors.get(place)) is None:
                raise ConfigError(f"{KEY}: the file lacks its tensor {place!r}")
            meta = metas[name]
            if list(tensor.shape) != sizes_of(meta["sizes"]) or tensor.dtype != DTYPES.get(meta["dtype"]):
                raise ConfigError(
                    f"{KEY}: {place!r} of the file is {tensor.dtype} {list(tensor.shape)}, not as its graph"
                )
            if kind == "parameter" and id(tensor) not in known:
                trains = tensor.is_floating_point() and meta.get("requires_grad") is not False
                known[id(tensor)] = nn.Parameter(tensor, requires_grad=trains)
            _place(root, place, known.get(id(tensor), tensor))
            places[name] = place
        return places

    def _pictures(self, specs: Mapping[str, Any], graph: Mapping[str, Any]) -> Mapping[str, Any]:
        """Find the one input, and what the file says of it."""
        given = [spec["user_input"]["arg"] for spec in specs["input_specs"] if "user_input" in spec]
        names = [arg["as_tensor"]["name"] for arg in given if "as_tensor" in arg]
        if len(names) != 1:
            raise ConfigError(f"{KEY}: the file has the inputs {', '.join(names) or 'none'}, and pictures are one")
        self._input: str = names[0]
        meta: Mapping[str, Any] = graph["tensor_values"][self._input]
        return meta

    def _read_lifetimes(self) -> dict[int, list[str]]:
        """List the values that no node behind one needs."""
        last: dict[str, int] = {}
        for number, node in enumerate(self._nodes):
            for name in (*names_in(node.given), *node.gives):
                last[name] = number
        for name in names_in([value for _, value in self._outputs]):
            last.pop(name, None)
        ends: dict[int, list[str]] = {}
        for name, number in last.items():
            ends.setdefault(number, []).append(name)
        return ends


def _place(root: nn.Module, place: str, tensor: Tensor) -> None:
    """Register a tensor in a tree of modules, as the network that was exported had it."""
    *path, name = place.split(".")
    module = root
    try:
        for part in path:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        else:
            module.register_buffer(name, tensor)
    except (KeyError, AttributeError) as error:
        raise ConfigError(f"{KEY}: a tensor of the file can't be called {place!r}: {reason(error)}") from error


def _read_pictures(meta: Mapping[str, Any], wanted: InputConfig) -> tuple[torch.dtype, bool]:
    """Read the type of the input, and whether it takes one picture at a time."""
    shape = [one.get("as_int") for one in meta["sizes"]]
    shown = [one if one is not None else "any" for one in shape]
    if len(shape) != 4 or meta["dtype"] not in _PICTURES:
        raise ConfigError(f"{KEY}: its input is of {shown}, and pictures are (N, c, h, w) of floats or bytes")
    images, channels, *sides = shape
    if channels is not None and channels != wanted.count:
        raise ConfigError(f"model.input.channels: {wanted.channels} are {wanted.count}; the file takes {shown}")
    if any(side is not None and side != wanted.size for side in sides):
        raise ConfigError(f"model.input.size: {wanted.size}; the file takes {shown}")
    if images is not None and images != 1:
        raise ConfigError(f"{KEY}: the file takes {images} pictures at a time; export it for one, or any number")
    dtype = DTYPES[meta["dtype"]]
    if dtype is torch.uint8 and not wanted.keeps_bytes:
        raise ConfigError(f"model.input: the file takes bytes; write mean: 0 and std: {1 / _BYTE}")
    return dtype, images == 1


_PICTURES = (1, 6, 7, 8, 13)  # bytes and floats, by torch's numbers of types


def _read_outputs(
    specs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Any]]:
    """Read what the program gives: the name or position of each value, and the value's name in the graph."""
    if other := [kind for spec in specs for kind in spec if kind != "user_output"]:
        raise ConfigError(f"{KEY}: the file changes tensors when it runs ({other[0]}); call eval() before the export")
    names = [str(number) for number in range(len(outputs))]
    spec = parse(calls[0]["signature"]["out_spec"].encode(), "form of its answer")[1]
    if spec["type"] in ("builtins.dict", "collections.OrderedDict") and len(spec["children_spec"]) == len(outputs):
        names = [str(key) for key in parse(spec["context"].encode(), "form of its answer")]
    return list(zip(names, (read_argument(output) for output in outputs), strict=True))


def _find_layers(
    nodes: Sequence[Node], outputs: Sequence[object], layers: Sequence[str], tensors: Mapping[str, Any]
) -> dict[str, str]:
    """Find the output of each module: the one tensor of its nodes that is read by others."""
    paths = dict.fromkeys(path for node in nodes for path in node.modules)
    found = {}
    for number, layer in enumerate(layers):
        if layer not in paths:
            near = near_names(layer, [path for path in paths if "@" not in path])
            raise ConfigError(f"model.layers[{number}]: no operation of the file lies in a module {layer!r}; {near}")
        if f"{layer}@1" in paths:
            raise ConfigError(f"model.layers[{number}]: {layer!r} runs several times; take a module around it")
        inside: list[Node] = []
        outside: list[Node] = []
        for node in nodes:
            (inside if layer in node.modules else outside).append(node)
        made = {name for node in inside for name in node.gives if name in tensors}
        read = [
            *names_in(list(outputs)),
            *(name for node in outside for name in names_in(node.given)),
        ]
        leaving = dict.fromkeys(name for name in read if name in made)
        if len(leaving) != 1:
            raise ConfigError(
                f"model.layers[{number}]: {layer!r} gives {len(leaving)} tensors in the file, and a layer is one; take "
                "a module in it or around it"
            )
        found[layer] = next(iter(leaving))
    return found


def _keep(name: str, runs: Sequence[dict[str, Any]]) -> Tensor:
    """Copy a value, which operations behind may change in place, and let the values of parts depend on all of it."""
    if len(runs) > 1:
        joined = torch.cat([values[name] for values in runs])
        for values, part in zip(runs, torch.split(joined, [len(values[name]) for values in runs]), strict=True):
            values[name] = part.clone()
        return joined
    kept: Tensor = runs[0][name].clone()
    return kept


def _join(values: Sequence[Any]) -> Any:  # noqa: ANN401 (of any kind)
    return torch.cat(list(values)) if len(values) > 1 and isinstance(values[0], Tensor) else values[0]


def _map(name: str, value: Tensor) -> Tensor:
    try:
        return as_map(name, value)
    except ArgumentError as error:
        raise ConfigError(f"model.{error}") from error
