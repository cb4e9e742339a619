"""Backbones of timm as trunks with numbered feature layers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.models.nets.base import NETS
from fer_au.models.parts import Trunk, TrunkOutput, cut_after
from fer_au.models.strides import LARGE_MAPS_STRIDE, avoid_strided_pointwise, remove_dilation
from fer_au.models.vit_attention import recording, unfuse_attention, unfused
from fer_au.registry import near_keys, near_names

# Options that every architecture is built with, unless it refuses: option -> (value, parts of the refusals' texts).
_WISHES: dict[str, tuple[object, tuple[str, ...]]] = {
    # Vision transformers: any image size.
    "dynamic_img_size": (True, ("dynamic_img_size",)),
    # Vision transformers: normalise all tokens and leave the pooling to the head.
    "global_pool": ("", ("Cannot disable pooling", "distilled head reads", "Only token or avg pooling")),
}

# Options of timm that the project sets itself, or has another key for.
_OWN_OPTIONS = {
    "in_chans": "use model.in_chans",
    "output_stride": "use model.output_stride",
    "checkpoint_path": "use model.weights",
    "num_classes": "the head decides",
    "drop_rate": "the head decides; mlp and wildcat have a dropout",
    "global_pool": "the head decides",
    "features_only": "every layer's features are had anyway",
    "dynamic_img_size": "it is on wherever there is one",
    "scriptable": "not supported",
    "exportable": "not supported",
}


_UNKNOWN_OPTION = re.compile(r"unexpected keyword argument '(\w+)'")


class Backbone(Trunk):
    """A timm model without its classifier.

    Feature layers are timm's own stages (ResNet: 1 is the stem, 2-5 the stages). A ViT has one layer per block: the
    residual stream before the final norm, since the channel mean after it carries no meaning. A network that ends in a
    convolution after its last stage (MobileNetV2, EfficientNet) has this convolution as one more layer, because the
    head pools its output.

    Attributes:
        name: Name of the architecture.
        layers: Names of the layers, ``"1"`` to ``"L"``.
        channels: Channels of the map that the head receives.
        network: timm model, with timm's names of parameters.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Build a backbone with fresh weights from torch's global random state.

        Raises:
            UnknownNameError: timm has no such architecture.
            ConfigError: The architecture has no feature maps or doesn't support an option.
        """
        super().__init__()
        self.name = config.backbone
        network = _build(config)
        info = _stages(network, self.name)
        self.channels = int(cast(Any, network).num_features)
        self._ends_in_convolution = self.channels != info[-1]["num_chs"]
        self.layers = tuple(str(number + 1) for number in range(len(info) + self._ends_in_convolution))
        self.network: Any = network  # timm has no types
        self._recorded: tuple[nn.Module, ...] = ()  # attention layers
        self._kept: list[int] | None = None  # positions of the stages that a cut has left
        if config.cut_after is not None:  # timm cuts whole networks
            cut_after(self, config.cut_after)
        self.dropped = _drop_classifier_parts(network)
        avoid_strided_pointwise(network)
        _check_stride(config, int(info[min(len(self.layers), len(info)) - 1]["reduction"]))

    @property
    def has_class_token(self) -> bool:
        """Whether it is a transformer whose first token stands for the whole image."""
        return getattr(self.network, "cls_token", None) is not None

    def cut(self, layer: str) -> None:
        """End the network after one of its layers, whose own map heads then read, without timm's final norm.

        Raises:
            ConfigError: timm can't cut the architecture there.
        """
        stages = _stages(self.network, self.name)
        kept = list(range(self.layers.index(layer) + 1))
        self.network.prune_intermediate_layers(kept, prune_norm=True, prune_head=True)
        self._kept, self._ends_in_convolution = kept, False
        self.channels = int(stages[kept[-1]]["num_chs"])

    def block_stages(self) -> list[tuple[list[nn.Module], int]]:
        """List the stages that are made of blocks of convolutions, in network order: blocks, channels of their maps."""
        modules = dict(self.network.named_modules())  # without the classifier's, which feature_info may name
        entries = _stages(self.network, self.name)
        stages = [(_blocks(modules.get(entry["module"])), int(entry["num_chs"])) for entry in entries]
        return [(blocks, channels) for blocks, channels in stages if blocks]

    def record_attention(self) -> None:
        """Give the attention matrices of all blocks from now on (``TrunkOutput.attentions``); costs time and memory.

        Raises:
            ConfigError: The architecture has no attention over the whole image.
        """
        self._recorded = unfuse_attention(self.network, self.name)

    @contextmanager
    def attention_recorded(self) -> Iterator[None]:
        """Give the attention matrices of all blocks for a while; the backbone is left as it was.

        Raises:
            ConfigError: The architecture has no attention over the whole image.
        """
        before = self._recorded
        with unfused(self.network, self.name) as layers:
            self._recorded = layers
            try:
                yield
            finally:
                self._recorded = before

    def forward(self, x: Tensor) -> TrunkOutput:
        """Compute the final map and all feature layers of normalised images (N, in_chans, H, W)."""
        wanted: dict[str, Any] = {"norm": False, "output_fmt": "NCHW"}
        with recording(self._recorded) as attentions:
            if self._kept is None:
                last, stages = self.network.forward_intermediates(x, **wanted)
            else:
                wanted |= {"indices": self._kept, "stop_early": True, "intermediates_only": True}
                stages = self.network.forward_intermediates(x, **wanted)
        final = stages[-1] if self._kept is not None else self._as_map(last, stages[-1].shape[-2:])
        if self._ends_in_convolution:
            stages = [*stages, final]
        return TrunkOutput(final, dict(zip(self.layers, stages, strict=True)), tuple(attentions))

    def _as_map(self, last: object, grid: torch.Size) -> Tensor:
        tokens = isinstance(last, Tensor) and last.ndim == 3  # (N, prefix + h*w, c)
        if not isinstance(last, Tensor) or (tokens and last.shape[1] < grid.numel()):
            raise ConfigError(f"backbone {self.name!r} doesn't end in one feature map; choose another one")
        if tokens:
            patches = last[:, last.shape[1] - grid.numel() :]  # without the class token and the like
            return patches.transpose(1, 2).reshape(last.shape[0], -1, *grid)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return last.permute(0, 3, 1, 2)
        return last


def check_backbone(name: str) -> None:
    """Check that timm has an architecture.

    Raises:
        UnknownNameError: It has none of that name; the message lists near names, those of whole networks included.
    """
    if not timm.is_model(name):
        near = near_keys(name, [*timm.list_models(), *NETS.names()])
        hint = f"did you mean {' or '.join(near)}?" if near else "any architecture of timm.list_models() is one"
        raise UnknownNameError(f"unknown backbone {name!r}; {hint}")


def architecture_options(name: str) -> set[str]:
    """List the options of one of timm's architectures that a user may set in ``model.backbone_options``."""
    with torch.device("meta"):
        classes = type(timm.create_model(name)).__mro__
    names = {option for owner in classes for option in inspect.signature(owner).parameters}
    return {option for option in names - _OWN_OPTIONS.keys() if not option.startswith("pretrained")}


def _build(config: ModelConfig) -> nn.Module:
    name = config.backbone
    check_backbone(name)
    _check_options(config)
    options: dict[str, Any] = {**config.backbone_options, "num_classes": 0, "in_chans": config.in_chans}
    stride = LARGE_MAPS_STRIDE if config.large_maps else config.output_stride
    if stride is not None:
        options["output_stride"] = stride
    try:
        network = _create(name, options)
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        if (found := _UNKNOWN_OPTION.search(str(error))) and found[1] in config.backbone_options:
            near = near_names(found[1], architecture_options(name))
            raise ConfigError(f"model.backbone_options.{found[1]}: {name!r} has no such option; {near}") from error
        if stride is None or config.backbone_options:
            reason = str(error).partition("\n")[0]
            raise ConfigError(f"model: backbone {name!r} can't be built so: {reason}") from error
        key = "large_maps" if config.large_maps else "output_stride"
        raise ConfigError(f"model.{key}: backbone {name!r} can't change its strides; try a ResNet") from error
    if config.large_maps:
        remove_dilation(network, name)
    return network


def _check_options(config: ModelConfig) -> None:
    """Refuse options that would undo what the project asks of every backbone, or load weights behind its back."""
    for option in config.backbone_options:
        if option in _OWN_OPTIONS or option.startswith("pretrained"):
            raise ConfigError(f"model.backbone_options.{option}: {_OWN_OPTIONS.get(option, 'see model.weights')}")


def find_unread_options(config: ModelConfig) -> list[str]:
    """List the options of a timm backbone without which it would be the same network, such as those of its classifier.

    Each is built without the option once more: modules, fresh weights, and then outputs in training mode are compared.

    Raises:
        ConfigError: The backbone can't be built.
    """
    if not config.backbone_options:
        return []
    usual = inspect.signature(type(_seeded(config).network)).parameters
    unread = []
    for option, value in config.backbone_options.items():
        if option in usual and usual[option].default == value:
            continue
        options = {key: other for key, other in config.backbone_options.items() if key != option}
        pair = _seeded(config), _seeded(config.model_copy(update={"backbone_options": options}))
        if _are_alike(*pair, config.in_chans):
            unread.append(option)
    return unread


def _seeded(config: ModelConfig) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Backbone(config).train()


def _are_alike(one: Backbone, other: Backbone, channels: int) -> bool:
    states = one.state_dict(), other.state_dict()
    if repr(one) != repr(other) or states[0].keys() != states[1].keys():
        return False
    if not all(torch.equal(states[0][key], states[1][key]) for key in states[0]):
        return False
    _, rows, columns = one.network.default_cfg["input_size"]
    finals = []
    for backbone in (one, other):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            try:
                finals.append(backbone(torch.randn(4, channels, rows, columns)).final)
            except (
                RuntimeError,
                AssertionError,
                ValueError,
            ):  # built for images of another size, which the other takes
                return False
    return torch.equal(*finals)


def _create(name: str, options: dict[str, Any]) -> nn.Module:
    wishes = {option: value for option, (value, _) in _WISHES.items()}
    while True:
        try:
            network: nn.Module = timm.create_model(name, **wishes, **options)
        except (TypeError, AssertionError) as error:
            refused = [option for option in wishes if any(part in str(error) for part in _WISHES[option][1])]
            if not refused:
                raise
            del wishes[refused[0]]
        else:
            return network


def _stages(network: nn.Module, name: str) -> list[dict[str, Any]]:
    if not hasattr(network, "forward_intermediates") or not hasattr(network, "feature_info"):
        raise ConfigError(f"backbone {name!r} doesn't expose feature maps; choose another one")
    info = cast(Any, network).feature_info
    return list(info if isinstance(info, list) else info.get_dicts())


def _check_stride(config: ModelConfig, found: int) -> None:
    wanted = LARGE_MAPS_STRIDE if config.large_maps else config.output_stride
    if wanted is not None and found != wanted:
        raise ConfigError(f"backbone {config.backbone!r} has output stride {found} and can't be built with {wanted}")


def _drop_classifier_parts(network: nn.Module) -> tuple[str, ...]:
    # Layers that timm puts behind the pooling (MobileNetV3's conv_head, ConvNeXt's head norm) would stay unused: DDP
    # refuses parameters without gradients, and they would be saved for nothing.
    names = [name for name, _ in network.named_children()]
    behind = names[names.index("global_pool") :] if "global_pool" in names else []
    behind += [name for name in ("pre_logits", "fc_norm") if name in names]
    head = getattr(network, "head", None)
    if hasattr(head, "global_pool") or hasattr(head, "pre_logits"):
        behind.append("head")
    dropped = tuple(dict.fromkeys(behind))
    for name in dropped:
        setattr(network, name, nn.Identity())
    return dropped


def _blocks(stage: nn.Module | None) -> list[nn.Module]:
    """Return the composite children of a stage that convolve neighbouring cells: neither layers nor attention."""
    if stage is None:
        return []
    children = getattr(stage, "blocks", stage).children()
    return [child for child in children if any(_looks_around(part) for part in child.modules() if part is not child)]


def _looks_around(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
