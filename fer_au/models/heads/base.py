"""The registry of heads, and the layer that several of them end in."""

from __future__ import annotations

from torch import nn

from fer_au.config.options import construct
from fer_au.models.parts import Head
from fer_au.registry import Registry

HEADS: Registry[type[Head]] = Registry(
    "head",
    "fer_au.heads",
    built_in={
        "acol": "fer_au.models.heads.acol",
        "adl": "fer_au.models.heads.adl",
        "apvit": "fer_au.models.heads.apvit",
        "gap": "fer_au.models.heads.gap",
        "grid": "fer_au.models.heads.grid",
        "lan": "fer_au.models.heads.lan",
        "mlp": "fer_au.models.heads.mlp",
        "multiscale": "fer_au.models.heads.multiscale",
        "prm": "fer_au.models.heads.prm",
        "ts_cam": "fer_au.models.heads.ts_cam",
        "wildcat": "fer_au.models.heads.wildcat",
    },
    base=Head,
)


def list_heads() -> list[str]:
    """List the names of the available heads, sorted.

    Example:
        >>> {"gap", "lan", "wildcat"} <= set(list_heads())
        True
    """
    return HEADS.names()


def create_head(name: str, channels: int, classes: int, options: dict[str, object]) -> Head:
    """Make a head with fresh weights.

    Raises:
        UnknownNameError: There is no such head; near names are listed.
        ConfigError: The head doesn't have an option, or refuses its value.
    """
    return construct(HEADS, name, options, channels, classes, key="model.head_options")


def fresh_linear(inputs: int, outputs: int) -> nn.Linear:
    """Make a linear layer with Xavier-uniform weights and a bias of 0, as the AU-cue paper does."""
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
