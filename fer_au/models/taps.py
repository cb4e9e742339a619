"""Feature maps of any torch model: hooks on some of its modules keep what they gave in the last forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from fer_au.answers import describe
from fer_au.arguments import read_names
from fer_au.errors import ArgumentError
from fer_au.registry import near_names

_MOST_EXTRA = 16  # tokens in front of those of the picture: a class token, registers
_CHANNELS_LAST = "NHWC"  # timm's word for maps whose channels come last
_ORDER = "output_fmt"  # timm's attribute that says so
_PICTURES = "pictures"


class Taps:
    """Hooks that keep the outputs of some modules, as maps.

    A module's output is taken as a map if it is a tensor, or begins with one: (N, c, h, w); (N, h, w, c) where the
    module or the model says so in timm's attribute ``output_fmt``; tokens (N, T, c) of a square picture, whose class
    token and registers come first.

    Args:
        model: Any model. Wrappers (``DistributedDataParallel``, ``torch.compile``) are looked through.
        layers: Names of modules, as ``model.named_modules()`` gives them.
        extra_tokens: Tokens in front of those of the picture; None for the model's ``num_prefix_tokens``, or else as
            many as leave a square.
        copies: Whether to keep copies, which no module behind changes in place.

    Raises:
        ArgumentError: There is no such module, it normalises channels, or the model can't be hooked.
    """

    def __init__(
        self, model: nn.Module, layers: Sequence[str], *, extra_tokens: int | None = None, copies: bool = False
    ) -> None:
        inner = bare_model(model)
        self.layers = read_names("layers", layers)
        modules = dict(inner.named_modules())
        for number, name in enumerate(self.layers):
            _check_layer(f"layers[{number}]", name, modules)
        given = extra_tokens if extra_tokens is not None else getattr(inner, "num_prefix_tokens", None)
        self._extra = given if isinstance(given, int) else None
        self._order = getattr(inner, _ORDER, None)
        # Plain containers, which torch.compile can trace.
        self._kept: dict[str, Tensor] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._handles = [inner.register_forward_pre_hook(_sizer(self._sizes), with_kwargs=True)]
        self._modules = {name: modules[name] for name in self.layers}
        keep = partial(_keeper, self._kept, copies=copies)
        self._handles += [module.register_forward_hook(keep(name)) for name, module in self._modules.items()]

    @property
    def order(self) -> tuple[str, ...]:
        """Layers in the order in which they last ran."""
        return tuple(self._kept)

    @property
    def input_size(self) -> tuple[int, int]:
        """Rows and columns of the pictures of the last forward pass.

        Raises:
            ArgumentError: There was none, or its input holds no pictures (N, c, H, W).
        """
        if not self._sizes:
            raise ArgumentError("model: saw no pictures (N, c, H, W) yet; call it first")
        return self._sizes[_PICTURES]

    def maps(self) -> list[Tensor]:
        """Give the features of the last forward pass, (N, c, h, w) of each layer, in its precision and graph.

        Raises:
            ArgumentError: There was no forward pass since the last ``forget``, or a module gave something else than a
                map.
        """
        if missing := [name for name in self.layers if name not in self._kept]:
            when = "in the last forward pass" if self._kept else "since the last loss; call the model first"
            raise ArgumentError(f"layers: {missing[0]!r} did not run {when}")
        return [self._as_map(name, self._kept[name]) for name in self.layers]

    def forget(self) -> None:
        """Drop the kept maps, and with them their graph."""
        self._kept.clear()

    def remove(self) -> None:
        """Take all hooks off the model, and drop the kept maps."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.forget()

    close = remove  # for contextlib.closing

    def _as_map(self, name: str, given: Tensor) -> Tensor:
        order = getattr(self._modules[name], _ORDER, self._order)
        return as_map(name, given, self._extra, channels_last=str(getattr(order, "value", order)) == _CHANNELS_LAST)


def as_map(name: str, given: Tensor, extra_tokens: int | None = None, *, channels_last: bool = False) -> Tensor:
    """Take the output of a module as a map.

    Args:
        name: Name of the module, for messages.
        given: (N, c, h, w), or (N, h, w, c) with ``channels_last``, or tokens (N, T, c).
        extra_tokens: Tokens in front of those of the picture; None for as many as leave a square.
        channels_last: Whether the channels of a map come last.

    Returns:
        (N, c, h, w).

    Raises:
        ArgumentError: It is neither a map nor tokens of a square picture.
    """
    if given.ndim == 4:
        return given.permute(0, 3, 1, 2) if channels_last else given
    if given.ndim != 3:
        raise ArgumentError(f"layers: {name!r} gave {describe(given)}, which is neither a map nor tokens")
    count = int(given.shape[1])
    side = math.isqrt(count if extra_tokens is None else max(count - extra_tokens, 0))
    extra = count - side * side
    if not side or extra > _MOST_EXTRA or extra_tokens not in (None, extra):
        front = "" if extra_tokens is None else f" with {extra_tokens} of them left out"
        raise ArgumentError(f"layers: {name!r} gave {count} tokens, which are no square{front}; see extra_tokens")
    return given[:, extra:].transpose(1, 2).reshape(len(given), -1, side, side)


def bare_model(model: object) -> nn.Module:
    """Look through the wrappers around a model, whose modules' names would have other beginnings.

    Raises:
        ArgumentError: It is no torch model, or wrapped in ``DataParallel``, whose copies no hook can follow.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model: expected a torch.nn.Module, got {describe(model)}")
    if isinstance(model, nn.DataParallel):
        raise ArgumentError("model: DataParallel copies the model in each step; use DistributedDataParallel")
    inner = getattr(model, "_orig_mod", None)  # of torch.compile
    if inner is None and isinstance(model, nn.parallel.DistributedDataParallel):
        inner = model.module
    return model if inner is None else bare_model(inner)


def _check_layer(place: str, name: str, modules: Mapping[str, nn.Module]) -> None:
    if name not in modules or not name:
        raise ArgumentError(f"{place}: the model has no module {name!r}; {near_names(name, [*filter(None, modules)])}")
    if isinstance(modules[name], nn.LayerNorm):
        raise ArgumentError(
            f"{place}: {name!r} is a LayerNorm, which gives every position the same mean over channels: no attention "
            "is left in it; take the module before it"
        )


def _keeper(kept: dict[str, Tensor], name: str, *, copies: bool) -> Callable[[nn.Module, object, object], None]:
    def keep(_: nn.Module, __: object, output: object) -> None:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if isinstance(first, Tensor):
            kept[name] = first.clone() if copies else first

    return keep


def _sizer(
    sizes: dict[str, tuple[int, int]],
) -> Callable[[nn.Module, tuple[object, ...], Mapping[str, object]], None]:
    def measure(_: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        for one in (*args, *kwargs.values()):
            if isinstance(one, Tensor) and one.ndim == 4:
                sizes[_PICTURES] = (one.shape[2], one.shape[3])
                return

    return measure
