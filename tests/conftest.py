"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _quiet_dvc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep DVC from sending reports and looking for updates: processes of its own, beside each of its commands."""
    folder = tmp_path_factory.mktemp("dvc")
    (folder / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_GLOBAL_CONFIG_DIR", os.fspath(folder))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        yield
