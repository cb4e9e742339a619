"""The first phase of a training with cue ``clusters``: K-means on the features of the experiment's base model.

The base model sees the training images unaugmented, in evaluation mode and float32. Their features of its last layer go
to a file on the disk (4 bytes per number) and from there to K-means, one position at a time; the mirrored images are
then told apart by the same centres, and need no file. So memory grows with the images times one position's channels.

The result depends on the base model and the images alone, and is kept below the workspace: experiments that share
both, such as those of an ablation, share one clustering, and a run that follows a killed one finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fer_au.batches.faces import FaceDataset
from fer_au.batches.loading import BatchLoader, cut_batches
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import log
from fer_au.config.experiments import GuidanceConfig
from fer_au.cues.clusters import VERSION, Clusters, Degenerate, feature_spool, fit_clusters
from fer_au.cues.cue import CUES
from fer_au.errors import DataError, StoreError
from fer_au.fingerprints import fingerprint
from fer_au.models.files import load_model
from fer_au.models.network import FerModel
from fer_au.shards.damaged import set_aside
from fer_au.stores.columns import encode_ids
from fer_au.stores.locks import output_lock
from fer_au.stores.reader import Store
from fer_au.stores.writer import write_store

FOLDER = Path(".fer_au/clusters")
_BATCH = 64
_NAMED = 5  # degenerate positions that the log names one by one


def needs_clusters(entries: Sequence[GuidanceConfig]) -> bool:
    """Tell whether a cue of an experiment's guidance is drawn from clusters.

    Raises:
        UnknownNameError: There is no such cue; the message lists near names.
    """
    return any(CUES.get(entry.cue).source == "clusters" for entry in entries)


def prepare_clusters(faces: FaceDataset, base_dir: Path, device: torch.device, *, trust: str | None = None) -> Store:
    """Cluster the features of a base model, or find the clusters that an earlier run made of the same features.

    Of several processes that ask for the same clusters at once, the first makes them and the others wait.

    Args:
        faces: The training split.
        base_dir: ``models/<base>``.
        device: Device that the base model runs on.
        trust: Code that makes the base model, as in ``load_model``.

    Returns:
        A store of schema ``clusters``: per image the map (2, h, w), its own and, in the mirrored image's frame, that of
        its mirror image; per position, row by row, the fields of ``cues.clusters.Clusters``.

    Raises:
        DataError: The base model is missing or damaged, or its features are not finite.
        StoreError: The disk is full or can't be written.
    """
    base, meta = load_model(base_dir, trust=trust)
    identity = {
        "weights": meta["weights_sha256"],
        "model": meta["model"],
        "preprocessing": meta.get("preprocessing", {}),
        "faces": faces.content_hashes()["faces.h5"],
        "ids": hashlib.sha256("\n".join(faces.ids).encode()).hexdigest(),
    }
    expected = fingerprint("clusters", VERSION, identity)
    path = FOLDER / f"{expected}.h5"
    with output_lock(path):
        if not _usable(path, expected, faces):
            _write(path, expected, faces, base.to(device), Preprocessing.from_meta(identity["preprocessing"]))
        return Store.open(path, "clusters")


def _usable(path: Path, expected: str, faces: FaceDataset) -> bool:
    if not path.exists():
        return False
    try:
        store = Store.open(path, "clusters")
        store.check_ids(faces.ids, "the training split")
        if store.fingerprint != expected:
            raise StoreError("the clusters of other features")
        if store["map"].max(initial=0) > 1 or not np.isfinite(store["table/centres"]).all():
            raise StoreError("its values are none of clusters")
    except StoreError as error:
        set_aside(path, FOLDER.parent, str(error).removeprefix(f"{path}: "), "clustering anew")
        return False
    return True


def _write(path: Path, identity: str, faces: FaceDataset, base: FerModel, preprocessing: Preprocessing) -> None:
    images = faces.resized(preprocessing.image_size, base.views)
    grid = base.grid_sizes(preprocessing.image_size)[base.layers[-1]]
    loader = BatchLoader(images)
    log(f"clusters: features of {len(images)} faces, {grid[0]} x {grid[1]} positions")
    features = _features(base, loader, preprocessing, mirror=False)
    first = next(features)
    with feature_spool(path.with_suffix(".features"), len(images), *first.shape[1:]) as spool:
        spool.append(first)
        for block in features:
            spool.append(block)
        clusters, own = fit_clusters(spool)
    mirrored = np.concatenate([clusters.maps(block) for block in _features(base, loader, preprocessing, mirror=True)])
    columns = {
        "id": encode_ids(images.ids),
        "map": np.stack([own, mirrored], axis=1).reshape(len(images), 2, *grid),
        "table/centres": clusters.centres,
        "table/counts": clusters.counts,
        "table/attentive": clusters.attentive,
        "table/degenerate": clusters.degenerate,
    }
    log(describe(clusters, grid))
    write_store(path, "clusters", columns, fingerprint=identity, attributes={"layer": base.layers[-1]})


@torch.no_grad()
def _features(
    model: FerModel, loader: BatchLoader, preprocessing: Preprocessing, *, mirror: bool
) -> Iterator[NDArray[np.float32]]:
    """Compute the last layer's features of all images in order, (n, positions, channels) at a time."""
    device = next(model.parameters()).device
    for batch in loader(cut_batches(range(len(loader.dataset)), _BATCH)):
        images = batch.images.to(device)
        maps = model(preprocessing(images.flip(3) if mirror else images)).features[model.layers[-1]]
        features = maps.float().flatten(2).transpose(1, 2).contiguous().cpu().numpy()
        if not np.isfinite(features).all():
            raise DataError(f"the base model's features of {batch.ids[0]!r} or one of the next are not finite")
        yield features


def describe(clusters: Clusters, grid: tuple[int, int]) -> str:
    """Describe clusters in one line: the sizes of the attentive clusters, and the positions that tell little.

    Args:
        clusters: Clusters of all positions, row by row.
        grid: Rows and columns of positions.
    """
    images = int(clusters.counts[0].sum())
    share = np.take_along_axis(clusters.counts, clusters.attentive[:, None].astype(np.int64), axis=1)[:, 0] / images
    spread = f"{share.min():.1%} to {share.max():.1%} (median {np.median(share):.1%})"
    text = f"clusters: attentive at a position are {spread} of {images} faces"
    places = np.flatnonzero(clusters.degenerate)
    if not len(places):
        return text
    named = [
        f"row {place // grid[1]} column {place % grid[1]} ({Degenerate(clusters.degenerate[place]).name.lower()})"
        for place in places[:_NAMED].tolist()
    ]
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"{text}; {len(places)} of {len(share)} positions are degenerate: {', '.join(named)}{more}"
