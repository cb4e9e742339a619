"""Class activation maps of any model, batched, on the model's device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.cam.compute import CamRun as CamRun
    from fer_au.cam.compute import compute_cam as compute_cam
    from fer_au.cam.forward import CamInput as CamInput
    from fer_au.cam.registry import CamMethod as CamMethod
    from fer_au.cam.registry import create_cam as create_cam
    from fer_au.cam.registry import list_cams as list_cams
    from fer_au.cam.registry import resolve_cams as resolve_cams

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "CamInput": ".forward",
        "CamMethod": ".registry",
        "CamRun": ".compute",
        "compute_cam": ".compute",
        "create_cam": ".registry",
        "list_cams": ".registry",
        "resolve_cams": ".registry",
    },
)
