"""Pooled maps of all layers of a network, by one forward pass over the faces; one layer at a time is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fer_au.atomic import WORKSPACE
from fer_au.batches.loading import BatchLoader
from fer_au.batches.preprocess import Preprocessing
from fer_au.compute import Progress, batched
from fer_au.errors import StoreError
from fer_au.models.network import FerModel, evaluating
from fer_au.probe.faces import ProbedFaces

_BATCH = 32  # all layers of a batch are in memory at once
_BYTES = 4  # of a float32


class LayerFeatures:
    """Features of N faces, layer by layer, in a file without a name: nothing is left of it, however the process ends.

    Args:
        count: Number of faces.
        grids: Layer -> channels, rows and columns of its pooled map.

    Attributes:
        grids: Layer -> channels, rows and columns of its pooled map.

    Raises:
        StoreError: From any method: the disk refuses.
    """

    def __init__(self, count: int, grids: Mapping[str, tuple[int, int, int]]) -> None:
        self.count, self.grids = count, dict(grids)
        self._places: dict[str, int] = {}
        end = 0
        for layer in self.grids:
            self._places[layer] = end
            end += count * self.width(layer) * _BYTES
        folder = Path(WORKSPACE)
        try:
            self._file = tempfile.TemporaryFile(dir=folder if folder.is_dir() else None)  # noqa: SIM115 (see __exit__)
        except OSError as error:
            raise _refused(error) from error

    def width(self, layer: str) -> int:
        """Count the features of a face in a layer."""
        channels, rows, columns = self.grids[layer]
        return channels * rows * columns

    def put(self, layer: str, start: int, features: NDArray[np.float32]) -> None:
        """Keep a layer's features (n, width) of the faces from ``start`` on."""
        try:
            self._file.seek(self._places[layer] + start * self.width(layer) * _BYTES)
            self._file.write(np.ascontiguousarray(features, np.float32).tobytes())
        except OSError as error:
            raise _refused(error) from error

    def take(self, layer: str) -> NDArray[np.float32]:
        """Read a layer's features of all faces, (N, width)."""
        width = self.width(layer)
        try:
            self._file.flush()
            self._file.seek(self._places[layer])
            data = self._file.read(self.count * width * _BYTES)
        except OSError as error:
            raise _refused(error) from error
        return np.frombuffer(data, np.float32).reshape(self.count, width)

    def __enter__(self) -> LayerFeatures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _refused(error: OSError) -> StoreError:
    return StoreError(f"features of the layers: the folder of temporary files refuses them ({error.strerror})")


def pool_maps(maps: Tensor, cells: int) -> Tensor:
    """Average maps over a grid of equal parts, and take signed square roots: large activations outweigh no others.

    Args:
        maps: (N, C, h, w) maps of any float type.
        cells: Rows and columns of the grid; of a map with fewer, each cell is a part.

    Returns:
        (N, C, rows, columns) float32.

    Example:
        >>> pool_maps(torch.tensor([[[[1.0, 7.0], [0.0, 8.0]]]]), 1)
        tensor([[[[2.]]]])
    """
    grid = min(cells, maps.shape[2]), min(cells, maps.shape[3])
    means = functional.adaptive_avg_pool2d(maps.float(), grid)
    return means.sign() * means.abs().sqrt()


@torch.inference_mode()
def extract_features(
    title: str, model: FerModel, preprocess: Preprocessing, faces: ProbedFaces, layers: Sequence[str], cells: int
) -> LayerFeatures:
    """Run a network over faces in evaluation mode, and keep the pooled maps of some layers.

    Args:
        title: Name of the run, for its progress.
        model: The network, on any device; its head isn't used.
        preprocess: Its preprocessing.
        faces: Faces, N.
        layers: Names of layers.
        cells: Rows and columns that maps are averaged to, see ``pool_maps``.

    Returns:
        Features; to be closed.
    """
    device = next(model.parameters()).device
    kept: LayerFeatures | None = None
    start = 0
    with evaluating(model), Progress(title, len(faces), "faces") as progress:
        for part, positions in faces.parts:
            for batch in BatchLoader(part, keep=False)(batched(positions, _BATCH)):
                images = preprocess(batch.images.to(device)).contiguous(memory_format=torch.channels_last)
                maps = model.trunk(images).features
                pooled = {layer: pool_maps(maps[layer], cells) for layer in layers}
                if kept is None:
                    grids = {layer: (int(one.shape[1]), *map(int, one.shape[2:])) for layer, one in pooled.items()}
                    kept = LayerFeatures(len(faces), grids)  # type: ignore[arg-type]
                for layer, one in pooled.items():
                    kept.put(layer, start, one.flatten(1).cpu().numpy())
                start += len(images)
                progress.advance(len(images))
    assert kept is not None  # noqa: S101 (there are faces, or reading them was refused)
    return kept
