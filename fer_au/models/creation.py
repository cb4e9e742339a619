"""Make a classifier as an experiment's ``model`` says it, with the pretrained weights that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fer_au.config.model import ModelConfig
from fer_au.models.network import FerModel, build_model
from fer_au.models.weights import load_pretrained


def create_model(
    config: ModelConfig | Mapping[str, Any], classes: Sequence[str], *, seed: int | None = None
) -> FerModel:
    """Build a classifier with the weights that its configuration names, as a training begins with it.

    ``weights: none``, the default, gives a fresh backbone. The head is always fresh, and with one seed the same,
    whatever the backbone's weights. ``model.pretrained`` records them, with the mean and the standard deviation of the
    pixels that they were trained on, and the licence of those that a package carries.

    Args:
        config: The ``model`` mapping of an experiment, plain or typed.
        classes: Expressions in canonical order, in any case and by their usual synonyms; they become the order of the
            logits.
        seed: Seed of the fresh weights; torch's global random state is then left as it was. None draws from the global
            state, which the caller seeds.

    Raises:
        UnknownNameError: There is no such backbone or head; near names are listed.
        ConfigError: A bad key or value, an option that backbone or head doesn't support, or no such pretrained weights.
        MissingDependencyError: Pretrained weights are neither installed nor can be fetched.
        DataError: A file of weights can't be read or doesn't fit the backbone.
        ArgumentError: ``classes`` or ``seed`` is something else.

    Example:
        >>> import torch
        >>> config = {"backbone": "test_resnet", "output_stride": 8, "head": "gap"}
        >>> model = create_model(config, ["neutral", "happiness", "anger"], seed=0)
        >>> output = model(torch.zeros(2, 3, 64, 64))
        >>> output.logits.shape, output.features[model.layers[-1]].shape[-2:]
        (torch.Size([2, 3]), torch.Size([8, 8]))

        Faces of a recognition network, from the package that ``fer_au.models.weights_card`` names:

        >>> model = create_model({"backbone": "sface", "weights": "faces", "cut_after": 15}, ["neutral", "anger"])
        >>> model.pretrained.origin, [round(value, 3) for value in model.pretrained.std]
        ('OpenCV model zoo face_recognition_sface_2021dec_int8bq', [0.502, 0.502, 0.502])
    """
    model = build_model(config, classes, seed=seed)
    load_pretrained(model)
    return model
