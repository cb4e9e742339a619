"""The made-up data sets of the training's tests."""

from __future__ import annotations

from tests.training.conftest import dataset_dir as dataset_dir
from tests.training.conftest import make_dataset as make_dataset
from tests.training.conftest import workspace as workspace
