"""CAM methods that read where a transformer's tokens attend to, whatever the class.

A map is the row of the class token where the transformer has one, else the mean row of the patches: from where the
image's token, or its mean patch, takes what it holds.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor

from fer_au.cam.forward import CamInput
from fer_au.cam.registry import CAMS, CamMethod
from fer_au.errors import ConfigError
from fer_au.models.network import FerModel
from fer_au.models.parts import Trunk


class TokenMethod(CamMethod):
    """Base of methods on attention matrices; layer k is block k, and without a layer it is the last."""

    title: ClassVar[str]
    needs_gradients = False

    def check(self, model: FerModel) -> None:
        """Make sure that the backbone is a transformer with attention over the whole image, one block per layer."""
        trunk = cast(Trunk, model.backbone)
        try:
            with trunk.attention_recorded():
                pass
        except ConfigError as error:
            raise ConfigError(f"{self.title} needs a vision transformer: {error}") from error

    def matrices(self, batch: CamInput) -> list[Tensor]:
        """Average the attention matrices over heads, (N, tokens, tokens), up to the wanted block."""
        matrices = [matrix.mean(1) for matrix in batch.attentions()]
        return matrices if batch.layer is None else matrices[: batch.model.layers.index(batch.layer) + 1]

    def patches(self, matrix: Tensor, batch: CamInput) -> Tensor:
        """Draw what the class token, or the mean patch, takes from each patch, (N, h, w)."""
        grid = batch.trunk.final.shape[-2:]
        taken = matrix[..., -grid.numel() :]
        whole = taken[:, 0] if cast(Trunk, batch.model.backbone).has_class_token else taken[:, -grid.numel() :].mean(1)
        return whole.reshape(-1, *grid)


@CAMS.register("attention")
class LastAttention(TokenMethod):
    """Self-attention of one block, mean over heads, as DINO (Caron et al., ICCV 2021) pictures transformers."""

    title = "self-attention"

    def maps(self, batch: CamInput) -> Tensor:
        """Take the block's attention."""
        return self.patches(self.matrices(batch)[-1], batch)


@CAMS.register("rollout")
class AttentionRollout(TokenMethod):
    """Attention rollout (Abnar and Zuidema, ACL 2020): the product of all blocks' attention, half of it the residual.

    Each block's matrix is averaged over heads, mixed with the identity in equal parts, so that its rows still sum up to
    1, and multiplied with those of the blocks before it.
    """

    title = "attention rollout"

    def maps(self, batch: CamInput) -> Tensor:
        """Multiply the blocks' attention."""
        matrices = self.matrices(batch)
        residual = torch.eye(matrices[0].shape[-1], device=matrices[0].device)
        joint = residual.expand_as(matrices[0])
        for matrix in matrices:
            joint = (matrix + residual) / 2 @ joint
        return self.patches(joint, batch)
