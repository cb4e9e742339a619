"""The picture at the top of the page: which test image stands for each expression."""

from __future__ import annotations

import numpy as np
import pytest

from fer_au.report.collect import read_project
from fer_au.report.painter import FacePainter
from fer_au.report.samples import hero, plan_layout, sample_grid

from .project import DEFAULT, Writer


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("good", [True, False])
def test_the_top_shows_the_sample_that_is_turned_least_whatever_was_answered(
    writer: Writer, known: bool, good: bool
) -> None:
    writer.dataset("faces", per_class=9)
    turned = 3.0 * np.arange(len(writer.rows), 0, -1)
    turned[::4] = np.nan
    traits = {"yaw": -turned, "pitch": np.zeros(len(turned)), "roll": np.full(len(turned), 90.0)} if known else None
    writer.experiment("vanilla", good=False, traits=traits)
    writer.experiment("au", good=good, seed=1, wrong_every=2, traits=traits)
    project = read_project(writer.params(DEFAULT), writer.root)
    layout = plan_layout(project.experiments, 1)
    painter = FacePainter(project.datasets["faces"], layout.side)
    samples = sample_grid(layout, painter)
    assert layout.per_class == 3
    rows, labels = hero(layout, samples, painter)
    of = {row.id: place for place, row in enumerate(writer.rows)}
    for tile, label in zip(rows[0][1], labels, strict=True):
        known_ids = [one.id for one in samples[label] if known and np.isfinite(turned[of[one.id]])]
        expected = min(known_ids, key=lambda id_: turned[of[id_]]) if known_ids else samples[label][0].id
        assert tile.alt == f"face {expected}"
    assert [title for title, _ in rows] == ["face", "AU map", "vanilla", "au"]
