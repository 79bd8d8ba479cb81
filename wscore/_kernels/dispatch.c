/* The one table of kernels, best first. */
#include "cpu.h"
#include "kernel.h"

#define DECLARE(isa)                                                                              \
    void wscore_mask_##isa(uint8_t *, const uint8_t *, size_t, uint32_t);                         \
    int wscore_mask_ascii_##isa(uint8_t *, const uint8_t *, size_t, uint32_t);                    \
    int wscore_is_ascii_##isa(const uint8_t *, size_t);                                           \
    int wscore_is_utf8_##isa(const uint8_t *, size_t);
#define MASKS(isa) wscore_mask_##isa, wscore_mask_ascii_##isa, wscore_is_ascii_##isa

#define AVX512 (WSCORE_AVX512F | WSCORE_AVX512BW | WSCORE_AVX512VL)

DECLARE(scalar)
#ifdef WSCORE_X86
DECLARE(sse2)
DECLARE(avx2)
DECLARE(avx512)
int wscore_is_utf8_ssse3(const uint8_t *, size_t);
size_t wscore_utf8_count_vbmi2(const uint8_t *, size_t, int *);
size_t wscore_utf8_widen_vbmi2(void *, size_t, int, const uint8_t *, size_t);
#elif defined(WSCORE_ARM)
DECLARE(neon)
#endif

static const wscore_kernel kernels[] = {
#ifdef WSCORE_X86
    {"avx512", AVX512 | WSCORE_AVX512VBMI | WSCORE_AVX512VBMI2 | WSCORE_POPCNT, MASKS(avx512),
     wscore_is_utf8_avx512, wscore_utf8_count_vbmi2, wscore_utf8_widen_vbmi2},
    {"avx512bw", AVX512, MASKS(avx512), wscore_is_utf8_avx512, NULL, NULL},
    {"avx2", WSCORE_AVX2, MASKS(avx2), wscore_is_utf8_avx2, NULL, NULL},
    {"ssse3", WSCORE_SSSE3, MASKS(sse2), wscore_is_utf8_ssse3, NULL, NULL},
    {"sse2", WSCORE_SSE2, MASKS(sse2), wscore_is_utf8_scalar, NULL, NULL},
#elif defined(WSCORE_ARM)
    {"neon", WSCORE_NEON, MASKS(neon), wscore_is_utf8_neon, NULL, NULL},
#endif
    {"scalar", 0, MASKS(scalar), wscore_is_utf8_scalar, NULL, NULL},
};

const wscore_kernel *wscore_active = &kernels[sizeof kernels / sizeof *kernels - 1];

const wscore_kernel *wscore_available(size_t index) {
    const unsigned features = wscore_cpu_features();
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        if ((kernels[i].needs & features) == kernels[i].needs && index-- == 0)
            return &kernels[i];
    return NULL;
}

int wscore_select(const char *name) {
    const wscore_kernel *kernel;
    for (size_t i = 0; (kernel = wscore_available(i)) != NULL; i++)
        if (name == NULL || strcmp(kernel->name, name) == 0) {
            wscore_active = kernel;
            return 1;
        }
    return 0;
}
