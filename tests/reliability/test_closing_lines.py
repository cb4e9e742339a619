"""The line that ends each stage: what it found, in plain words, and where it lies."""

from __future__ import annotations

from tests.reliability.workspace import Workspace


def test_each_stage_ends_with_one_line_that_names_its_output(workspace: Workspace) -> None:
    align = workspace.run("align").splitlines()[-1]
    assert align.startswith("align tiny: ")
    assert " of 120 faces found" in align
    assert align.endswith("none rejected; data/tiny/faces.h5")
    landmarks = workspace.run("landmarks").splitlines()[-1]
    assert landmarks == (
        "landmarks tiny: mean-shape found the points of 120 of 120 faces, none rejected; data/tiny/landmarks.h5"
    )
    (heatmaps,) = workspace.run("heatmaps").splitlines()
    assert heatmaps.startswith("heatmaps tiny: ")
    assert " of 120 faces have an AU map, " in heatmaps
    assert heatmaps.endswith(" have none (neutral, or without points); data/tiny/heatmaps.h5")


def test_what_is_lost_is_said_with_the_table_that_lists_it(workspace: Workspace) -> None:
    for picture in sorted((workspace.folder / "pictures").resolve().rglob("*.jpg"))[:3]:
        manifest = workspace.data / "manifest.csv"
        (workspace.data / "annotations.h5").unlink(missing_ok=True)  # it keeps the manifest's digest
        sha256 = next(line for line in manifest.read_text().splitlines() if picture.name in line).split(",")[2]
        manifest.write_text(manifest.read_text().replace(sha256, "0" * 64))
    align = workspace.run("align").splitlines()[-1]
    assert align.endswith("3 rejected, see data/tiny/rejects/align.csv; data/tiny/faces.h5")
    landmarks = workspace.run("landmarks").splitlines()[-1]
    assert "of 117 faces, 3 more were rejected by align, none rejected; " in landmarks
