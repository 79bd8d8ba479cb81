/* What the CPU can do and the operating system lets it do. */
#ifndef WSCORE_CPU_H
#define WSCORE_CPU_H

#include <stddef.h>

enum {
    WSCORE_SSE2 = 1 << 0,
    WSCORE_SSSE3 = 1 << 1,
    WSCORE_SSE41 = 1 << 2,
    WSCORE_AVX2 = 1 << 3,
    WSCORE_AVX512F = 1 << 4,
    WSCORE_AVX512BW = 1 << 5,
    WSCORE_AVX512VL = 1 << 6,
    WSCORE_AVX512VBMI = 1 << 7,
    WSCORE_AVX512VBMI2 = 1 << 8,
    WSCORE_POPCNT = 1 << 9,
    WSCORE_NEON = 1 << 10
};

/* Bits of the features that may be used here. */
unsigned wscore_cpu_features(void);

/* Name of the index-th feature and its bit; NULL past the last. */
const char *wscore_cpu_feature(size_t index, unsigned *bit);

#endif
