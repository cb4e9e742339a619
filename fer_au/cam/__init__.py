"""Class activation maps of any model, batched, on the model's device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.cam.compute import compute_cam as compute_cam
    from fer_au.cam.registry import cam_method as cam_method
    from fer_au.cam.registry import list_cams as list_cams

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "cam_method": ".registry",
        "compute_cam": ".compute",
        "list_cams": ".registry",
    },
)
