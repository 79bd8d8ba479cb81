/* AVX-512 F, BW and VL: vectors of 64 bytes, and loads and stores that stop at any byte. */
#include "kernel.h"

#ifdef WSCORE_X86
#include <immintrin.h>
#define TARGET WSCORE_TARGET("avx512f,avx512bw,avx512vl")
#define KERNEL_MASK wscore_mask_avx512
#define KERNEL_MASK_ASCII wscore_mask_ascii_avx512
#define KERNEL_IS_ASCII wscore_is_ascii_avx512
#define KERNEL_IS_UTF8 wscore_is_utf8_avx512

typedef __m512i vec;
#define V 64

WSCORE_INLINE TARGET vec v_zero(void) { return _mm512_setzero_si512(); }
WSCORE_INLINE TARGET vec v_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
WSCORE_INLINE TARGET void v_store(uint8_t *p, vec a) { _mm512_storeu_si512(p, a); }
WSCORE_INLINE TARGET vec v_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
WSCORE_INLINE TARGET vec v_or(vec a, vec b) { return _mm512_or_si512(a, b); }
WSCORE_INLINE TARGET vec v_and(vec a, vec b) { return _mm512_and_si512(a, b); }
WSCORE_INLINE TARGET vec v_key(uint32_t key) { return _mm512_set1_epi32((int)key); }
WSCORE_INLINE TARGET int v_high(vec a) { return _mm512_movepi8_mask(a) != 0; }
WSCORE_INLINE TARGET int v_any(vec a) { return _mm512_test_epi8_mask(a, a) != 0; }
WSCORE_INLINE TARGET vec v_subs(vec a, vec b) { return _mm512_subs_epu8(a, b); }
WSCORE_INLINE TARGET vec v_splat(int byte) { return _mm512_set1_epi8((char)byte); }
#define V_MASKED_LOADS
WSCORE_INLINE TARGET vec v_load_some(const uint8_t *p, __mmask64 there) {
    return _mm512_maskz_loadu_epi8(there, p);
}
WSCORE_INLINE TARGET vec v_table(const uint8_t *table) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
}
WSCORE_INLINE TARGET vec v_low4(vec a) { return v_and(a, v_splat(0x0f)); }
WSCORE_INLINE TARGET vec v_high4(vec a) { return v_low4(_mm512_srli_epi16(a, 4)); }
WSCORE_INLINE TARGET vec v_lookup(vec table, vec index) {
    return _mm512_shuffle_epi8(table, index);
}

WSCORE_INLINE TARGET int mask_short(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key,
                                    const int check) {
    const __mmask64 there = ((__mmask64)1 << size) - 1;
    const vec a = v_xor(_mm512_maskz_loadu_epi8(there, src), v_key(key));
    _mm512_mask_storeu_epi8(dst, there, a);
    return check ? !(_mm512_movepi8_mask(a) & there) : 1;
}

#include "mask_loop.h"
#include "utf8_lookup.h"
#endif
