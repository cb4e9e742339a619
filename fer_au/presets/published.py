"""Write the published numbers of a preset, for the file beside a params file."""

from __future__ import annotations

from typing import Any

from fer_au.presets.expansion import Expansion
from fer_au.presets.preset import Preset
from fer_au.yaml_files import dump_yaml

_WIDTH = 118
_SECTIONS = ("datasets", "align", "landmarks", "heatmaps", "train", "evaluate")


def published_text(name: str, preset: Preset, expansion: Expansion) -> str:
    """Write out a preset's published numbers as YAML: rows of values, each with the experiment that repeats it.

    The preset's settings of these experiments stand beside them: an edit of ``params.yaml`` is then seen as one.
    """
    rows: list[dict[str, Any]] = []
    places: set[str | None] = set()
    for row in preset.published:
        place = expansion.places.get(row.experiment) if row.experiment else None
        key = "experiment" if place is None or place in expansion.experiments else "group"
        left_out = {"left_out": row.experiment} if row.experiment and place is None else {}
        parts = {part: getattr(row, part) for part in ("metrics", "other")}
        rows.append({"row": row.row, key: place, **left_out, **parts})
        places.add(place)
    places.discard(None)
    repeated = {key: entry for key, entry in expansion.experiments.items() if places & {key, entry.get("group")}}
    settings = {section: getattr(preset, section) for section in _SECTIONS}
    content: dict[str, Any] = {"preset": name, "source": preset.source, "rows": rows}
    if repeated:
        content["settings"] = {**settings, "experiments": repeated}
    return dump_yaml(content, flow=None, width=_WIDTH)
