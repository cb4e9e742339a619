"""Batches in a seeded order, decoded ahead of time by threads.

OpenCV releases Python's lock while it decodes, so threads scale as processes do, without copies, pickles or shared
memory. Decoded images of a set that fits stay in memory: from the second epoch on nothing is decoded. The number of
threads (``FER_AU_WORKERS``) and the size of that memory (``FER_AU_IMAGE_CACHE_MB``) are environment: they change no
result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_au.batches.faces import Batch, FaceDataset
from fer_au.batches.image_cache import image_cache_bytes
from fer_au.batches.seeds import generator_for
from fer_au.compute import batched, in_order, worker_count

_MAX_THREADS = 8  # more would only hold more batches in memory


def shuffled(count: int, seed: int, epoch: int, purpose: str = "order") -> list[int]:
    """Shuffle samples as seed, epoch and purpose alone decide."""
    order: list[int] = torch.randperm(count, generator=generator_for(seed, purpose, epoch)).tolist()
    return order


def balanced(labels: Sequence[int], seed: int, epoch: int) -> list[int]:
    """Draw an order in which every class occurs equally often, as seed and epoch alone decide.

    It is as long as the set. A small class repeats: all its samples before any a second time. Of a large class, each
    epoch draws others. What is left after equal shares goes to classes at random.

    Args:
        labels: Class of every sample.
        seed: Seed of the experiment.
        epoch: Number of the epoch, 0-based.
    """
    generator = generator_for(seed, "balanced order", epoch)
    classes = torch.as_tensor(labels)
    members = [(classes == label).nonzero().squeeze(1) for label in sorted(set(labels))]
    share, rest = divmod(len(classes), len(members))
    lucky = set(torch.randperm(len(members), generator=generator)[:rest].tolist())
    drawn: list[Tensor] = []
    for number, samples in enumerate(members):
        wanted = share + (number in lucky)
        rounds = [torch.randperm(len(samples), generator=generator) for _ in range(-(-wanted // len(samples)))]
        drawn += [samples[torch.cat(rounds)[:wanted]]] if wanted else []
    chosen = torch.cat(drawn)
    order: list[int] = chosen[torch.randperm(len(chosen), generator=generator)].tolist()
    return order


def cut_batches(order: Sequence[int], batch_size: int) -> list[Sequence[int]]:
    """Cut an order into batches; every sample is used once per epoch.

    A single left-over sample joins the batch before it: alone it has no batch statistics to be normalised by.
    """
    batches = batched(order, batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [[*batches[-2], *batches[-1]]]
    return batches


class BatchLoader:
    """Loads batches of a data set.

    Args:
        dataset: Faces to load.
        threads: Number of decoding threads; default ``FER_AU_WORKERS`` or the processors, at most 8.
        keep: Whether decoded images stay in memory for the next pass, if they fit.
    """

    def __init__(self, dataset: FaceDataset, threads: int | None = None, *, keep: bool = True) -> None:
        self.dataset = dataset
        self.threads = min(threads or worker_count(), _MAX_THREADS)
        shape = (len(dataset), 3 * dataset.views, dataset.image_size, dataset.image_size)
        fits = keep and np.prod(shape, dtype=np.int64) <= image_cache_bytes()
        # Reserved here, filled page by page as images are decoded.
        self._images: NDArray[np.uint8] | None = np.empty(shape, np.uint8) if fits else None
        self._decoded = np.zeros(len(dataset), np.bool_)

    def __call__(self, batches: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Load batches of positions, in order; a few are always on the way."""
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                yield from in_order(pool, self._load, batches, self.threads + 1)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, indices: Sequence[int]) -> Batch:
        if self._images is None:
            return self.dataset.batch(indices)
        for index in indices:
            if not self._decoded[index]:
                self._images[index] = self.dataset.image(index)
                self._decoded[index] = True
        return self.dataset.batch(indices, self._images[list(indices)])
