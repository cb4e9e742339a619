"""Draw what the layers of networks know over their depth: a panel for expressions, and one for persons."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_au.atomic import write_atomically
from fer_au.probe.faces import Target
from fer_au.probe.formats import TITLES
from fer_au.probe.scoring import Probe

_PANEL = (4.6, 3.4)  # inches
_STYLE: Any = {"svg.hashsalt": "fer_au", "svg.fonttype": "path", "font.size": 9, "axes.spines.top": False}


def draw_probes(path: Path, probes: Sequence[Probe]) -> None:
    """Draw balanced accuracies over the depth, with their 95 % intervals; equal probes give equal bytes of an svg.

    Args:
        path: File, ``.png`` or ``.svg``.
        probes: Probes of one or several networks; a curve each.

    Raises:
        StoreError: The disk refuses.
    """
    import matplotlib

    targets = [target for target in TITLES if any(target in probe.questions for probe in probes)]
    content = io.BytesIO()
    with matplotlib.rc_context({**_STYLE, "axes.spines.right": False}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(_PANEL[0] * len(targets), _PANEL[1]), layout="constrained")
        panels = figure.subplots(1, len(targets), squeeze=False)[0]
        for panel, target in zip(panels, targets, strict=True):
            _draw_panel(panel, target, [probe for probe in probes if target in probe.questions])
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(content, format=kind, dpi=160, metadata=metadata)
    write_atomically(path, content.getvalue())


def _draw_panel(panel: Any, target: Target, probes: Sequence[Probe]) -> None:  # noqa: ANN401 (matplotlib's Axes)
    for number, probe in enumerate(probes):
        places = np.array([probe.network.model.layers.index(layer.layer) + 1 for layer in probe.layers]) / probe.depth
        scores = [layer.scores[target] for layer in probe.layers]
        colour = f"C{number}"
        ends = 100 * np.array([(score.balanced, score.low, score.high) for score in scores])
        panel.plot(places, ends[:, 0], "o-", ms=3, color=colour, label=probe.network.title)
        panel.fill_between(places, ends[:, 1], ends[:, 2], color=colour, alpha=0.12, linewidth=0)
    for chance in {100 / len(probe.questions[target].classes) for probe in probes}:
        panel.axhline(chance, color="grey", linestyle=":", linewidth=1)
    panel.set_title(TITLES[target])
    panel.set_xlabel("layer, as a share of the network's depth")
    panel.set_ylabel("balanced accuracy of a linear classifier, %")
    panel.set_xlim(0, 1.02)
    panel.set_ylim(bottom=0)
    panel.legend(frameon=False)
