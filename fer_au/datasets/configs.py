"""One entry of ``datasets`` in ``params.yaml``, validated by the adapter that it names."""

from __future__ import annotations

from pathlib import Path

from fer_au.config.data import DatasetConfig
from fer_au.config.reading import PARAMS, entry, validate
from fer_au.datasets.base import create_adapter
from fer_au.errors import ConfigError, UnknownNameError


def load_dataset_config(name: str, params_path: Path = PARAMS) -> DatasetConfig:
    """Read ``datasets.<name>`` into the adapter's own model.

    Raises:
        ConfigError: No such entry, unknown adapter, or an unknown or bad key; one line with the key's path.
    """
    data = entry("datasets", name, params_path)
    prefix = f"datasets.{name}"
    adapter = data.get("adapter")
    if not isinstance(adapter, str):
        return validate(DatasetConfig, data, prefix, params_path)  # says that the key is missing or no text
    try:
        model = create_adapter(adapter).Config
    except UnknownNameError as error:
        raise ConfigError(f"{params_path}: {prefix}.adapter: {error}") from error
    config: DatasetConfig = validate(model, data, prefix, params_path)
    return config
