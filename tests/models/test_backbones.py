"""One contract for small members of several timm families: shapes, gradients, layer names, options."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fer_au.config.model import ModelConfig
from fer_au.errors import ConfigError, UnknownNameError
from fer_au.models import create_model, list_backbones
from fer_au.models.strides import avoid_strided_pointwise

CLASSES = ("neutral", "happiness", "surprise", "anger")
FAMILIES = {
    "resnet10t": 5,
    "resnet18": 5,
    "mobilenetv2_050": 6,
    "mobilenetv3_small_050": 5,
    "efficientnet_lite0": 6,
    "convnext_atto": 4,
    "repvgg_a0": 5,
    "selecsls42": 6,
    "inception_next_atto": 4,
    "vit_tiny_patch16_224": 12,
    "resnext26ts": 5,
    "seresnet18": 5,
    "regnetx_002": 5,
    "regnety_002": 5,
    "tf_efficientnet_lite0": 6,
    "mobilenetv4_conv_small_035": 5,
    "ghostnet_050": 6,
    "vgg11": 6,
    "densenet121": 5,
    "mobilevit_xxs": 5,
    "pvt_v2_b0": 4,
    "test_mambaout": 4,
    "swin_tiny_patch4_window7_224": 4,
    "deit_tiny_patch16_224": 12,
    "deit_tiny_distilled_patch16_224": 12,
    "test_vit3": 9,
}
STRIDED = [
    "resnext26ts",
    "seresnet18",
    "regnetx_002",
    "tf_efficientnet_lite0",
    "repvgg_a0",
    "mobilevit_xxs",
    "xception41",
]


@pytest.mark.parametrize(("backbone", "layers"), FAMILIES.items())
def test_backbone_gives_logits_numbered_maps_and_gradients_for_every_parameter(backbone: str, layers: int) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0).train()
    images = torch.randn(2, 3, 64, 64)
    output = model(images)
    assert model.layers == tuple(str(number) for number in range(1, layers + 1))
    assert tuple(output.features) == model.layers
    assert output.logits.shape == (2, len(CLASSES))
    assert output.attention is None
    rows = [maps.shape[2] for maps in output.features.values()]
    assert rows == sorted(rows, reverse=True)
    assert all(maps.ndim == 4 and maps.shape[2] == maps.shape[3] for maps in output.features.values())
    assert output.final.shape[2:] == output.features[model.layers[-1]].shape[2:]
    output.logits.square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("backbone", FAMILIES)
def test_grid_sizes_are_those_of_the_features_and_leave_the_model_as_it_was(backbone: str) -> None:
    model = create_model({"backbone": backbone}, CLASSES, seed=0).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grids = model.grid_sizes(64)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad():
        features = model.eval()(torch.randn(1, 3, 64, 64)).features
    assert grids == {name: tuple(maps.shape[2:]) for name, maps in features.items()}


def test_a_transformer_layer_is_the_residual_stream_and_the_head_reads_normed_tokens() -> None:
    model = create_model({"backbone": "vit_tiny_patch16_224"}, CLASSES, seed=0).eval()
    with torch.no_grad():
        output = model(torch.randn(2, 3, 64, 64))
        normed = model.backbone.network.norm(output.features["12"].flatten(2).transpose(1, 2))
    assert torch.allclose(normed.transpose(1, 2).unflatten(2, (4, 4)), output.final, atol=1e-5)


@pytest.mark.parametrize("size", [75, 97])
@pytest.mark.parametrize(
    "backbone", ["resnext26ts", "mobilenetv2_050", "tf_efficientnet_lite0", "vgg11", "mobilevit_xxs"]
)
def test_grey_images_of_an_odd_size_give_maps_of_the_size_that_was_foretold(backbone: str, size: int) -> None:
    model = create_model({"backbone": backbone, "in_chans": 1}, CLASSES, seed=0).eval()
    with torch.no_grad():
        output = model(torch.randn(2, 1, size, size))
    assert model.grid_sizes(size) == {name: tuple(maps.shape[2:]) for name, maps in output.features.items()}
    assert output.final.shape[2:] == output.features[model.layers[-1]].shape[2:]


@pytest.mark.parametrize("stride", [{"output_stride": 8}, {"large_maps": True}])
@pytest.mark.parametrize("backbone", STRIDED)
def test_stride_8_works_in_many_families(backbone: str, stride: dict[str, object]) -> None:
    model = create_model({"backbone": backbone, **stride}, CLASSES, seed=0)
    assert list(model.grid_sizes(112).values())[-3:] == [(14, 14)] * 3


def test_final_of_a_resnet_is_its_last_layer() -> None:
    model = create_model({"backbone": "resnet10t"}, CLASSES, seed=0).eval()
    output = model(torch.randn(1, 3, 64, 64))
    assert output.final is output.features["5"]


@pytest.mark.parametrize("stride", [{"output_stride": 8}, {"large_maps": True}])
@pytest.mark.parametrize("backbone", ["resnet10t", "resnet18"])
def test_stride_8_gives_14_by_14_maps_of_112_pixel_faces(backbone: str, stride: dict[str, object]) -> None:
    model = create_model({"backbone": backbone, **stride}, CLASSES, seed=0)
    assert model.grid_sizes(112) == {"1": (56, 56), "2": (28, 28), "3": (14, 14), "4": (14, 14), "5": (14, 14)}


@pytest.mark.parametrize("backbone", ["resnet10t", "resnet18", "mobilenetv2_050", "tf_mobilenetv3_small_minimal_100"])
def test_large_maps_have_no_dilation_and_the_weights_of_the_plain_network(backbone: str) -> None:
    if backbone.startswith("tf_"):
        with pytest.raises(ConfigError, match=r"model\.large_maps: backbone 'tf_mobilenetv3"):
            create_model({"backbone": backbone, "large_maps": True}, CLASSES)
        return
    plain = create_model({"backbone": backbone}, CLASSES, seed=3)
    large = create_model({"backbone": backbone, "large_maps": True}, CLASSES, seed=3)
    assert all(m.dilation == (1, 1) for m in large.modules() if isinstance(m, nn.Conv2d))
    assert all(torch.equal(value, large.state_dict()[name]) for name, value in plain.state_dict().items())


def test_large_maps_are_the_plain_network_with_stride_1_in_its_last_two_stages() -> None:
    plain = create_model({"backbone": "resnet18"}, CLASSES, seed=3).eval()
    large = create_model({"backbone": "resnet18", "large_maps": True}, CLASSES, seed=3).eval()
    for stage in (plain.backbone.network.layer3, plain.backbone.network.layer4):
        stage[0].conv1.stride = stage[0].downsample[0].stride = (1, 1)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(plain(images).final, large(images).final, atol=1e-5)


def test_large_maps_do_not_shift_the_shortcuts() -> None:
    # timm averages 2x2 cells in the shortcuts of resnet10t, which at stride 1 moves the map by half a cell.
    images = torch.randn(1, 256, 8, 4)
    mirrored = torch.cat([images, images.flip(3)], 3)
    symmetric = {}
    for options in ({"large_maps": True}, {"output_stride": 8}):
        model = create_model({"backbone": "resnet10t", **options}, CLASSES, seed=0).eval()
        with torch.no_grad():
            shortcut = model.backbone.network.layer4[0].downsample(mirrored)
        symmetric[next(iter(options))] = torch.allclose(shortcut, shortcut.flip(3), atol=1e-5)
    assert symmetric == {"large_maps": True, "output_stride": False}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vit_tiny_patch16_224", "output_stride": 8}, r"model\.output_stride: backbone 'vit_tiny"),
        ({"backbone": "resnet18", "output_stride": 4}, r"model\.output_stride: backbone 'resnet18'"),
        ({"backbone": "vit_tiny_patch16_224", "large_maps": True}, r"model\.large_maps: backbone 'vit_tiny"),
        ({"backbone": "convnext_atto", "large_maps": True}, r"model\.large_maps: backbone 'convnext_atto'"),
        ({"backbone": "vgg11", "large_maps": True}, r"model\.large_maps: backbone 'vgg11' can't change its strides"),
        ({"backbone": "densenet121", "output_stride": 8}, r"model\.output_stride: backbone 'densenet121' can't change"),
        ({"backbone": "resnet18", "large_maps": True, "output_stride": 8}, "exclude each other"),
        ({"backbone": "resnet18", "heads": "gap"}, "heads"),
        ({"backbone": "resnet18", "head": "gaap"}, "did you mean gap"),
    ],
)
def test_an_option_that_cannot_work_is_one_clear_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        create_model(options, CLASSES)
    assert "\n" not in str(caught.value)


def test_an_unknown_backbone_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown backbone 'resnet-18'; did you mean .*resnet18"):
        create_model({"backbone": "resnet-18"}, CLASSES)


@pytest.mark.parametrize("name", ["efficientvim_m1", "coat_tiny", "pit_ti_224"])
def test_a_backbone_without_a_last_feature_map_is_a_config_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"backbone '{name}'"):
        create_model({"backbone": name}, CLASSES, seed=0).grid_sizes(224)


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/tmp", "", "zzzzzzzz"])
def test_only_architectures_of_the_library_are_backbones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown backbone"):
        create_model({"backbone": name}, CLASSES)


def test_an_image_size_that_the_backbone_cannot_take_is_a_config_error() -> None:
    model = create_model({"backbone": "mixer_s32_224"}, CLASSES, seed=0)
    with pytest.raises(ConfigError, match="'mixer_s32_224' can't take images of 112 pixels"):
        model.grid_sizes(112)


def test_list_backbones_has_hundreds_of_names_and_filters_them() -> None:
    assert len(list_backbones()) > 500
    assert {"resnet18", "resnet50"} <= set(list_backbones("resnet*"))
    assert "vit_tiny_patch16_224" not in list_backbones("resnet*")


def test_resnet18_has_its_published_number_of_parameters() -> None:
    model = create_model(ModelConfig(backbone="resnet18"), CLASSES, seed=0)
    published, classifier = 11_689_512, 512 * 1000 + 1000
    assert sum(p.numel() for p in model.backbone.parameters()) == published - classifier
    assert sum(p.numel() for p in model.head.parameters()) == 512 * len(CLASSES) + len(CLASSES)


def test_grey_images_need_one_channel() -> None:
    model = create_model({"backbone": "resnet10t", "in_chans": 1}, CLASSES, seed=0).eval()
    assert model(torch.randn(2, 1, 64, 64)).logits.shape == (2, len(CLASSES))


def test_channels_last_gives_the_same_result() -> None:
    model = create_model({"backbone": "resnet10t", "output_stride": 8}, CLASSES, seed=0).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        plain = model(images)
        other = model.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(plain.logits, other.logits, atol=1e-4)
    assert other.final.is_contiguous(memory_format=torch.channels_last)


def test_a_subsampled_pointwise_stem_equals_the_strided_one() -> None:
    stem = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2), nn.Conv2d(8, 8, 1, stride=1))
    images = torch.randn(2, 3, 17, 16)
    with torch.no_grad():
        expected = stem(images)
        avoid_strided_pointwise(stem)
        assert torch.allclose(stem(images), expected, atol=1e-6)
    assert stem[0].stride == (1, 1)


def test_options_of_an_architecture_reach_it() -> None:
    plain = create_model({"backbone": "test_resnet"}, CLASSES, seed=0)
    stochastic = create_model({"backbone": "test_resnet", "backbone_options": {"drop_path_rate": 0.5}}, CLASSES, seed=0)
    drops = [m.drop_prob for m in stochastic.modules() if type(m).__name__ == "DropPath"]
    assert max(drops) == 0.5
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(plain.eval()(x).logits, stochastic.eval()(x).logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_chans": 1}, r"^model\.backbone_options\.in_chans: use model\.in_chans$"),
        ({"pretrained": True}, r"^model\.backbone_options\.pretrained: see model\.weights$"),
        ({"pretrained_cfg_overlay": {}}, r"^model\.backbone_options\.pretrained_cfg_overlay: see model\.weights$"),
        ({"checkpoint_path": "x.pth"}, r"^model\.backbone_options\.checkpoint_path: use model\.weights$"),
        ({"depth": 3}, r"^model\.backbone_options\.depth: 'test_resnet' has no such option; known: "),
        ({"drop_pth_rate": 0.1}, r"drop_pth_rate: 'test_resnet' has no such option; did you mean drop_path_rate"),
        ({"drop_rate": 0.5}, r"^model\.backbone_options\.drop_rate: the head decides; mlp and wildcat have a dropout"),
    ],
)
def test_options_that_it_lacks_or_that_have_their_own_key_are_one_clear_line(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        create_model({"backbone": "test_resnet", "backbone_options": options}, CLASSES)
    assert "\n" not in str(caught.value)
