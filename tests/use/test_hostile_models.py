"""Folders of models that a stranger made: each is refused in one line, whatever reads it; nothing is fetched or run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
import shutil
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch

from fer_au.errors import FerAuError
from fer_au.models import load_model
from fer_au.models.config_file import read_config
from fer_au.sealed_json import seal_json
from tests.cli.conftest import Call
from tests.use.conftest import LABELS, SIDE, write_model

MOST_MEMORY = 600_000  # KB that a refusal may take, far below what the cases ask for


def seal(folder: Path, change: Callable[[dict[str, Any]], object] = lambda record: None) -> None:
    """Change config.json, and make its digests fit as its author could."""
    record = read_config(folder)
    record["weights_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    change(record)
    record.pop("schema", None)
    (folder / "config.json").write_bytes(seal_json({**record, "schema": "fer_au.model/2"}))


def setting(key: str, value: object) -> Callable[[Path], None]:
    """A config with another value, at a key with dots."""

    def harm(folder: Path) -> None:
        def change(record: dict[str, Any]) -> None:
            *parents, last = key.split(".")
            place = record
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value

        seal(folder, change)

    return harm


def head(name: str, **options: object) -> Callable[[Path], None]:
    return setting("model", {"backbone": "test_resnet", "head": name, "head_options": options})


def lacking(key: str) -> Callable[[Path], None]:
    return lambda folder: seal(folder, lambda record: record.pop(key))


def weights(change: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]]) -> Callable[[Path], None]:
    """Other tensors, with digests that fit."""

    def harm(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(safetensors.torch.save(dict(change(safetensors.torch.load(path.read_bytes())))))
        seal(folder)

    return harm


def content(data: bytes | Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Other bytes of the weights, with digests that fit."""

    def harm(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(data(path.read_bytes()) if callable(data) else data)
        seal(folder)

    return harm


def header(entries: object, tail: bytes = b"") -> bytes:
    """A safetensors file with a header of one's own."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + tail


def text(change: Callable[[str], str]) -> Callable[[Path], None]:
    """Another text of config.json, in the form that needs no digest."""

    def harm(folder: Path) -> None:
        path = folder / "config.json"
        record = json.loads(path.read_text()) | {"schema": "fer_au.model/1"}
        record.pop("sha256")
        path.write_text(change(json.dumps(record)))

    return harm


def linked(target: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors").symlink_to(target)

    return harm


def pipe(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


class Harm:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harmed",))


def of_another_config(folder: Path) -> None:
    other = write_model(folder.parent / "other", head="lan", head_options={"widths": [4]}, output_stride=None)
    shutil.copy(other / "model.safetensors", folder)
    seal(folder)


def first_of(tensors: dict[str, torch.Tensor]) -> str:
    return min(name for name, value in tensors.items() if value.ndim == 4)


def deep_sealed(folder: Path) -> None:
    deep = "[" * 200_000 + "]" * 200_000
    blank = "0" * 64
    body = f'{{\n  "schema": "fer_au.model/2",\n  "model": {deep},\n  "sha256": "{blank}"\n}}\n'
    digest = hashlib.sha256(body.encode()).hexdigest()
    (folder / "config.json").write_text(body.replace(blank, digest))


HUGE = {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 1 << 62]}
WIDE = 10**9

HARMS: dict[str, Callable[[Path], None]] = {
    "weights cut off": content(lambda data: data[:5000]),
    "weights without a digest that fits": lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100),
    "an empty file of weights": content(b""),
    "a header longer than the file": content(struct.pack("<Q", 1 << 60)),
    "a claimed shape of exabytes": content(header({"a": HUGE}, b"1234")),
    "a claimed shape that overflows": content(header({"a": {**HUGE, "shape": [1 << 62] * 8}}, b"1234")),
    "a header that nests deeply": content(struct.pack("<Q", 200_000) + b"[" * 200_000),
    "a pickle by that name": content(pickle.dumps(Harm())),
    "NaN in weights": weights(lambda found: {**found, first_of(found): found[first_of(found)] * float("nan")}),
    "weights of whole numbers": weights(lambda found: {**found, first_of(found): found[first_of(found)].long()}),
    "weights of 8-bit floats": weights(
        lambda found: {**found, first_of(found): found[first_of(found)].to(torch.float8_e4m3fn)}
    ),
    "half of the weights' precision": weights(lambda found: {name: value.half() for name, value in found.items()}),
    "a missing tensor": weights(lambda found: {k: v for k, v in found.items() if k != first_of(found)}),
    "one tensor more": weights(lambda found: {**found, "../../x": torch.zeros(3)}),
    "weights of another config": of_another_config,
    "a link to nothing": linked("nothing"),
    "a link to zeros without end": linked("/dev/zero"),
    "a link to a folder": linked("/"),
    "a pipe": pipe,
    "an unknown backbone": setting("model.backbone", "resnet18_of_my_own"),
    "a backbone on a hub": setting("model.backbone", "hf_hub:stranger/model"),
    "a backbone on a hub, spelled otherwise": setting("model.backbone", "hf-hub:stranger/model"),
    "a backbone in a folder": setting("model.backbone", "local-dir:../../etc"),
    "a backbone at an address": setting("model.backbone", "https://example.org/model"),
    "weights that timm would fetch": setting("model.backbone_options", {"pretrained": True}),
    "weights that timm would read": setting("model.backbone_options", {"checkpoint_path": "/etc/passwd"}),
    "an option that timm would follow": setting("model.backbone_options", {"pretrained_cfg": {"url": "http://x"}}),
    "a head of enormous width": setting(
        "model", {"backbone": "test_resnet", "head": "acol", "head_options": {"width": WIDE}}
    ),
    "a head of enormous grid": setting(
        "model", {"backbone": "test_resnet", "head": "grid", "head_options": {"cells": WIDE}}
    ),
    "a head of a million blocks": setting(
        "model", {"backbone": "test_resnet", "head": "apvit", "head_options": {"dim": 8, "depth": 10**6}}
    ),
    "a network for enormous images": setting("model", {"backbone": "test_vit", "backbone_options": {"img_size": WIDE}}),
    "a network that needs numbers, for enormous images": setting(
        "model", {"backbone": "swin_tiny_patch4_window7_224", "backbone_options": {"img_size": 100_000}}
    ),
    "enormous images": setting("preprocessing.image_size", 4000),
    "enormous crops": setting("preprocessing.align.image_size", 10**9),
    "classes twice": setting("classes", [*LABELS, LABELS[-1]]),
    "classes without end": setting("classes", [f"subject:{number:07}" for number in range(20_000)]),
    "a class that is a path": setting("classes", ["../../etc/passwd", "happiness"]),
    "no classes": lacking("classes"),
    "no model": lacking("model"),
    "a model of another kind": setting("model", ["test_resnet"]),
    "an unknown key of the model": setting("model.trust_remote_code", True),
    "a file beside it that lies elsewhere": setting("files", {"../../../etc/passwd": "0" * 64}),
    "a key twice": text(lambda body: body.replace('"classes":', '"classes": [], "classes":', 1)),
    "NaN among the settings": text(lambda body: body.replace('"image_size": 64', '"image_size": NaN', 1)),
    "deep JSON": text(lambda body: '{"a":' * 100_000),
    "deep JSON with a digest that fits": deep_sealed,
    "no JSON": text(lambda body: "<html>"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("plain") / "m", output_stride=None)


@pytest.fixture
def folder(plain: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound model in the current folder, and a picture; whoever opens a connection fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    shutil.copytree(plain, "m")
    PIL.Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save("a.png")
    return Path("m")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", HARMS)
def test_a_strangers_model_is_refused_in_one_line_by_all_who_read_it(harm: str, folder: Path, call: Call) -> None:
    HARMS[harm](folder)
    there = sorted(Path().rglob("*"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = []
    for words in (("predict", "m", "a.png", "--aligned", "--csv", "a.csv"), ("export", "m", "a.onnx")):
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        lines.append(err)
    assert lines[0] == lines[1], "one mechanism gives one line"
    assert lines[0].startswith("error: m")
    assert lines[0].count("\n") == 1
    assert len(lines[0]) < 1000
    with pytest.raises(FerAuError) as caught:  # as evaluate, cross and probe do
        load_model(folder)
    assert f"error: {caught.value}\n" == lines[0]
    assert sorted(Path().rglob("*")) == there
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_MEMORY


def test_a_link_to_the_right_weights_is_followed(folder: Path) -> None:
    """DVC and hubs keep files elsewhere and lay links."""
    shutil.move(folder / "model.safetensors", "kept")
    (folder / "model.safetensors").symlink_to(Path("kept").absolute())
    load_model(folder)
