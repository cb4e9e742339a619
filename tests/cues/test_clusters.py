"""LAN's clusters: K-means with two clusters, position by position."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2

from fer_au.cues.clusters import Clusters, Degenerate, FeatureSpool, feature_spool, fit_clusters
from fer_au.cues.kmeans import nearer_second, two_means
from fer_au.errors import StoreError


def two_clouds(seed: int, sizes: tuple[int, int] = (60, 30), channels: int = 8, offset: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal(channels)
    clouds = [rng.normal(0, 0.2, (sizes[0], channels)), rng.normal(0, 0.2, (sizes[1], channels)) + centre]
    return (rng.permutation(np.concatenate(clouds)) + offset).astype(np.float32)


def scatter(vectors: np.ndarray, second: np.ndarray) -> float:
    """Summed squared distances of the vectors from their cluster's mean."""
    x = vectors.astype(np.float64)
    return sum(float(((x[side] - x[side].mean(axis=0)) ** 2).sum()) for side in (second, ~second) if side.any())


class TestTwoMeans:
    @given(st.integers(0, 10_000))
    @settings(max_examples=20)
    def test_it_finds_the_best_of_all_partitions_of_a_small_set(self, seed: int) -> None:
        vectors = np.random.default_rng(seed).standard_normal((9, 2)).astype(np.float32)
        partitions = [np.array([False, *rest]) for rest in product([False, True], repeat=8) if any(rest)]
        best = min(scatter(vectors, partition) for partition in partitions)
        found = two_means(vectors.copy(), (seed,), starts=40)
        assert scatter(vectors, found.second) == pytest.approx(best, rel=0.06)

    @given(st.integers(0, 1000))
    @settings(max_examples=10)
    def test_it_agrees_with_scipy_on_two_clouds(self, seed: int) -> None:
        vectors = two_clouds(seed)
        found = two_means(vectors.copy(), (0,))
        results = [kmeans2(vectors, 2, minit="++", seed=start) for start in range(5)]
        centres, labels = min(results, key=lambda result: scatter(vectors, result[1].astype(bool)))
        if labels[0]:
            centres, labels = centres[::-1], 1 - labels
        np.testing.assert_array_equal(found.second, labels.astype(bool))
        np.testing.assert_allclose(found.centres, centres, atol=1e-4)

    def test_the_cloud_may_lie_anywhere(self) -> None:
        here, far = (two_means(two_clouds(3, offset=offset), (0,)) for offset in (0, 1000))
        np.testing.assert_array_equal(here.second, far.second)

    def test_centres_are_means_and_members_are_nearest(self) -> None:
        vectors = np.random.default_rng(5).standard_normal((500, 16)).astype(np.float32)
        found = two_means(vectors.copy(), (0,))
        distance = ((vectors[None] - found.centres[:, None]) ** 2).sum(axis=2)
        np.testing.assert_array_equal(found.second, distance[1] < distance[0])
        # It may stop with one vector in 1,000 on the move: none of 500.
        for side, centre in zip((~found.second, found.second), found.centres, strict=True):
            np.testing.assert_allclose(vectors[side].mean(axis=0), centre, atol=1e-5)

    def test_the_first_vector_is_in_the_first_cluster_whatever_the_seed(self) -> None:
        results = [two_means(two_clouds(1), (seed,)) for seed in range(8)]
        for found in results:
            assert not found.second[0]
            np.testing.assert_array_equal(found.second, results[0].second)
            np.testing.assert_array_equal(found.centres, results[0].centres)

    @pytest.mark.parametrize("count", [1, 5])
    def test_equal_vectors_have_one_centre(self, count: int) -> None:
        found = two_means(np.full((count, 3), 7.0, np.float32), (0,))
        assert not found.second.any()
        np.testing.assert_array_equal(found.centres, np.full((2, 3), 7.0))

    def test_nearer_second_breaks_ties_for_the_first(self) -> None:
        vectors = np.array([[0.4], [0.5], [0.6]], np.float32)
        assert nearer_second(vectors, np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)).tolist() == [
            [False, False, True]
        ]


def fit(tmp_path: Path, features: np.ndarray, block: int = 7) -> tuple[Clusters, np.ndarray]:
    with feature_spool(tmp_path / "work" / "features", *features.shape) as spool:
        for start in range(0, len(features), block):
            spool.append(features[start : start + block])
        return fit_clusters(spool)


class TestFitClusters:
    def test_the_smaller_cluster_of_each_position_is_attentive(self, tmp_path: Path) -> None:
        features = np.stack([two_clouds(s, sizes) for s, sizes in enumerate([(60, 30), (20, 70), (50, 40)])], axis=1)
        clusters, maps = fit(tmp_path, features)
        assert clusters.centres.shape == (3, 2, 8)
        assert maps.sum(axis=0).tolist() == [30, 20, 40]
        for position in range(3):
            alone = two_means(features[:, position].copy(), (0, position))
            attentive = alone.second if alone.second.sum() < 45 else ~alone.second
            np.testing.assert_array_equal(maps[:, position], attentive)
            own = clusters.counts[position, clusters.attentive[position]]
            assert own == maps[:, position].sum()
        np.testing.assert_array_equal(clusters.counts.sum(axis=1), [90, 90, 90])

    def test_in_a_tie_the_second_is_attentive(self, tmp_path: Path) -> None:
        features = np.array([0, 10, 0, 10], np.float32)[:, None, None]
        clusters, maps = fit(tmp_path, features)
        assert clusters.counts.tolist() == [[2, 2]]
        assert clusters.attentive.tolist() == [1]
        assert maps[:, 0].tolist() == [0, 1, 0, 1]

    def test_maps_of_the_same_features_are_those_of_the_fit(self, tmp_path: Path) -> None:
        features = np.random.default_rng(0).standard_normal((200, 4, 6)).astype(np.float32)
        clusters, maps = fit(tmp_path, features)
        np.testing.assert_array_equal(clusters.maps(features), maps)
        distance = ((features[:, :, None] - clusters.centres) ** 2).sum(axis=3)
        nearest = (distance[..., 1] < distance[..., 0]).astype(np.uint8)
        np.testing.assert_array_equal(maps, nearest == clusters.attentive)

    def test_degenerate_positions_are_marked(self, tmp_path: Path) -> None:
        rare = two_clouds(0, (398, 2))
        rare[np.argsort(rare.sum(axis=1))[-2:]] += 50
        dead = np.zeros((400, 8), np.float32)
        constant = np.full((400, 8), 3.25, np.float32)
        features = np.stack([two_clouds(1, (300, 100)), rare, dead, constant], axis=1)
        clusters, maps = fit(tmp_path, features)
        assert clusters.degenerate.tolist() == [Degenerate.NO, Degenerate.RARE, Degenerate.FLAT, Degenerate.FLAT]
        assert maps.sum(axis=0).tolist() == [100, 2, 0, 0]
        # Nothing is attentive where all are alike, in other images neither.
        assert not clusters.maps(features + np.float32(1))[:, 2:].any()

    def test_equal_features_give_equal_bytes_in_blocks_of_any_size(self, tmp_path: Path) -> None:
        features = np.random.default_rng(2).standard_normal((120, 3, 5)).astype(np.float32)
        (one, maps), (other, again) = (fit(tmp_path, features, block) for block in (120, 11))
        np.testing.assert_array_equal(one.centres, other.centres)
        np.testing.assert_array_equal(maps, again)


class TestSpool:
    def test_it_gives_positions_of_what_came_by_images_and_leaves_no_file(self, tmp_path: Path) -> None:
        features = np.random.default_rng(0).standard_normal((10, 3, 4)).astype(np.float32)
        with feature_spool(tmp_path / "work" / "features", 10, 3, 4) as spool:
            spool.append(features[:6])
            spool.append(features[6:])
            for position in range(3):
                np.testing.assert_array_equal(spool.vectors(position), features[:, position])
        assert not list((tmp_path / "work").iterdir())

    def test_a_full_disk_is_one_line(self) -> None:
        with Path("/dev/full").open("r+b", buffering=0) as file:
            spool = FeatureSpool(file, Path("work/features"), 1000, 49, 512)  # type: ignore[arg-type]
            with pytest.raises(StoreError, match=r"work/features: can't keep 0\.1 GB of features: No space left"):
                spool.append(np.zeros((2, 49, 512), np.float32))
