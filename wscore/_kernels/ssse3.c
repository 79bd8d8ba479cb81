/* SSSE3: the byte shuffle that UTF-8 validation by table lookup needs. Masking is sse2.c's. */
#include "kernel.h"

#ifdef WSCORE_X86
#include <tmmintrin.h>
#define TARGET WSCORE_TARGET("ssse3")
#define KERNEL_IS_UTF8 wscore_is_utf8_ssse3
#include "vec_sse.h"

WSCORE_INLINE TARGET vec v_and(vec a, vec b) { return _mm_and_si128(a, b); }
WSCORE_INLINE TARGET vec v_subs(vec a, vec b) { return _mm_subs_epu8(a, b); }
WSCORE_INLINE TARGET vec v_splat(int byte) { return _mm_set1_epi8((char)byte); }
WSCORE_INLINE TARGET vec v_table(const uint8_t *table) { return v_load(table); }
WSCORE_INLINE TARGET vec v_lookup(vec table, vec index) { return _mm_shuffle_epi8(table, index); }
WSCORE_INLINE TARGET vec v_low4(vec a) { return v_and(a, v_splat(0x0f)); }
WSCORE_INLINE TARGET vec v_high4(vec a) { return v_low4(_mm_srli_epi16(a, 4)); }
WSCORE_INLINE TARGET int v_any(vec a) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(a, v_zero())) != 0xffff;
}

#include "utf8_lookup.h"
#endif
