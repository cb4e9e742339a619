"""Names of feature layers: ``"1"`` to ``"L"`` in network order, as the AU-cue paper numbers them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fer_au.errors import ConfigError


def resolve_layers(spec: str | Iterable[str | int], layers: Sequence[str], owner: str = "the model") -> tuple[str, ...]:
    """Turn a configured choice of layers into layer names.

    Args:
        spec: ``"all"``, ``"last"``, a number, or a list of these.
        layers: The model's layers in network order.
        owner: Whose layers they are, for messages.

    Returns:
        Distinct names in network order.

    Raises:
        ConfigError: An empty choice, or a layer that the model doesn't have.
    """
    chosen: set[str] = set()
    for item in [spec] if isinstance(spec, str) else spec:
        name = str(item)
        if name == "all":
            chosen.update(layers)
        elif name == "last":
            chosen.add(layers[-1])
        elif name in layers:
            chosen.add(name)
        else:
            raise ConfigError(
                f"unknown feature layer {name!r}: {owner} has {layers[0]} (first) to {layers[-1]} (last), "
                "or use 'last' or 'all'"
            )
    if not chosen:
        raise ConfigError(f"no feature layer is chosen: name some of {owner}, or 'last' or 'all'")
    return tuple(name for name in layers if name in chosen)
