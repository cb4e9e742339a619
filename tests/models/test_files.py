"""A model's folder: exact round trips, and one clear line for each kind of damage."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from fer_au.errors import DataError
from fer_au.models import FerModel, create_model, load_base_weights, load_model, save_model
from fer_au.models.config_file import write_config

CLASSES = ("neutral", "happiness", "surprise", "anger")
CONFIG = {"backbone": "resnet10t", "output_stride": 8}
META = {"preprocessing": {"image_size": 112, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}, "seed": 4}


@pytest.fixture(scope="module")
def model() -> FerModel:
    return create_model(CONFIG, CLASSES, seed=0).eval()


@pytest.fixture
def folder(tmp_path: Path, model: FerModel) -> Path:
    save_model(tmp_path / "au", model, META)
    return tmp_path / "au"


def rewrite(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Put other weights into a folder, with a matching checksum."""
    (folder / "model.safetensors").write_bytes(safetensors.torch.save(tensors))
    record(folder)


def record(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    del config["sha256"]
    write_config(folder / "config.json", {**config, **changes})


def test_a_saved_model_comes_back_bit_for_bit_with_its_meta(folder: Path, model: FerModel) -> None:
    loaded, meta = load_model(folder)
    assert not loaded.training
    assert loaded.config == model.config
    assert loaded.classes == CLASSES
    assert META.items() <= meta.items()
    own, others = model.state_dict(), loaded.state_dict()
    assert own.keys() == others.keys()
    assert all(torch.equal(own[name], others[name]) and own[name].dtype == others[name].dtype for name in own)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(images).logits, loaded(images).logits)


def test_equal_models_give_equal_bytes_in_any_memory_format(tmp_path: Path, model: FerModel) -> None:
    save_model(tmp_path / "a", model, META)
    twin, _ = load_model(tmp_path / "a")
    digest = save_model(tmp_path / "b", twin.to(memory_format=torch.channels_last), META)
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / "config.json").read_text())["weights_sha256"] == digest
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["config.json", "model.safetensors"]


def test_a_reserved_or_unwritable_meta_entry_is_refused_before_anything_is_written(
    tmp_path: Path, model: FerModel
) -> None:
    with pytest.raises(DataError, match="'classes' is reserved"):
        save_model(tmp_path / "m", model, {"classes": []})
    with pytest.raises(DataError, match="can't be written as JSON"):
        save_model(tmp_path / "m", model, {"loss": float("nan")})
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, r"config\.json: can't be read \(No such file or directory\)"),
        ("config.json", b"{", r"config\.json: not valid JSON"),
        ("config.json", b"\xff\xfe", r"config\.json: not valid JSON"),
        ("config.json", b"[]", r"schema None is not 'fer_au\.model/2'"),
        ("config.json", b'{"schema": "fer_au.model/9"}', r"schema 'fer_au\.model/9' is not"),
        ("config.json", b'{"schema": "fer_au.model/1", "classes": 3}', "model: field required"),
        ("config.json", b'{"schema": "fer_au.model/1", "classes": []}', "model: field required"),
        ("model.safetensors", None, r"model\.safetensors: can't be read"),
        ("model.safetensors", b"", r"model\.safetensors: sha256 .* is not the recorded"),
    ],
)
def test_a_missing_or_damaged_file_is_named_in_one_line(
    folder: Path, name: str, content: bytes | None, message: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_one_changed_byte_of_the_weights_is_found(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="sha256"):
        load_model(folder)


def test_a_file_that_is_not_safetensors_is_refused_though_its_checksum_matches(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04K\x01." * 20)
    record(folder)
    with pytest.raises(DataError, match="not a safetensors file"):
        load_model(folder)


def test_weights_that_do_not_fit_the_configuration_are_refused(folder: Path, model: FerModel) -> None:
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    rewrite(folder, {name: value for name, value in tensors.items() if name != "head.linear.bias"})
    with pytest.raises(DataError, match=r"1 tensors are missing, the first is head\.linear\.bias"):
        load_model(folder)
    rewrite(folder, {**tensors, "head.extra": torch.zeros(1)})
    with pytest.raises(DataError, match=r"1 unexpected tensors, the first is head\.extra"):
        load_model(folder)
    rewrite(folder, {**tensors, "head.linear.bias": torch.zeros(9)})
    with pytest.raises(DataError, match=r"head\.linear\.bias is torch\.float32 \[9\], the model needs .* \[4\]"):
        load_model(folder)
    rewrite(folder, {**tensors, "head.linear.bias": torch.zeros(4, dtype=torch.float16)})
    with pytest.raises(DataError, match=r"is torch\.float16 \[4\], the model needs torch\.float32"):
        load_model(folder)


def test_a_configuration_that_builds_no_model_names_the_file(folder: Path) -> None:
    record(folder, model={"backbone": "resnet10tt"})
    with pytest.raises(DataError, match=r"config\.json: unknown backbone 'resnet10tt'"):
        load_model(folder)


def test_a_base_gives_backbone_and_head_when_the_classes_agree(folder: Path, model: FerModel) -> None:
    target = create_model({"backbone": "resnet10t", "large_maps": True}, CLASSES, seed=9)
    report = load_base_weights(target, folder)
    assert set(report.loaded) == set(target.state_dict())
    assert report.skipped == ()
    assert report.reason == ""
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in target.state_dict().items())


def test_a_base_with_other_classes_gives_its_backbone_and_the_log_says_so(
    folder: Path, model: FerModel, capsys: pytest.CaptureFixture[str]
) -> None:
    target = create_model(CONFIG, CLASSES[:3], seed=9)
    fresh = target.head.linear.weight.detach().clone()
    report = load_base_weights(target, folder)
    assert report.skipped == ("head.linear.weight", "head.linear.bias")
    assert len(report.loaded) == len(target.state_dict()) - 2
    assert torch.equal(target.head.linear.weight, fresh)
    assert torch.equal(target.backbone.network.layer4[0].conv1.weight, model.backbone.network.layer4[0].conv1.weight)
    assert "head starts fresh: base classes are neutral, happiness, surprise, anger" in capsys.readouterr().err


def test_another_backbone_is_no_base(folder: Path) -> None:
    target = create_model({"backbone": "resnet18"}, CLASSES, seed=9)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(DataError, match="the base has backbone 'resnet10t', the model 'resnet18'"):
        load_base_weights(target, folder)
    assert all(torch.equal(before[name], value) for name, value in target.state_dict().items())


def test_an_empty_folder_is_no_base(tmp_path: Path, model: FerModel) -> None:
    with pytest.raises(DataError, match=r"is .* a model's folder"):
        load_base_weights(model, tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    next(tensor for tensor in tensors.values() if tensor.is_floating_point()).view(-1)[0] = value
    rewrite(folder, tensors)
    with pytest.raises(DataError, match=r"model\.safetensors: .* holds NaN or infinite values"):
        load_model(folder)


def test_a_negative_variance_is_refused(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors[next(name for name in tensors if name.endswith("running_var"))][0] = -1.0
    rewrite(folder, tensors)
    with pytest.raises(DataError, match="holds a negative variance"):
        load_model(folder)


HOSTILE: list[tuple[str, object]] = [
    ("classes", []),
    ("classes", [1]),
    ("weights_sha256", "x"),
    ("model.backbone", "local-dir:/etc"),
    ("model.backbone_options", {"layers": [10**6, 10**6, 10**6, 10**6]}),
    ("model.backbone_options", {"layers": "x"}),
    ("model.backbone_options", {"width": -1}),
    ("preprocessing.image_size", 10**9),
    ("preprocessing.image_size", -1),
    ("preprocessing.image_size", 3.5),
    ("preprocessing.image_size", True),
    ("preprocessing.channels", 2),
    ("preprocessing.mean", [0, 1]),
    ("preprocessing.mean", [float("nan")] * 3),
    ("preprocessing.std", [0, 0, 0]),
    ("preprocessing.align.choose", "x"),
    ("preprocessing.align.keypoints", "x"),
    ("preprocessing.align.template", "x"),
    ("preprocessing.align.image_size", 10**9),
    ("preprocessing.align.context_size", -1),
    ("seed", "x"),
    ("selected_epoch", -1),
    ("train_images_per_second", "fast"),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_every_entry_of_a_config_has_bounds(folder: Path, key: str, value: object) -> None:
    config = folder / "config.json"
    record = json.loads(config.read_text()) | {"schema": "fer_au.model/1"}
    del record["sha256"]  # the earlier form: no digest has to fit
    record["preprocessing"] = {"image_size": 64, "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3, "align": {}}
    config.write_text(json.dumps(record))
    load_model(folder)
    *parents, last = key.split(".")
    place = record
    for parent in parents:
        place = place[parent]
    place[last] = value
    config.write_text(json.dumps(record))
    started = time.monotonic()
    with pytest.raises(DataError, match=r"config\.json: |backbone") as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 20
