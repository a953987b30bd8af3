/* A stand-in for the driver's libnvidia-ml.so.1: three GPUs, of which the second is split by MIG and the third has fallen off the bus.
   It has the functions that the meter asks for, by NVML's own prototypes; numbers are those of the tests. NVML_STANDIN=no_driver, no_gpu
   and lost say how it fails, busy and full how the first one is used. */
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9, TIMED_OUT = 10, LOST = 15 };

typedef struct device { int index, slice; } *handle;
typedef struct { unsigned int gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { handle device; unsigned long long type, data; unsigned int gi, ci; } event;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process;

static struct device devices[3] = {{0, 0}, {1, 0}, {2, 0}}, slices[2] = {{1, 3}, {1, 5}};
static int initialized, asked_ecc, waiting;

static int mode(const char *name) { const char *said = getenv("NVML_STANDIN"); return said && !strcmp(said, name); }

int nvmlInitWithFlags(unsigned int flags) { (void)flags; if (mode("no_driver")) return NO_DRIVER; initialized++; return OK; }
int nvmlShutdown(void) { if (!initialized) return UNINITIALIZED; initialized--; return OK; }
const char *nvmlErrorString(int result) { (void)result; return "stand-in error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { if (!initialized) return UNINITIALIZED; *count = mode("no_gpu") ? 0 : 3; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, handle *found) {
  if (index == 2 || mode("lost")) return LOST;
  *found = &devices[index];
  return OK;
}
int nvmlDeviceGetName(handle it, char *name, unsigned int length) { (void)it; strncpy(name, "Stand-in", length); return OK; }
int nvmlDeviceGetUtilizationRates(handle it, utilization *out) { if (it->index == 1) return NOT_SUPPORTED; out->gpu = mode("busy") ? 97 : 37; out->memory = 5; return OK; }
int nvmlDeviceGetMemoryInfo(handle it, memory *out) {
  out->total = it->slice ? 10ULL << 30 : 80ULL << 30;
  out->used = it->slice ? (unsigned long long)it->slice << 30 : (mode("full") ? 79ULL : 20ULL) << 30;
  out->free = out->total - out->used;
  return OK;
}
int nvmlDeviceGetPowerUsage(handle it, unsigned int *out) { if (it->index == 1) return NOT_SUPPORTED; *out = 412500; return OK; }
int nvmlDeviceGetTemperature(handle it, int sensor, unsigned int *out) { *out = sensor == 0 ? 61 + it->index : 0; return OK; }
int nvmlDeviceGetTotalEccErrors(handle it, int kind, int counter, unsigned long long *out) {
  if (it->index == 1) return NOT_SUPPORTED;
  *out = kind == 1 && counter == 0 ? 7 + 2 * asked_ecc++ : 99;
  return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(handle it, unsigned long long *out) { *out = it->index == 0 ? 0x44 : 0x1; return OK; }
int nvmlDeviceGetMigMode(handle it, unsigned int *now, unsigned int *pending) { *now = *pending = it->index == 1; return OK; }
int nvmlDeviceGetMaxMigDeviceCount(handle it, unsigned int *out) { (void)it; *out = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(handle it, unsigned int index, handle *found) {
  (void)it;
  if (index != 0 && index != 4) return NOT_FOUND;
  *found = &slices[index ? 1 : 0];
  return OK;
}
int nvmlDeviceGetGpuInstanceId(handle it, unsigned int *out) { *out = it->slice; return OK; }
int nvmlEventSetCreate(handle *set) { *set = (handle)&waiting; return OK; }
int nvmlEventSetFree(handle set) { (void)set; return OK; }
int nvmlDeviceRegisterEvents(handle it, unsigned long long kinds, handle set) {
  (void)set;
  if (it->index == 1 || kinds != 8) return NOT_SUPPORTED;
  waiting = 2;
  return OK;
}
int nvmlEventSetWait_v2(handle set, event *out, unsigned int milliseconds) {
  (void)set; (void)milliseconds;
  if (!waiting) return TIMED_OUT;
  waiting--;
  memset(out, 0, sizeof *out);
  out->device = &devices[0]; out->type = 8; out->data = 79;
  return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(handle it, unsigned int *count, process *out) {
  if (it->index == 1) return NOT_SUPPORTED;
  if (*count < 3) { *count = 3; return TOO_SMALL; }
  process found[3] = {{11, 6ULL << 30, 0, 0}, {12, 2ULL << 30, 0, 0}, {13, 1ULL << 30, 0, 0}};
  memcpy(out, found, sizeof found);
  *count = 3;
  return OK;
}
int nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length) {
  if (pid == 13) return NOT_FOUND;
  strncpy(name, "/opt/tritonserver/bin/tritonserver", length);
  return OK;
}
