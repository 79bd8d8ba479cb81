#include "cpu.h"

#include <stdint.h>

#include "kernel.h"

#ifdef WSCORE_X86

#ifdef _MSC_VER
#include <intrin.h>
static void cpuid(unsigned leaf, unsigned subleaf, uint32_t r[4]) {
    __cpuidex((int *)r, (int)leaf, (int)subleaf);
}
static uint64_t xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(unsigned leaf, unsigned subleaf, uint32_t r[4]) {
    __cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
}
static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

#define YMM_STATE 0x06u /* XMM and YMM registers are saved on a task switch */
#define ZMM_STATE 0xe6u /* and the mask registers and all of ZMM as well */

unsigned wscore_cpu_features(void) {
    uint32_t top[4], one[4], seven[4] = {0, 0, 0, 0};
    cpuid(0, 0, top);
    cpuid(1, 0, one);
    if (top[0] >= 7)
        cpuid(7, 0, seven);
    const uint32_t ecx1 = one[2], ebx7 = seven[1], ecx7 = seven[2];

    unsigned found = WSCORE_SSE2; /* part of x86-64 */
    found |= ecx1 >> 9 & 1 ? WSCORE_SSSE3 : 0;
    found |= ecx1 >> 19 & 1 ? WSCORE_SSE41 : 0;
    found |= ecx1 >> 23 & 1 ? WSCORE_POPCNT : 0;

    const uint64_t saved = ecx1 >> 27 & 1 ? xcr0() : 0; /* OSXSAVE */
    if ((saved & YMM_STATE) == YMM_STATE)
        found |= ebx7 >> 5 & 1 ? WSCORE_AVX2 : 0;
    if ((saved & ZMM_STATE) == ZMM_STATE) {
        found |= ebx7 >> 16 & 1 ? WSCORE_AVX512F : 0;
        found |= ebx7 >> 30 & 1 ? WSCORE_AVX512BW : 0;
        found |= ebx7 >> 31 & 1 ? WSCORE_AVX512VL : 0;
        found |= ecx7 >> 1 & 1 ? WSCORE_AVX512VBMI : 0;
        found |= ecx7 >> 6 & 1 ? WSCORE_AVX512VBMI2 : 0;
    }
    return found;
}

#elif defined(WSCORE_ARM)

unsigned wscore_cpu_features(void) { return WSCORE_NEON; /* part of AArch64 */ }

#else

unsigned wscore_cpu_features(void) { return 0; }

#endif

const char *wscore_cpu_feature(size_t index, unsigned *bit) {
    static const char *const names[] = {"sse2",     "ssse3",      "sse4.1",      "avx2",
                                        "avx512f",  "avx512bw",   "avx512vl",    "avx512vbmi",
                                        "avx512vbmi2", "popcnt",  "neon"};
    if (index >= sizeof names / sizeof *names)
        return NULL;
    *bit = 1u << index;
    return names[index];
}
