"""Whether a device has room for a shadow run beside what it serves. Pure."""

from dataclasses import dataclass

GIB = 1024.0**3
FACTOR = 3.0
"""A model takes about so many times the bytes of its file: its weights, another layout of them, and what it computes in between."""
_SHARE, _LEAST = 0.1, 2 * 2**30


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device's meter says of one moment; None is what it does not know.

    *utilization* is a share, *own_bytes* what the asking process holds there.
    """

    name: str
    total_bytes: int
    free_bytes: int
    utilization: float | None = None
    power_watts: float | None = None
    own_bytes: int | None = None


def kept_free(total_bytes: int, headroom: int | None) -> int:
    """How many bytes must stay free: *headroom*, else 2 GiB or a tenth of the device, whichever is more."""
    return headroom if headroom is not None else max(_LEAST, round(_SHARE * total_bytes))


def lacking(device: DeviceState, model_bytes: int, headroom: int | None, max_utilization: float) -> str:
    """Why versions whose files are *model_bytes* long must not run on *device* now, with the arithmetic; "" if they may.

    Memory: free >= 3 x model_bytes + what must stay free. Compute: utilization <= max_utilization (of the last second, as the driver has it); where the
    driver does not tell it, as on MIG slices, which others cannot slow down, only memory counts.
    """
    needed, spare = FACTOR * model_bytes, kept_free(device.total_bytes, headroom)
    if device.free_bytes < needed + spare:
        of = f"{device.name} has {device.free_bytes / GIB:.2f} of {device.total_bytes / GIB:.2f} GiB free"
        return f"headroom: {of} < {needed / GIB:.2f} GiB for the models ({FACTOR:g} x {model_bytes / GIB:.2f}) + {spare / GIB:.2f} GiB that stay free"
    if device.utilization is not None and device.utilization > max_utilization:
        return f"headroom: {device.name} is busy {device.utilization:.0%} of the time > {max_utilization:.0%}"
    return ""
