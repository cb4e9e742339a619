from __future__ import annotations

from dataclasses import replace

import pytest

from fer_au.demo.asset import HeadAsset, load_asset
from fer_au.demo.identity import sample_identities
from fer_au.demo.render import PersonModel


@pytest.fixture(scope="session")
def asset() -> HeadAsset:
    return load_asset()


@pytest.fixture(scope="session")
def person(asset: HeadAsset) -> PersonModel:
    identity = sample_identities(asset, 6, seed=3)[3]
    return PersonModel.build(replace(identity, style="short"))
