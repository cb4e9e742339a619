"""Make the trunk that an experiment's ``model`` names: a timm backbone, a network of the project or of elsewhere."""

from __future__ import annotations

import fnmatch

import timm

from fer_au.arguments import read_text
from fer_au.config.external import EXTERNAL
from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError
from fer_au.models.backbones import Backbone
from fer_au.models.external import ExternalTrunk, open_network
from fer_au.models.nets.base import NETS, create_net, own_head
from fer_au.models.parts import Trunk, cut_after
from fer_au.models.strides import LARGE_MAPS_STRIDE

_NOT_OF_WHOLE_NETS = {
    "head": "it has a head of its own",
    "cut_after": "its head reads its last layer",
    "output_stride": "its strides are fixed",
    "large_maps": "its strides are fixed",
}


def create_trunk(config: ModelConfig) -> Trunk:
    """Build a trunk with fresh weights from torch's global random state.

    Raises:
        UnknownNameError: There is no such backbone.
        ConfigError: A setting that the backbone would ignore or doesn't support, or a bad option.
    """
    if config.backbone == EXTERNAL:
        return ExternalTrunk(config, open_network(config))
    if config.large_maps and config.output_stride is not None:
        raise ConfigError("model: large_maps and output_stride exclude each other (large_maps is stride 8, undilated)")
    if config.backbone not in NETS.names():
        return Backbone(config)
    for text in find_net_faults(config):
        raise ConfigError(text)
    net = create_net(config.backbone, config.in_chans, config.backbone_options)
    if config.cut_after is not None:
        cut_after(net, config.cut_after)
    stride = LARGE_MAPS_STRIDE if config.large_maps else config.output_stride
    if stride is not None:
        try:
            net.hold_stride(stride, dilated=not config.large_maps)
        except ConfigError as error:
            raise ConfigError(f"model.{'large_maps' if config.large_maps else 'output_stride'}: {error}") from error
    return net


def find_net_faults(config: ModelConfig) -> list[str]:
    """List the settings that a network of the project would ignore, or can't have; each text names its key."""
    whole = own_head(config.backbone) is not None
    faults = [
        f"model.{key}: network {config.backbone!r} doesn't take it: {reason}"
        for key, reason in _NOT_OF_WHOLE_NETS.items()
        if whole and getattr(config, key)
    ]
    if config.weights == "imagenet":
        faults.append(f"model.weights: there are no ImageNet weights of network {config.backbone!r}")
    return faults


def list_backbones(pattern: str = "*") -> list[str]:
    """List the names of the available backbones: networks of the project, and timm's architectures.

    Args:
        pattern: Shell-style filter such as ``"resnet*"``.

    Example:
        >>> list_backbones("gimefive-1*")
        ['gimefive-10', 'gimefive-13', 'gimefive-15', 'gimefive-15d', 'gimefive-16', 'gimefive-17']
    """
    pattern = read_text("pattern", pattern, 'a pattern such as "resnet*"')
    return [*fnmatch.filter(NETS.names(), pattern), *map(str, timm.list_models(pattern))]
