"""The registry of heads."""

from __future__ import annotations

from fer_au.models.parts import Head
from fer_au.registry import Registry, construct

HEADS: Registry[type[Head]] = Registry(
    "head",
    "fer_au.heads",
    built_in={
        "acol": "fer_au.models.heads.acol",
        "adl": "fer_au.models.heads.adl",
        "apvit": "fer_au.models.heads.apvit",
        "gap": "fer_au.models.heads.gap",
        "lan": "fer_au.models.heads.lan",
        "mlp": "fer_au.models.heads.mlp",
        "multiscale": "fer_au.models.heads.multiscale",
        "prm": "fer_au.models.heads.prm",
        "ts_cam": "fer_au.models.heads.ts_cam",
        "wildcat": "fer_au.models.heads.wildcat",
    },
)


def list_heads() -> list[str]:
    """Names of the available heads.

    Example:
        >>> {"gap", "lan", "wildcat"} <= set(list_heads())
        True
    """
    return HEADS.names()


def create_head(name: str, channels: int, classes: int, options: dict[str, object]) -> Head:
    """Make a head with fresh weights.

    Raises:
        UnknownNameError: There is no such head; near names are listed.
        ConfigError: An option that it doesn't have, or a bad value.
    """
    return construct(HEADS, name, options, channels, classes, where="model.head_options: ")
