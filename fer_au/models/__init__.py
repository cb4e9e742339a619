"""Expression classifiers with visible feature layers: timm backbones, heads, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.models.creation import create_model as create_model
    from fer_au.models.files import load_base_weights as load_base_weights
    from fer_au.models.files import load_model as load_model
    from fer_au.models.files import save_model as save_model
    from fer_au.models.heads.base import list_heads as list_heads
    from fer_au.models.network import FerModel as FerModel
    from fer_au.models.network import ModelOutput as ModelOutput
    from fer_au.models.network import resolve_layers as resolve_layers
    from fer_au.models.pretrained import WeightsCard as WeightsCard
    from fer_au.models.pretrained import weights_card as weights_card
    from fer_au.models.trunks import list_backbones as list_backbones
    from fer_au.models.weights import load_pretrained as load_pretrained

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "FerModel": ".network",
        "ModelOutput": ".network",
        "WeightsCard": ".pretrained",
        "create_model": ".creation",
        "list_backbones": ".trunks",
        "list_heads": ".heads.base",
        "load_base_weights": ".files",
        "load_model": ".files",
        "load_pretrained": ".weights",
        "resolve_layers": ".network",
        "save_model": ".files",
        "weights_card": ".pretrained",
    },
)
