"""The processes of one training: which part of a batch each one takes, and how they exchange tensors.

``torchrun --nproc-per-node 4 stages/train.py NAME`` (or ``accelerate launch``) trains one experiment in four processes:
NCCL on GPUs, Gloo on processors. Batches, draws and losses are those of one process: ``train.batch_size`` counts the
images of all, and every mean is over the whole batch. The first process alone writes and logs.

accelerate sets up launcher, backend and device, and moves tensors between processes. It does not prepare the model:

* Its autocast copies every feature map that a model returns to float32; guidance wants one mean of each.
* Its precision is one for all trainings of a Python process, ours an experiment's own.
* It wraps a model once, with ``find_unused_parameters`` chosen before there is a model. Here phases freeze layers, so
  that a model is wrapped anew, and each time a probe tells whether the slower search is needed.
* Its dataloaders cut batches image by image; here neighbours, which are mixed in pairs, stay together.
"""

from __future__ import annotations

import os
import warnings
from typing import NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fer_au.compute import log
from fer_au.errors import ConfigError
from fer_au.models.network import FerModel, evaluating

Value = TypeVar("Value")

# All of them are set by torchrun and accelerate launch, and torch needs them all.
_LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Part(NamedTuple):
    """One process's part of a batch.

    Attributes:
        rows: Positions of its images in the batch.
        total: Number of images of the whole batch.
        counts: False where there are fewer pairs of images than processes: a process without one borrows the first pair
            to keep in step. It counts for nothing in losses and gradients; synchronised batch statistics see it twice.
    """

    rows: slice
    total: int
    counts: bool = True


def cut_part(total: int, index: int, count: int) -> Part:
    """Divide a batch among processes: whole pairs of neighbours, as equally as possible.

    Pairs, since neighbours are mixed with each other, and since one image alone has no batch statistics. An odd last
    image goes with the pair before it.
    """
    pairs = max(total // 2, 1)
    each, more = divmod(pairs, count)
    first = index * each + min(index, more)
    last = first + each + (index < more)
    if first == last:
        return Part(slice(0, 2), total, counts=False)
    return Part(slice(2 * first, total if last == pairs else 2 * last), total)


class Processes:
    """This process among those that train together.

    Attributes:
        device: Device that this process trains on.
        count: Number of processes.
        index: Number of this process, from 0.

    Raises:
        ConfigError: A launcher started several processes that can't train together here.
    """

    def __init__(self) -> None:
        ignore_incomplete_launcher()
        launched = int(os.environ.get("WORLD_SIZE") or 1)
        # Left alone, accelerate would take the processes of a machine without GPUs for as many trainings.
        on_processor = launched > 1 and not (torch.cuda.is_available() or torch.xpu.is_available())
        self._accelerator = Accelerator(mixed_precision="no", cpu=on_processor)
        self.device: torch.device = self._accelerator.device
        self.count: int = self._accelerator.num_processes
        self.index: int = self._accelerator.process_index
        if self.count != launched:
            raise ConfigError(
                f"{launched} processes were launched, but {self.count} can train together on {self.device.type}"
            )

    def __str__(self) -> str:
        return self.device.type if self.count == 1 else f"{self.count} x {self.device.type}"

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and logs."""
        return self.index == 0

    def part(self, total: int) -> Part:
        """Return this process's part of a batch of ``total`` images."""
        return cut_part(total, self.index, self.count)

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over the processes; no gradient passes."""
        if self.count == 1:
            return values.detach()
        mean: Tensor = self._accelerator.reduce(values.detach().clone(), "mean")
        return mean

    def gather(self, rows: Tensor) -> Tensor:
        """Collect the rows of all processes, in their order, on the CPU; their numbers may differ."""
        if self.count == 1:
            return rows.cpu()
        rows = rows.to(self.device)
        sizes = self._accelerator.gather(torch.tensor([len(rows)], device=self.device)).tolist()
        padded = torch.cat([rows, rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])])
        chunks = self._accelerator.gather(padded).cpu().split(max(sizes))
        return torch.cat([chunk[:size] for chunk, size in zip(chunks, sizes, strict=True)])

    def from_first(self, value: Value) -> Value:
        """Give all processes the value of the first process; their own values are dropped."""
        if self.count == 1:
            return value
        values = [value]
        broadcast_object_list(values)
        return values[0]

    def wrap(self, model: FerModel, inputs: Tensor) -> nn.Module:
        """Wrap a model so that gradients become the mean over processes; call the wrapper in its place.

        All processes go on with the weights of the first process. The model itself stays as it is. When other
        parameters train, drop the wrapper and wrap the model anew.

        Args:
            model: Model on this process's device.
            inputs: Any model input, which shows whether each parameter that trains plays a part in the scores.
        """
        if self.count == 1:
            return model
        # Of a 1 x 1 convolution, channels_last has strides that differ and describe the same memory.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        return DistributedDataParallel(
            model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            find_unused_parameters=has_unused_parameters(model, inputs),
        )

    @torch.no_grad()
    def copy_buffers(self, model: nn.Module) -> None:
        """Give all processes the batch norm statistics of the first process; each has those of its own images."""
        if self.count > 1:
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes, at the end of the training."""
        self._accelerator.end_training()


def ignore_incomplete_launcher() -> None:
    """Forget a ``LOCAL_RANK`` that no launcher of this training has set, and say so.

    Shells on clusters and in notebooks carry one along. Taken for a launcher's, it would make torch wait for others.
    """
    missing = [name for name in _LAUNCHED if not os.environ.get(name)]
    if missing and os.environ.pop("LOCAL_RANK", None) is not None:
        log(f"LOCAL_RANK is ignored: without {', '.join(missing)} it is no launcher's")


def has_unused_parameters(model: FerModel, inputs: Tensor) -> bool:
    """Tell whether a parameter that trains plays no part in the scores; DDP waits for its gradient unless told."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with evaluating(model):
        output = model(inputs)
        scores = torch.stack([logits.sum() for logits in (output.logits, *output.auxiliary)])
        gradients = torch.autograd.grad(scores.sum(), trained, allow_unused=True)
    return any(gradient is None for gradient in gradients)
