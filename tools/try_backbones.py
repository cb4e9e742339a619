"""Try one network of every family of timm, and write which images each takes: the table of docs/backbones.md.

python tools/try_backbones.py            # writes the page; several minutes of one core
python tools/try_backbones.py --check    # prints the rows that the page has otherwise, and ends with 1 if there are any
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import timm
import torch

from fer_au.errors import ConfigError
from fer_au.models import create_model
from fer_au.models.image_sizes import BUILT_FOR, fit_to_images

PAGE = Path(__file__).parents[1] / "docs" / "backbones.md"
SIZE = 112  # pixels
CLASSES = ("neutral", "happiness")
# The smallest networks of these families take minutes to build.
TOO_LARGE = {"deepseek_vit", "gemma4_vit"}

_BEGIN, _END = "<!-- written by tools/try_backbones.py -->\n", "<!-- end -->\n"


class Row(NamedTuple):
    """A network, and what becomes of it with images of ``SIZE`` pixels."""

    family: str
    network: str
    outcome: str

    def __str__(self) -> str:
        return f"| {self.family} | `{self.network}` | {self.outcome} |"


def try_network(family: str, network: str) -> Row:
    """Build a network for images of ``SIZE`` pixels by shapes alone, or for good where it has no other way."""
    outcome = ""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                model = fit_to_images(create_model({"backbone": network}, CLASSES), SIZE)
            rows, columns = model.grid_sizes(SIZE)[model.layers[-1]]
        except ConfigError as error:
            outcome = _reason(str(error))
            if not isinstance(error.__cause__, NotImplementedError):
                break
        except NotImplementedError as error:
            outcome = str(error)
        else:
            built = f", built with `{BUILT_FOR}`" if BUILT_FOR in model.config.backbone_options else ""
            return Row(family, network, f"map of {rows} x {columns}{built}")
    return Row(family, network, outcome)


def _reason(text: str) -> str:
    if sizes := re.search(r"set train\.image_size to (.+)", text):
        return f"refused: takes {sizes[1]} pixels"
    return "refused: " + text.partition("' ")[2].replace("; choose another one", "")


def smallest_networks() -> Iterator[tuple[str, str]]:
    """Find the network of fewest parameters in each of timm's families, such as ``("resnet", "test_resnet")``."""
    for family in timm.list_modules():
        if family not in TOO_LARGE and (names := timm.list_models(module=family)):
            yield family, min(names, key=_parameters)


def _parameters(name: str) -> float:
    try:
        with torch.device("meta"):
            return float(sum(parameter.numel() for parameter in timm.create_model(name).parameters()))
    except (RuntimeError, TypeError):
        return float("inf")


def written_rows() -> list[Row]:
    """Read the rows of the page."""
    table = PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]
    return [Row(*cells) for cells in re.findall(r"^\| (\w+) \| `([^`]+)` \| (.+) \|$", table, re.MULTILINE)]


def main(check: bool) -> int:
    """Write the page, or compare it."""
    warnings.filterwarnings("ignore")
    if check:
        changed = [(row, now) for row in written_rows() if (now := try_network(row.family, row.network)) != row]
        for row, now in changed:
            print(f"{row}\n  now: {now.outcome}")
        return min(len(changed), 1)
    rows = []
    for family, network in smallest_networks():
        rows.append(try_network(family, network))
        print(rows[-1], flush=True)
    refused = [row for row in rows if row.outcome.startswith("refused")]
    built = [row for row in rows if BUILT_FOR in row.outcome]
    counts = (
        f"the smallest network of each of {len(rows)} families: "
        f"{len(rows) - len(built) - len(refused)} take them as they are, {len(built)} are built for them, "
        f"{len(refused)} are refused."
    )
    text = (
        f"timm {timm.__version__}, images of {SIZE} pixels, {counts}\n\n"
        "| family | network | map of the last layer |\n|---|---|---|\n"
    )
    page = PAGE.read_text(encoding="utf-8")
    head, tail = page.partition(_BEGIN)[0], page.partition(_END)[2]
    PAGE.write_text(head + _BEGIN + text + "".join(f"{row}\n" for row in rows) + _END + tail, encoding="utf-8")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    sys.exit(main(parser.parse_args().check))
