"""Networks that were made elsewhere: import the function that ``model.factory`` names, and call it.

That runs somebody's code. Only what a user's own ``params.yaml``, or the caller in Python, names is run; a model's
folder may come from anybody, and names it to be compared (``load_model``).
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from torch import nn

from fer_au.answers import describe
from fer_au.config.external import factory_fault
from fer_au.errors import ConfigError
from fer_au.registry import near_names

KEY = "model.factory"
"""The key, for messages."""
BYTES = "file"
"""Name of the buffer that holds a file, so that a model's folder needs no other."""
_LONGEST = 200  # characters of another package's reason


def make_network(factory: str) -> nn.Module:
    """Make a network by the user's function; modules beside ``params.yaml`` are found behind installed packages.

    Args:
        factory: ``package.module:function``.

    Returns:
        The network, as the function gives it.

    Raises:
        ConfigError: The function can't be imported or called, or gives something else.
    """
    if fault := factory_fault(factory):
        raise ConfigError(f"{KEY}: {fault}, got {factory!r}")
    name, _, function = factory.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # for good: networks import more when they run
    try:
        module = import_module(name)
    except Exception as error:  # somebody's module may raise anything
        raise ConfigError(f"{KEY}: {name!r} can't be imported: {reason(error)}") from error
    create = getattr(module, function, None)
    if create is None:
        names = [one for one in vars(module) if not one.startswith("_") and callable(getattr(module, one))]
        raise ConfigError(f"{KEY}: {name!r} has no function {function!r}; {near_names(function, names)}")
    if not callable(create):
        raise ConfigError(f"{KEY}: {factory!r} is no function, but {describe(create)}")
    try:
        network = create()
    except Exception as error:
        raise ConfigError(f"{KEY}: {factory!r}, called without arguments, failed: {reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{KEY}: {factory!r} should give a torch.nn.Module, got {describe(network)}")
    return network


def reason(error: BaseException) -> str:
    """Say in one line what somebody's code raised."""
    text = " ".join(str(error).split())[:_LONGEST]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
