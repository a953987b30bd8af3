/* A stand-in for libcudart's page locking: what is locked must be whole pages, and unlocked where it was locked. */
#include <stddef.h>

static void *locked[64];

int cudaHostRegister(void *at, size_t size, unsigned int flags) {
  if ((size_t)at % 4096 || !size || flags != 1) return 1;
  for (int i = 0; i < 64; i++)
    if (!locked[i]) { locked[i] = at; return 0; }
  return 2;
}

int cudaHostUnregister(void *at) {
  for (int i = 0; i < 64; i++)
    if (locked[i] == at) { locked[i] = 0; return 0; }
  return 1;
}
