"""What dcgm-exporter and Triton show: their lines, with their labels, as their own documents have them."""

_T4 = 'gpu="0",UUID="GPU-916b8073",pci_bus_id="00000000:1B:00.0",device="nvidia0",modelName="Tesla T4",Hostname="node-a",pod="scorer-1"'
_MIG = 'gpu="1",UUID="GPU-1f027ee8",device="nvidia1",modelName="NVIDIA A800",GPU_I_PROFILE="2g.20gb",GPU_I_ID="{}",Hostname="node-a"'


def dcgm(*, xid: int = 0, ecc: int = 4) -> str:
    """GPU 0 is whole; GPU 1 is split into the instances 3 and 5; GPU 2 has nothing but sentinels, of 32 bits, 64 bits and doubles."""
    three, five = _MIG.format(3), _MIG.format(5)
    return f"""\
# HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).
# TYPE DCGM_FI_DEV_SM_CLOCK gauge
DCGM_FI_DEV_SM_CLOCK{{{_T4}}} 585
# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{{{_T4}}} 87
DCGM_FI_DEV_GPU_UTIL{{gpu="2",UUID="GPU-2",device="nvidia2",Hostname="node-a"}} 2147483632
# TYPE DCGM_FI_PROF_GR_ENGINE_ACTIVE gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{_T4}}} 0.5
DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{three}}} 0.75
DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="2",UUID="GPU-2",device="nvidia2",Hostname="node-a"}} 140737488355330.000000
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{{{_T4}}} 3072
DCGM_FI_DEV_FB_USED{{{three}}} 1024
DCGM_FI_DEV_FB_USED{{{five}}} 512
DCGM_FI_DEV_FB_USED{{gpu="2",UUID="GPU-2",device="nvidia2",Hostname="node-a"}} 9223372036854775794
# TYPE DCGM_FI_DEV_FB_FREE gauge
DCGM_FI_DEV_FB_FREE{{{_T4}}} 12000
# TYPE DCGM_FI_DEV_FB_RESERVED gauge
DCGM_FI_DEV_FB_RESERVED{{{_T4}}} 288
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{{{_T4}}} 30.099000
DCGM_FI_DEV_POWER_USAGE{{{three}}} 120.5
DCGM_FI_DEV_POWER_USAGE{{{five}}} 120.5
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{_T4}}} 54
# TYPE DCGM_FI_DEV_XID_ERRORS gauge
DCGM_FI_DEV_XID_ERRORS{{{_T4}}} {xid}
# TYPE DCGM_FI_DEV_ECC_DBE_VOL_TOTAL counter
DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{_T4}}} {ecc}
# TYPE DCGM_FI_DEV_CLOCK_THROTTLE_REASONS gauge
DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{{{_T4}}} 1
"""


def triton(*, requests: int = 100, busy_us: int = 5_000_000, load: float = 0.91) -> str:
    """One GPU, two versions of one model; requests of version 1 are split over two instances of it."""
    return f"""\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{{gpu_uuid="GPU-aaa",model="resnet50",version="1"}} {requests}.000000
nv_inference_request_success{{gpu_uuid="GPU-bbb",model="resnet50",version="1"}} {requests}.000000
nv_inference_request_success{{gpu_uuid="GPU-aaa",model="resnet50",version="2"}} 7.000000
# TYPE nv_inference_count counter
nv_inference_count{{gpu_uuid="GPU-aaa",model="resnet50",version="1"}} {requests * 8}
# TYPE nv_inference_compute_infer_duration_us counter
nv_inference_compute_infer_duration_us{{gpu_uuid="GPU-aaa",model="resnet50",version="1"}} {busy_us}
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{{gpu_uuid="GPU-aaa"}} {load}
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{{gpu_uuid="GPU-aaa"}} 42949672960
# TYPE nv_gpu_memory_used_bytes gauge
nv_gpu_memory_used_bytes{{gpu_uuid="GPU-aaa"}} 34359738368
# TYPE nv_gpu_power_usage gauge
nv_gpu_power_usage{{gpu_uuid="GPU-aaa"}} 55.137000
"""
