"""Fit networks to the size of their images, or say which sizes they take."""

from __future__ import annotations

from collections.abc import Iterator

import timm
import torch

from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError
from fer_au.models.backbones import architecture_options
from fer_au.models.nets.base import NETS
from fer_au.models.network import FerModel, build_model

# timm's name for the side of the images that an architecture is built for, where it can't take others later.
BUILT_FOR = "img_size"

_STEP = 32  # pixels; most architectures halve their maps five times
_NETS_OWN = (64, 48)  # sizes that whole networks of the project are published with


def fit_to_images(model: FerModel, image_size: int, *, seed: int | None = None) -> FerModel:
    """Give the classifier that takes images of one size: the same one, or one that is built for them.

    Architectures that are made for one size, such as MLP-Mixer, are built for this one. Their classifier's ``config``
    then has the option ``img_size`` in ``backbone_options``, so that it is rebuilt alike.

    Args:
        model: Fresh classifier.
        image_size: Side of the square images, pixels.
        seed: Seed of fresh weights, as in ``create_model``.

    Raises:
        ConfigError: The backbone takes no such images; the message names sizes near by that it takes.
    """
    try:
        model.grid_sizes(image_size)
    except ConfigError as error:
        if isinstance(error.__cause__, NotImplementedError):  # not the size: shapes alone can't tell
            raise
        fitted = _built_for(model.config, image_size)
        if fitted is not None and _fits(fitted, image_size):
            return build_model(fitted, model.classes, seed=seed)
        raise _refusal(model.config, image_size, error) from error
    return model


def _built_for(config: ModelConfig, image_size: int) -> ModelConfig | None:
    """Ask for a backbone that is built for images of a size; None where there is no such choice, or it was made."""
    if config.backbone in NETS.names() or BUILT_FOR in config.backbone_options:
        return None
    if BUILT_FOR not in architecture_options(config.backbone):
        return None
    options = {**config.backbone_options, BUILT_FOR: image_size}
    return config.model_copy(update={"backbone_options": options})


def _refusal(config: ModelConfig, image_size: int, error: ConfigError) -> ConfigError:
    """Put sizes that fit in the place of torch's words about shapes."""
    if error.__cause__ is None:  # the network was asked for something else than another size
        return error
    own: tuple[int, ...] = _NETS_OWN
    if config.backbone not in NETS.names():
        own = (int(timm.get_pretrained_cfg_value(config.backbone, "input_size")[-1]),)
    sizes = sorted(_near_sizes(config, image_size, own))
    if sizes:
        text = f"backbone {config.backbone!r} can't take images of {image_size} pixels"
        if isinstance(error.__cause__, ValueError):  # a head's own words about the map, which torch's aren't
            text = f"{text}: {error.__cause__}"
        return ConfigError(f"{text}; set train.image_size to {' or '.join(map(str, sizes))}")
    # Of its own size, too, something is wrong; that says more than shapes do.
    return error if own is _NETS_OWN else _Trial(config).refusal(own[0]) or error


def _near_sizes(config: ModelConfig, image_size: int, own: tuple[int, ...]) -> Iterator[int]:
    """Find a smaller and a larger size that a network takes: a usual one near by, or the network's own."""
    plain = _Trial(config)
    below = range((image_size - 1) // _STEP * _STEP, 0, -_STEP)[:2]
    above = range((image_size // _STEP + 1) * _STEP, image_size + 3 * _STEP, _STEP)[:2]
    smaller, larger = (size for size in own if size < image_size), (size for size in own if size > image_size)
    for sizes in ([*below, *smaller], [*above, *larger]):
        for size in sizes:
            if plain.refusal(size) is None or _fits(_built_for(config, size), size):
                yield size
                break


def _fits(config: ModelConfig | None, image_size: int) -> bool:
    return config is not None and _Trial(config).refusal(image_size) is None


class _Trial:
    """A network that is only asked which images it takes: by shapes alone, if its operations allow that."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._models: dict[str, FerModel] = {}

    def refusal(self, image_size: int) -> ConfigError | None:
        """Tell why the network can't take images of a size; None if it can."""
        for device in ("meta", "cpu"):
            try:
                self._model(device).grid_sizes(image_size)
            except (ConfigError, RuntimeError) as error:
                found = error if isinstance(error, ConfigError) else ConfigError(str(error))
                if not isinstance(error.__cause__ or error, NotImplementedError):
                    return found
            else:
                return None
        return found

    def _model(self, device: str) -> FerModel:
        if device not in self._models:
            with torch.device(device):
                self._models[device] = build_model(self._config, ("neutral", "happiness"))
        return self._models[device]
