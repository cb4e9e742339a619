"""Train networks that were made elsewhere: what they start from, and whether they have the gradients it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from fer_au.config.experiments import GuidanceConfig
from fer_au.errors import ConfigError
from fer_au.models.external import ExternalTrunk
from fer_au.models.network import FerModel, evaluating
from fer_au.models.pretrained import PretrainedWeights


def own_weights(model: FerModel) -> PretrainedWeights:
    """Tell the weights that a network was made with; they decide a training, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        value: Tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return PretrainedWeights(str(model.config.factory), digest.hexdigest())


def check_trainable(model: FerModel, guidance: Sequence[GuidanceConfig]) -> None:
    """Check that a network's scores, and the layers that are to be guided, depend on parameters that train.

    Args:
        model: Classifier of an external backbone.
        guidance: Terms of the experiment.

    Raises:
        ConfigError: All parameters are frozen, or the network gives values without a gradient.
    """
    trunk = model.backbone
    if not isinstance(trunk, ExternalTrunk):
        return
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError("model.factory: all parameters of its network are frozen, so that nothing can be trained")
    weight = next(model.parameters())
    size = trunk.image_size
    probe = torch.zeros(1, model.config.channels, size, size, device=weight.device, dtype=weight.dtype)
    with evaluating(model), torch.enable_grad():
        output = model(probe)
    if not output.logits.requires_grad:
        raise ConfigError("model.factory: the scores of its network have no gradient, so that it can't be trained")
    for number, term in enumerate(guidance):
        for layer in model.resolve_layers(term.layers) if term.source == "features" else ():
            if not output.features[layer].requires_grad:
                name = trunk.modules_of_layers[layer]
                raise ConfigError(
                    f"guidance.{number}.layers: {name!r} of the network has no gradient by a parameter that trains, so "
                    "that nothing can guide it"
                )
