"""Class activation maps, and the operations on attention maps that losses and metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_au._lazy import lazy_exports

if TYPE_CHECKING:
    from fer_au.cam.compute import compute_cam as compute_cam
    from fer_au.cam.maps import channel_mean as channel_mean
    from fer_au.cam.maps import min_max as min_max
    from fer_au.cam.maps import resize_maps as resize_maps
    from fer_au.cam.maps import shift_non_negative as shift_non_negative
    from fer_au.cam.registry import cam_method as cam_method
    from fer_au.cam.registry import list_cams as list_cams

__getattr__, __all__ = lazy_exports(
    __name__,
    {
        "cam_method": ".registry",
        "channel_mean": ".maps",
        "compute_cam": ".compute",
        "list_cams": ".registry",
        "min_max": ".maps",
        "resize_maps": ".maps",
        "shift_non_negative": ".maps",
    },
)
