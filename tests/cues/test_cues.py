"""The cues besides ``au``: active AUs, all AUs, landmarks, background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon
from scipy.spatial import ConvexHull

from benchmarks.shared.random_points import mirrored, random_faces
from fer_au.cues import FaceBatch, create_cue, create_geometry, load_codebook, render_au_maps
from fer_au.cues.regions import REGIONS, region_coverage
from fer_au.errors import DataError

NAMES = "AU1,AU4,AU12,AU25"


def active(intensities: Any, faces: np.ndarray, names: str = NAMES, size: int = 28) -> tuple[np.ndarray, np.ndarray]:
    columns = {"au": np.asarray(intensities, np.float32)}
    faces_and_units = FaceBatch(faces, ["neutral"] * len(faces), 224, size, columns, {"au_names": names})
    return create_cue("au_active").render(faces_and_units)


def alone(unit: int, faces: np.ndarray) -> np.ndarray:
    return create_geometry("corrected").draw(faces.astype(np.float32), {unit: 1.0}, 224, 28)[0]


class TestActive:
    def test_each_active_unit_is_drawn_with_its_intensity_and_the_maximum_wins(self) -> None:
        faces = random_faces(2)
        maps, valid = active([[0.25, 0, 0.8, 0], [0, 1, 0, 0.5]], faces)
        expected = np.maximum(0.25 * alone(1, faces)[:1], 0.8 * alone(12, faces)[:1])
        np.testing.assert_allclose(maps[:1], expected, atol=1e-6)
        expected = np.maximum(alone(4, faces)[1:], 0.5 * alone(25, faces)[1:])
        np.testing.assert_allclose(maps[1:], expected, atol=1e-6)
        assert valid.all()
        assert maps.max(axis=(1, 2)) == pytest.approx([0.8, 1.0], abs=1e-6)

    def test_images_with_no_active_unit_or_unknown_intensities_are_not_valid(self) -> None:
        faces = random_faces(3)
        maps, valid = active([[0, 0, 0, 0], [np.nan] * 4, [np.nan, 0, 0.5, 0]], faces)
        assert valid.tolist() == [False, False, True]
        assert not maps[:2].any()
        np.testing.assert_allclose(maps[2:], 0.5 * alone(12, faces)[2:], atol=1e-6)

    def test_units_that_the_geometry_cannot_draw_are_left_out_and_logged_once(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        faces = random_faces(1)
        for _ in range(2):
            maps, valid = active([[1, 0.5]], faces, "AU45,AU12")
            np.testing.assert_allclose(maps, 0.5 * alone(12, faces), atol=1e-6)
            assert valid.all()
        assert capsys.readouterr().err.count("can't draw AU45") == 1

    @pytest.mark.parametrize("value", [3.0, -0.5, np.inf])
    def test_another_scale_is_refused(self, value: float) -> None:
        with pytest.raises(DataError, match=r"column 'au' holds .*; intensities are from 0 to 1"):
            active([[0, value, 0, 0]], random_faces(1))

    def test_names_and_columns_must_agree(self) -> None:
        with pytest.raises(DataError, match=r"column 'au' has the shape \(1, 3\)"):
            active([[0, 1, 0]], random_faces(1))

    def test_a_data_set_without_intensities_is_one_line(self) -> None:
        with pytest.raises(DataError, match="cue 'au_active' needs the column 'au'"):
            create_cue("au_active").render(FaceBatch(random_faces(1), ["fear"], 224, 28))


class TestSoftCodebook:
    @pytest.fixture
    def soft(self, tmp_path: Path) -> Path:
        path = tmp_path / "soft.yaml"
        path.write_text("expressions:\n  happiness: {6: 0.25, 12: 1}\n  fear: {1: 0.5}\n")
        return path

    @pytest.mark.parametrize("geometry", ["corrected", "paper"])
    def test_weights_reach_the_maps_as_heights(self, soft: Path, geometry: str) -> None:
        faces = random_faces(3)
        maps, valid = create_cue("au", codebook=str(soft), geometry=geometry).render(
            FaceBatch(faces, ["happiness"] * 3, 224, 28)
        )
        drawer = create_geometry(geometry)
        parts = [drawer.draw(faces.astype(np.float32), {unit: 1.0}, 224, 28)[0] for unit in (6, 12)]
        cheek = parts[0] * (parts[1] < 0.01)
        expected = np.where(cheek > 0.5, 0.25 * parts[0], 0)
        assert valid.all()
        assert (cheek > 0.5).any(axis=(1, 2)).all()
        np.testing.assert_allclose(maps[cheek > 0.5], expected[cheek > 0.5], atol=0.02)

    def test_the_only_unit_is_as_high_whatever_its_weight(self, soft: Path) -> None:
        faces = random_faces(2)
        maps, _ = render_au_maps(faces, ["fear"] * 2, codebook=load_codebook(soft))
        np.testing.assert_allclose(maps, alone(1, faces), atol=1e-6)

    def test_a_weight_changes_the_fingerprint(self, soft: Path) -> None:
        before = create_cue("au", codebook=str(soft)).fingerprint
        soft.write_text(soft.read_text().replace("0.25", "0.3"))
        assert create_cue("au", codebook=str(soft)).fingerprint != before


class TestGeneric:
    @pytest.mark.parametrize("geometry", ["corrected", "paper"])
    def test_it_is_the_maximum_of_all_units_for_any_label(self, geometry: str) -> None:
        faces = random_faces(3)
        drawer = create_geometry(geometry)
        maps, valid = create_cue("au_generic", geometry=geometry).render(
            FaceBatch(faces, ["neutral", "fear", "contempt"], 224, 28)
        )
        units = dict.fromkeys(sorted(drawer.action_units), 1.0)
        np.testing.assert_allclose(maps, drawer.draw(faces.astype(np.float32), units, 224, 28)[0], atol=1e-6)
        assert valid.all()
        for unit in units:
            own, seen = drawer.draw(faces.astype(np.float32), {unit: 1.0}, 224, 28)
            peak = own.reshape(3, -1).argmax(axis=1)
            assert (maps.reshape(3, -1)[np.arange(3), peak][seen] > 0.5).all()


class TestLandmarks:
    @given(st.integers(0, 1000))
    @settings(max_examples=10)
    def test_it_is_the_maximum_of_gaussians_on_the_points(self, seed: int) -> None:
        (face,) = random_faces(1, seed)
        (drawn,), _ = create_cue("landmarks").render(FaceBatch(face[None], ["fear"], 224, 28))
        cells = face / 8
        variance = (0.08 * np.linalg.norm(cells[45] - cells[36])) ** 2 + 1 / 12
        centres = np.arange(28) + 0.5
        squares = (centres[None, :, None] - cells[:, 0]) ** 2 + (centres[:, None, None] - cells[:, 1]) ** 2
        expected = np.exp(-squares / (2 * variance)).max(axis=2)
        np.testing.assert_allclose(drawn, expected / expected.max(), atol=1e-4)

    def test_the_papers_spots_are_eight_pixels_wide_at_224_whatever_the_face(self) -> None:
        for reach in (20, 60):
            spots = np.full((1, 68, 2), 112.5)
            spots[0, [36, 45], 0] += [-reach, reach]
            (drawn,), _ = create_cue("landmarks", geometry="paper").render(FaceBatch(spots, ["fear"], 224, 224))
            below = np.arange(112)
            expected = np.exp(-(below**2) / (2 * 8**2))
            np.testing.assert_allclose(drawn[112:, 112], expected, atol=1e-3)

    def test_without_the_jaw_the_chin_is_empty(self) -> None:
        faces = 0.8 * random_faces(4)
        cell = np.floor(faces[:, 8] / 8).astype(int)
        whole, _ = create_cue("landmarks").render(FaceBatch(faces, ["fear"] * 4, 224, 28))
        inner, _ = create_cue("landmarks51").render(FaceBatch(faces, ["fear"] * 4, 224, 28))
        chin = np.arange(4), cell[:, 1], cell[:, 0]
        assert (whole[chin] > 0.6).all()
        assert (inner[chin] < 0.2).all()

    def test_it_mirrors_and_scales_with_the_face(self) -> None:
        faces = random_faces(3)
        cue = create_cue("landmarks")
        maps, _ = cue.render(FaceBatch(faces, ["fear"] * 3, 224, 28))
        turned, _ = cue.render(FaceBatch(mirrored(faces, 224), ["fear"] * 3, 224, 28))
        doubled, _ = cue.render(FaceBatch(faces * 2, ["fear"] * 3, 448, 28))
        np.testing.assert_allclose(turned[:, :, ::-1], maps, atol=1e-4)
        np.testing.assert_allclose(doubled, maps, atol=1e-4)

    def test_a_face_outside_the_frame_has_none(self) -> None:
        _, valid = create_cue("landmarks").render(FaceBatch(random_faces(1) + 1000, ["fear"], 224, 28))
        assert not valid.any()


class TestBackground:
    def test_it_is_what_the_face_regions_leave(self) -> None:
        faces = random_faces(3)
        maps, valid = create_cue("background").render(FaceBatch(faces, ["neutral"] * 3, 224, 28))
        coverage = region_coverage(faces.astype(np.float32), 224, (28, 28))
        face = coverage[:, [i for i, name in enumerate(REGIONS) if name != "background"]].sum(axis=1)
        np.testing.assert_allclose(maps, 1 - face, atol=1e-6)
        assert valid.all()

    def test_it_is_one_outside_the_hull_of_jaw_brows_and_forehead(self) -> None:
        (face,) = random_faces(1, roll=0)
        (drawn,), _ = create_cue("background").render(FaceBatch(face[None], ["fear"], 224, 28))
        brows = face[17:27]
        up = brows.mean(axis=0) - face[8]
        lift = 0.4 * np.linalg.norm(brows.mean(axis=0) - face[30]) * up / np.linalg.norm(up)
        outline = np.concatenate([face[:27], brows + lift])
        hull = Polygon(outline[ConvexHull(outline).vertices])
        axis = (np.arange(28) + 0.5) * 8
        centres = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        # A cell whose centre is far inside is face; far outside, background.
        inside = hull.contains_points(centres, radius=-12).reshape(28, 28)
        near = hull.contains_points(centres, radius=12).reshape(28, 28)
        inside, near = (inside, near) if inside.sum() < near.sum() else (near, inside)
        assert 100 < inside.sum() < near.sum() < 28 * 28
        assert not drawn[inside].any()
        assert (drawn[~near] == 1).all()

    def test_without_landmarks_there_is_no_mask(self) -> None:
        faces = random_faces(3)
        faces[0, 40] = np.nan
        faces[1] += 5000
        maps, valid = create_cue("background").render(FaceBatch(faces, ["fear"] * 3, 224, 28))
        assert valid.tolist() == [False, False, True]
        assert not maps[:2].any()

    def test_it_mirrors(self) -> None:
        faces = random_faces(2)
        cue = create_cue("background")
        maps, _ = cue.render(FaceBatch(faces, ["fear"] * 2, 224, 28))
        turned, _ = cue.render(FaceBatch(mirrored(faces, 224), ["fear"] * 2, 224, 28))
        assert np.abs(turned[:, :, ::-1] - maps).max() <= 0.15  # a column of fine pixels

    def test_tensors_stay_tensors(self) -> None:
        maps, valid = create_cue("background").render(FaceBatch(torch.from_numpy(random_faces(1)), ["fear"], 224, 7))
        assert isinstance(maps, torch.Tensor)
        assert valid.dtype == torch.bool
