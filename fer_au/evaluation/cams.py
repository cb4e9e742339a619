"""Choose before an evaluation which of its CAMs are scored: those that the model can have."""

from __future__ import annotations

from fer_au.cam.registry import resolve_cams
from fer_au.config.cams import SKIP_REMEDY
from fer_au.config.experiments import EvaluateConfig
from fer_au.errors import ConfigError, MissingCamError
from fer_au.models.network import FerModel


def choose_cams(config: EvaluateConfig, model: FerModel) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the CAMs of ``evaluate.cams`` that a model has.

    Returns:
        These CAMs; and CAM -> reason of those that it can't have, where ``evaluate.on_missing_cam`` skips them.

    Raises:
        ConfigError: No model can have a CAM, or this one can't and none may be skipped; the message names key and CAM.
    """
    found: list[str] = []
    skipped: dict[str, str] = {}
    for cam in config.cams:
        try:
            resolve_cams([cam], model)
        except MissingCamError as error:
            if config.on_missing_cam != "skip":
                raise ConfigError(f"evaluate.cams: {error}; or {SKIP_REMEDY}") from error
            skipped[cam] = error.reason
        except ConfigError as error:
            raise ConfigError(f"evaluate.cams: {error}") from error
        else:
            found.append(cam)
    return tuple(found), skipped
