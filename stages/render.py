"""Stage ``render``: render the demo set; ``python stages/render.py PARAMS_FILE OUTPUT_FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from fer_au.command import stage_main
from fer_au.config.reading import validate
from fer_au.demo.generate import DemoConfig, generate
from fer_au.errors import ConfigError
from fer_au.yaml_files import read_yaml


def main(params: str, output: str) -> None:
    """Read section ``demo`` of a params file and render the set it describes.

    Raises:
        ConfigError: The file has another section, or a bad value.
    """
    path = Path(params)
    data = read_yaml(path)
    if set(data) != {"demo"} or not isinstance(data["demo"], dict):
        raise ConfigError(f"{path}: must hold one mapping named demo, and nothing else")
    generate(validate(DemoConfig, data["demo"], "demo", path), Path(output))


if __name__ == "__main__":
    sys.exit(stage_main(main, __doc__))
