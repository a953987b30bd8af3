"""What NVIDIA's exporters call things: dcgm-exporter and Triton."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from watchtower.meters._samples import Of, Raw, Sample

MIB = 1024.0**2
THROTTLED = 0x04 | 0x08 | 0x20 | 0x40 | 0x80
"""Bits of NVML's clock event reasons that say: held down by power (0x04 software cap, 0x80 brake) or heat (0x20, 0x40), or slowed by hardware (0x08)."""
NO_SLICES = "no utilisation of MIG slices: let dcgm-exporter export DCGM_FI_PROF_GR_ENGINE_ACTIVE"
_BLANK_32 = (0x7FFFFFF0, 0x7FFFFFFF)
_BLANK_64 = 2.0**47
_GPU, _HOST = ("gpu", "UUID", "uuid", "device"), ("Hostname", "hostname", "instance")

_UTIL, _ACTIVE = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
_USED, _FREE, _RESERVED = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED"
_WHOLE: Mapping[str, tuple[str, Of]] = MappingProxyType(
    {
        "DCGM_FI_DEV_POWER_USAGE": ("gpu.power", Of.GAUGE),
        "DCGM_FI_DEV_GPU_TEMP": ("gpu.temperature", Of.GAUGE),
        "DCGM_FI_DEV_XID_ERRORS": ("gpu.xid_errors", Of.CODE),
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ("gpu.ecc_errors", Of.GROWTH),
    }
)
_REASONS = ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS")

_TRITON_GPU: Mapping[str, str] = MappingProxyType(
    {"nv_gpu_utilization": "gpu.utilization", "nv_gpu_memory_used_bytes": "gpu.memory_used", "nv_gpu_power_usage": "gpu.power"}
)
_TRITON_TOTAL = "nv_gpu_memory_total_bytes"
_TRITON_RATES: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "nv_inference_request_success": ("resource.inference_requests", 1.0),
        "nv_inference_request_failure": ("resource.inference_failures", 1.0),
        "nv_inference_count": ("resource.inferences", 1.0),
        "nv_inference_exec_count": ("resource.inference_batches", 1.0),
        "nv_inference_queue_duration_us": ("resource.inference_queued", 1e-6),
        "nv_inference_compute_infer_duration_us": ("resource.inference_busy", 1e-6),
    }
)


@dataclass(frozen=True, slots=True)
class Preset:
    """The metrics that are read, what they say (*read* takes whether several hosts may be among them), and which `resource.*` they give."""

    metrics: tuple[str, ...]
    read: Callable[[Sequence[Sample], bool], Iterable[Raw]]
    resources: tuple[str, ...] = ()


def is_blank(value: float) -> bool:
    """Whether it is one of DCGM's sentinels (blank, not found, not supported, not permissioned), of 32-bit, 64-bit or floating-point fields."""
    return value >= _BLANK_64 or _BLANK_32[0] <= value <= _BLANK_32[1]


def dcgm(samples: Sequence[Sample], hosts: bool) -> Iterator[Raw]:  # noqa: FBT001  a preset's one question
    """GPUs are told by their number, MIG slices as ``0:mig-<GPU instance>``; with *hosts* the host's name and ``/`` stand before it.

    Memory comes in MiB, power in watts, temperature in °C, utilisation in percent (of a MIG slice as the share of time that its graphics
    engine was active, from DCGM's profiling fields). Power, temperature, XID and ECC errors are the whole device's, also where a slice is named.
    Of several series of one device (a device that several pods share has some) the largest counts. XID_ERRORS is the code of the last error, so the
    same code twice in a row is counted once.
    """
    by_metric: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for sample in samples:
        if not is_blank(sample.value):
            whole = sample.metric in _WHOLE or sample.metric in _REASONS
            device, values = _device(sample.labels, whole=whole, hosts=hosts), by_metric[sample.metric]
            values[device] = max(values.get(device, sample.value), sample.value)
    yield from _utilization(by_metric)
    yield from _memory(by_metric)
    for metric, (measure, of) in _WHOLE.items():
        yield from (Raw(measure, device, value, of) for device, value in by_metric[metric].items())
    reasons = by_metric[_REASONS[1]] | by_metric[_REASONS[0]]
    yield from (Raw("gpu.throttled_share", device, float(int(bits) & THROTTLED != 0)) for device, bits in reasons.items())


def _device(labels: Mapping[str, str], *, whole: bool, hosts: bool) -> str:
    gpu, host = (next((labels[name] for name in names if labels.get(name)), "") for names in (_GPU, _HOST))
    slice_ = labels.get("GPU_I_ID", "")
    return (f"{host}/" if hosts and host else "") + gpu + (f":mig-{slice_}" if slice_ and not whole else "")


def _utilization(by_metric: Mapping[str, Mapping[str, float]]) -> Iterator[Raw]:
    percent, active = by_metric[_UTIL], by_metric[_ACTIVE]
    for device in sorted({*percent, *active, *by_metric[_USED]}):
        if ":mig-" in device:
            yield Raw("gpu.utilization", device, active.get(device, NO_SLICES))
        elif device in percent:
            yield Raw("gpu.utilization", device, percent[device] / 100)
        elif device in active:
            yield Raw("gpu.utilization", device, active[device])


def _memory(by_metric: Mapping[str, Mapping[str, float]]) -> Iterator[Raw]:
    for device, used in by_metric[_USED].items():
        yield Raw("gpu.memory_used", device, used * MIB)
        if device in by_metric[_FREE]:
            total = used + by_metric[_FREE][device] + by_metric[_RESERVED].get(device, 0.0)
            yield Raw("gpu.memory_share", device, used / total if total > 0 else "no memory")


def triton(samples: Sequence[Sample], hosts: bool) -> Iterator[Raw]:  # noqa: FBT001  as above
    """GPUs are told by their UUID, models as ``model/version``.

    Of models: requests, failures, inferences and batches a second; of each second, how many seconds requests were queued (`inference_queued`)
    and the model computed (`inference_busy`).
    """
    total = {_of(sample, hosts, "gpu_uuid"): sample.value for sample in samples if sample.metric == _TRITON_TOTAL}
    for sample in samples:
        if sample.metric in _TRITON_GPU:
            device = _of(sample, hosts, "gpu_uuid")
            yield Raw(_TRITON_GPU[sample.metric], device, sample.value)
            if sample.metric == "nv_gpu_memory_used_bytes" and total.get(device):
                yield Raw("gpu.memory_share", device, sample.value / total[device])
        elif sample.metric in _TRITON_RATES:
            measure, scale = _TRITON_RATES[sample.metric]
            series = "|".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            yield Raw(measure, _of(sample, hosts, "model", "version"), sample.value * scale, Of.RATE, series)


def _of(sample: Sample, hosts: bool, *names: str) -> str:  # noqa: FBT001  as above
    host = (sample.labels.get("instance", ""),) if hosts else ()
    return "/".join(part for part in (*host, *(sample.labels.get(name, "") for name in names)) if part)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "dcgm": Preset((_UTIL, _ACTIVE, _USED, _FREE, _RESERVED, *_WHOLE, *_REASONS), dcgm),
        "triton": Preset((*_TRITON_GPU, _TRITON_TOTAL, *_TRITON_RATES), triton, tuple(measure for measure, _ in _TRITON_RATES.values())),
    }
)
