"""One forward pass of a batch, from which any number of CAMs are computed, and a CAM method's view of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from fer_au.cam.gradients import differentiate
from fer_au.models.network import FerModel, ModelOutput, evaluating
from fer_au.models.parts import Head, Trunk, TrunkOutput, in_float32

Gradients = Callable[[], dict[str | None, Tensor]]


@contextmanager
def undisturbed(model: FerModel, device: torch.device) -> Iterator[None]:
    """Compute in evaluation mode and float32, whatever the caller's modes are; all of them are restored.

    Tensors made in inference mode can't take part in autograd, so it is left for the whole computation.
    """
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast(device.type, enabled=False),
        evaluating(model),
    ):
        yield


class ForwardPass:
    """A batch that went through a model.

    Without ``layers`` only the head is differentiated, so that gradients cost next to nothing. With them, and of models
    that were made elsewhere, the graph of the whole network is kept, which needs the memory of a training step of the
    same batch.

    Args:
        model: Classifier, whose state is left as it is.
        images: Normalised images (N, views * in_chans, H, W) on the model's device.
        layers: Names of the feature layers whose gradients will be wanted.
        gradients: Whether any gradients will be wanted.

    Attributes:
        model: The classifier.
        images: The images.
        output: The model's output without gradient history.
    """

    def __init__(self, model: FerModel, images: Tensor, layers: Sequence[str] = (), *, gradients: bool = True) -> None:
        self.model = model
        with undisturbed(model, images.device):
            self.images = images.clone() if images.is_inference() else images.detach()
            # A network that scores itself has no head that could be differentiated alone.
            whole = gradients and (bool(layers) or model.scores_itself)
            with torch.set_grad_enabled(whole):
                trunk = model.trunk(self.images.detach().requires_grad_() if whole else self.images)
            with torch.enable_grad(), in_float32(trunk) as exact:
                final = exact.final if whole else exact.final.detach().requires_grad_()
                scores = model.score(exact._replace(final=final))
        self._logits: Tensor = scores.logits
        self._differentiable: dict[str | None, Tensor] = {None: final, **{key: trunk.features[key] for key in layers}}
        attention = None if scores.attention is None else scores.attention.detach()
        auxiliary = tuple(logits.detach() for logits in scores.auxiliary)
        bare = _detached(trunk)
        self.output = ModelOutput(scores.logits.detach(), bare.features, attention, auxiliary, bare)

    def gradients(self, target: Tensor) -> dict[str | None, Tensor]:
        """Differentiate each image's target logit by the maps of all layers, in one backward pass.

        Returns:
            (N, c, h, w) float32 of the head's map, under None, and of each of ``layers``.
        """
        with torch.enable_grad():
            score = self._logits.gather(1, target[:, None]).sum()
        return differentiate(score, self._differentiable)

    @cached_property
    def attentions(self) -> tuple[Tensor, ...]:
        """Attention matrices of a transformer, one per block: (N, heads, tokens, tokens) float32."""
        found = self.output.trunk.attentions
        if not found:
            with cast(Trunk, self.model.backbone).attention_recorded():
                found = self.model.trunk(self.images).attentions
        return tuple(matrix.float() for matrix in found)


class CamInput:
    """Input of a CAM method: features of a batch, and the class for which each image is explained.

    Args:
        passed: The batch, which went through the model.
        target: (N,) int64 class indices.
        layer: Feature layer to explain; None for the map that the head reads.
        gradients: Computes the gradients of all layers, once for all methods.

    Attributes:
        model: The classifier, in evaluation mode.
        images: (N, views * in_chans, H, W) normalised images.
        trunk: Features of the images, without gradient history.
        target: (N,) int64 class indices.
        layer: Feature layer to explain; None for the map that the head reads.
    """

    def __init__(self, passed: ForwardPass, target: Tensor, layer: str | None, gradients: Gradients) -> None:
        self.model = passed.model
        self.images = passed.images
        self.trunk = passed.output.trunk._replace(final=passed.output.trunk.final.float())
        self.target = target
        self.layer = layer
        self._passed = passed
        self._gradients = gradients

    @property
    def head(self) -> Head:
        """The model's head."""
        return self.model.head

    @property
    def features(self) -> Tensor:
        """The map to explain (N, c, h, w), float32: that of ``layer``, or the one that the head reads."""
        return self.trunk.final if self.layer is None else self.trunk.features[self.layer].float()

    def gradients(self) -> Tensor:
        """Differentiate each image's target logit by ``features``, (N, c, h, w) float32.

        All methods and layers of a batch share one backward pass. Only activations are differentiated: parameters
        gather nothing.
        """
        return self._gradients()[self.layer]

    def image_gradients(self, images: Tensor) -> Tensor:
        """Differentiate the target logits of some images by the pixels of the face, (N, in_chans, H, W) float32."""
        with torch.enable_grad():
            leaf = images.detach().requires_grad_()
            score = self.model(leaf).logits.gather(1, self.target[:, None]).sum()
            (gradients,) = torch.autograd.grad(score, leaf)
        return gradients[:, : self.model.config.channels].float()

    def attentions(self) -> tuple[Tensor, ...]:
        """Compute a transformer's attention matrices, one per block: (N, heads, tokens, tokens) after the softmax."""
        return self._passed.attentions


def _detached(trunk: TrunkOutput) -> TrunkOutput:
    return TrunkOutput(
        trunk.final.detach(),
        {layer: maps.detach() for layer, maps in trunk.features.items()},
        tuple(matrix.detach() for matrix in trunk.attentions),
        context=None if trunk.context is None else trunk.context.detach(),
        scores=None if trunk.scores is None else trunk.scores.detach(),
    )
