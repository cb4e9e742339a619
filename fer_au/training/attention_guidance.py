"""Guide the attention of any torch model in anyone's loop: the pipeline's guidance as a module with hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fer_au.answers import describe
from fer_au.arguments import choose, read_known_labels, read_labels, read_list, read_number, read_text, read_whole
from fer_au.array_arguments import Array, read_array, read_points
from fer_au.cues.codebook import Codebook
from fer_au.cues.cue import FaceBatch, create_cue
from fer_au.cues.drawing import draw_look
from fer_au.cues.geometries import Geometry
from fer_au.errors import ArgumentError
from fer_au.maps import channel_mean
from fer_au.models.taps import Taps, bare_model
from fer_au.resizing import Frame, Resize
from fer_au.training.attention import Squash, squash_map, true_class_maps
from fer_au.training.losses.base import create_loss
from fer_au.training.pull import Targets, mean_distance, share_of_batch

Source = Literal["features", "cam", "module"]


class AttentionGuidance(nn.Module):
    """Pull the attention of some layers of a torch model to a cue.

    Hooks keep what the layers gave in the model's last forward pass; calling the guidance then gives the loss, to be
    added to the others. It is the loss of the pipeline's ``guidance`` entries, by the same code: float32 outside of
    autocast, the mean over layers, each on its own grid, over the images that have a cue; 0 with a graph where none
    has. The guidance has no parameters and leaves the model's as they are.

    Distributed training: make it of the model, before or after it is wrapped. The loss is scaled so that the mean of
    all processes' gradients is the gradient of the whole batch's mean. For ``torch.compile``, make it before the first
    step.

    Args:
        model: Any torch model; the first of its arguments that has four axes is the pictures.
        layers: Names of modules, as ``model.named_modules()`` gives them, whose outputs are maps (N, c, h, w) or
            tokens. Of a transformer, take blocks, not the norm behind them.
        cue: Name of ``fer_au.cues.list_cues()``.
        loss: Name of ``fer_au.training.list_losses()``.
        weight: Factor of the loss; may be changed at any time.
        classes: Expressions in the order of the model's own class numbers, for labels that are numbers, and for source
            ``cam``.
        source: ``features`` (the layer's channel mean), ``cam`` (the class map of the image's own class, from the layer
            and the weights of ``classifier``), or ``module`` (the layer's output is the attention map, of one channel).
        classifier: Name of the linear layer that reads the mean of the layer's map, for source ``cam``.
        loss_options: Options of the loss.
        codebook: Codebook of the cue, where it has one.
        geometry: Geometry of the cue, where it has one.
        map_size: Cells per side of the cue's map before it is brought to the layers' grids.
        resize: Way to the layers' grids, see ``fer_au.resizing``.
        extra_tokens: Tokens in front of those of the picture; None for the model's own ``num_prefix_tokens``, or else
            as many as leave a square.

    Raises:
        ArgumentError: The model has no such module, or an argument is something else.
        UnknownNameError: There is no such cue, loss, codebook or geometry; near names are listed.
        ConfigError: The loss refuses its options.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.Flatten(), torch.nn.LazyLinear(2))
        >>> guide = AttentionGuidance(net, layers=["0"], classes=["fear", "happiness"])
        >>> logits, points = net(torch.rand(2, 3, 64, 64)), 64 * torch.rand(2, 68, 2)
        >>> guide(labels=[0, 1], points=points).shape
        torch.Size([])
        >>> guide.remove()
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str] | str,
        cue: str = "au",
        loss: str = "cosine",
        weight: float = 1.0,
        *,
        classes: Sequence[str] | None = None,
        source: Source = "features",
        classifier: str | None = None,
        loss_options: Mapping[str, Any] | None = None,
        codebook: str | Path | Codebook = "corrected",
        geometry: str | Geometry = "corrected",
        map_size: int = 28,
        resize: Resize = "corrected",
        extra_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.cue = create_cue(read_text("cue", cue, "the name of a cue"), codebook=codebook, geometry=geometry)
        self.loss = create_loss(read_text("loss", loss, "the name of a guidance loss"), **dict(loss_options or {}))
        self.weight = read_number("weight", weight)
        self.classes = None if classes is None else tuple(read_labels("classes", classes))
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ArgumentError(f"classes: an expression stands there twice: {', '.join(self.classes)[:200]}")
        self.source = choose("source", source, ("features", "cam", "module"))
        self._resize: Resize = choose("resize", resize, ("corrected", "published"))  # type: ignore[assignment]
        self._map_size = read_whole("map_size", map_size)
        extra = None if extra_tokens is None else read_whole("extra_tokens", extra_tokens, least=0)
        # In a tuple, since a module's own module would be saved and trained with it.
        self._classifier = _find_classifier(bare_model(model), self.source, classifier, self.classes)
        self.taps = Taps(model, [layers] if isinstance(layers, str) else layers, extra_tokens=extra)
        if self.source != "features" and len(self.taps.layers) > 1:
            self.remove()
            raise ArgumentError(f"layers: source {self.source!r} takes one layer, got {len(self.taps.layers)}")

    def forward(
        self,
        labels: object = None,
        points: object = None,
        *,
        maps: object = None,
        valid: object = None,
        columns: Mapping[str, Any] | None = None,
        attributes: Mapping[str, object] | None = None,
        time: float = 0.0,
    ) -> Tensor:
        """Compute the weighted loss of the model's last forward pass.

        Args:
            labels: N expressions by name, or numbers of ``classes``; None or NaN where it isn't known.
            points: (N, 68, 2) iBUG-68 xy in pixels of the model's input, pixel i covering [i, i + 1); NaN where there
                are none.
            maps: (N, s, s) ready maps in [0, 1] of where to look, in place of points.
            valid: (N,) bool: which of the ready maps count; default all that aren't 0 throughout.
            columns: Further rows that the cue is drawn from, such as ``au`` of annotations.h5.
            attributes: Attributes of the store that these come from, such as ``au_names``.
            time: Time of the training in epochs, for a loss that changes with it.

        Returns:
            A float32 scalar on the model's device.

        Raises:
            ArgumentError: No forward pass since the last loss, other numbers of images, or neither points nor maps.
        """
        features = self.taps.maps()
        count, device = len(features[0]), features[0].device
        if maps is not None:
            if points is not None:
                raise ArgumentError("maps: give points, or ready maps in their place")
            look, known = _ready(maps, valid, count)
        else:
            look, known = self._drawn(labels, points, count, columns or {}, attributes or {})
        targets = Targets(look.to(device, torch.float32), known.to(device))
        attention = self._attention(features, labels)
        frame = Frame(self._resize, self.taps.input_size[0])
        distance = mean_distance(self.loss, attention, targets, frame, time)
        self.taps.forget()
        return self.weight * share_of_batch(targets.valid, _mean_over_processes) * distance

    def attention(self) -> list[Tensor]:
        """Give the layers' attention in the model's last forward pass, (N, h, w) float32 each, for pictures and logs.

        Raises:
            ArgumentError: There was no forward pass since the last loss.
        """
        return [channel_mean(features) for features in self.taps.maps()]

    def remove(self) -> None:
        """Take all hooks off the model."""
        self.taps.remove()

    def _attention(self, features: Sequence[Tensor], labels: object) -> list[Tensor]:
        way: Squash | None = "stretch" if self.loss.unit_interval else None
        if self.source == "cam":
            with torch.autocast(features[0].device.type, enabled=False):
                maps = torch.einsum("nchw,kc->nkhw", features[0].float(), self._classifier[0].weight.float())
            shares = _one_hot(_names(labels, self.classes, len(maps)), self.classes or ())
            return [squash_map(true_class_maps(maps, shares), "sigmoid" if self.loss.unit_interval else None)]
        if self.source == "module":
            for name, given in zip(self.taps.layers, features, strict=True):
                if given.shape[1] != 1:
                    raise ArgumentError(f"layers: {name!r} has {given.shape[1]} channels, which are no attention map")
        return [squash_map(channel_mean(given), way) for given in features]

    def _drawn(
        self,
        labels: object,
        points: object,
        count: int,
        columns: Mapping[str, Any],
        attributes: Mapping[str, object],
    ) -> tuple[Tensor, Tensor]:
        """Draw the cue of N faces, with the 8 bits per cell that stores and the pipeline's training have."""
        if points is None:
            raise ArgumentError("points: give the 68 points of each face, or ready maps")
        height, width = self.taps.input_size
        if height != width:
            raise ArgumentError(f"model: cues are drawn for square pictures, and its input is {width} x {height}")
        faces = FaceBatch(
            read_points("points", points, image_size=width, count=count),
            _names(labels, self.classes, count),
            width,
            self._map_size,
            columns=columns,
            attributes=attributes,
        )
        look, valid = draw_look(self.cue, faces)
        if labels is None and not valid.any() and faces.checked()[1].any():
            raise ArgumentError(f"labels: cue {self.cue.name!r} is drawn by the faces' expressions; give them")
        return (_as_tensor(look) * 255).round() / 255, _as_tensor(valid)


def _find_classifier(
    model: nn.Module, source: str, name: str | None, classes: tuple[str, ...] | None
) -> tuple[nn.Linear, ...]:
    """Find the linear layer whose weights make class maps; empty where no class maps are wanted.

    Raises:
        ArgumentError: There is no such layer, or it is named without need.
    """
    if source != "cam":
        if name is not None:
            raise ArgumentError(f"classifier: source {source!r} reads none")
        return ()
    if name is None or classes is None:
        lacking = "classifier" if name is None else "classes"
        raise ArgumentError(f"{lacking}: source 'cam' needs it")
    layer = dict(model.named_modules()).get(name)
    if not isinstance(layer, nn.Linear) or layer.out_features != len(classes):
        found = "there is none of that name" if layer is None else f"{name!r} is {type(layer).__name__}"
        found = f"{name!r} scores {layer.out_features}" if isinstance(layer, nn.Linear) else found
        raise ArgumentError(f"classifier: expected a torch.nn.Linear that scores {len(classes)} classes; {found}")
    return (layer,)


def _names(labels: object, classes: tuple[str, ...] | None, count: int) -> list[str | None]:
    """Read labels, names or numbers, as canonical names.

    Raises:
        ArgumentError: They are something else.
    """
    if labels is None:
        return [None] * count
    given = read_list("labels", labels, "a list of expressions, or of numbers of classes")
    if not any(isinstance(one, int) and not isinstance(one, bool) for one in given):
        return read_known_labels("labels", given, count)
    if classes is None:
        raise ArgumentError("labels: are numbers; say by `classes` what they mean, when the guidance is made")
    for place, one in enumerate(given):
        if not isinstance(one, int) or not 0 <= one < len(classes):
            raise ArgumentError(f"labels[{place}]: {describe(one)} is no number of one of {len(classes)} classes")
    return read_known_labels("labels", [classes[one] for one in given], count)


def _one_hot(names: Sequence[str | None], classes: tuple[str, ...]) -> Tensor:
    """Give each image's own class the share 1, (N, classes); an image without a label has none.

    Raises:
        ArgumentError: A label is none of the classes.
    """
    shares = torch.zeros(len(names), len(classes))
    for row, name in enumerate(names):
        if name is not None and name not in classes:
            raise ArgumentError(f"labels[{row}]: {name!r} is none of the model's classes")
        if name is not None:
            shares[row, classes.index(name)] = 1
    return shares


def _ready(maps: object, valid: object, count: int) -> tuple[Tensor, Tensor]:
    """Read ready maps (N, s, s), and which of them count.

    Raises:
        ArgumentError: They are something else, or some lie outside [0, 1].
    """
    look = _as_tensor(read_array("maps", maps, (count, "h", "w"), "float"))
    if not bool(((look >= 0) & (look <= 1)).all()):
        raise ArgumentError("maps: expected values in [0, 1]; divide those of a store by 255")
    if valid is None:
        return look, (look > 0).flatten(1).any(dim=1)
    return look, _as_tensor(read_array("valid", valid, (count,), "bool"))


def _as_tensor(values: Array) -> Tensor:
    """Make a tensor of an array of any strides; a tensor stays as it is."""
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def _mean_over_processes(count: Tensor) -> Tensor:
    """Average a count over the processes that train together; no gradient passes."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return count.detach()
    total = count.detach().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
