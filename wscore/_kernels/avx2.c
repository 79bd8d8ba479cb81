/* AVX2: vectors of 32 bytes. */
#include "kernel.h"

#ifdef WSCORE_X86
#include <immintrin.h>

#include "mask_words.h"
#define TARGET WSCORE_TARGET("avx2")
#define KERNEL_MASK wscore_mask_avx2
#define KERNEL_MASK_ASCII wscore_mask_ascii_avx2
#define KERNEL_IS_ASCII wscore_is_ascii_avx2
#define KERNEL_IS_UTF8 wscore_is_utf8_avx2

typedef __m256i vec;
#define V 32

WSCORE_INLINE TARGET vec v_zero(void) { return _mm256_setzero_si256(); }
WSCORE_INLINE TARGET vec v_load(const uint8_t *p) { return _mm256_loadu_si256((const vec *)p); }
WSCORE_INLINE TARGET void v_store(uint8_t *p, vec a) { _mm256_storeu_si256((vec *)p, a); }
WSCORE_INLINE TARGET vec v_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
WSCORE_INLINE TARGET vec v_or(vec a, vec b) { return _mm256_or_si256(a, b); }
WSCORE_INLINE TARGET vec v_and(vec a, vec b) { return _mm256_and_si256(a, b); }
WSCORE_INLINE TARGET vec v_key(uint32_t key) { return _mm256_set1_epi32((int)key); }
WSCORE_INLINE TARGET int v_high(vec a) { return _mm256_movemask_epi8(a) != 0; }
WSCORE_INLINE TARGET int v_any(vec a) { return !_mm256_testz_si256(a, a); }
WSCORE_INLINE TARGET vec v_subs(vec a, vec b) { return _mm256_subs_epu8(a, b); }
WSCORE_INLINE TARGET vec v_splat(int byte) { return _mm256_set1_epi8((char)byte); }
WSCORE_INLINE TARGET vec v_low4(vec a) { return v_and(a, v_splat(0x0f)); }
WSCORE_INLINE TARGET vec v_high4(vec a) { return v_low4(_mm256_srli_epi16(a, 4)); }
WSCORE_INLINE TARGET vec v_lookup(vec table, vec index) {
    return _mm256_shuffle_epi8(table, index);
}
WSCORE_INLINE TARGET vec v_table(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

WSCORE_INLINE TARGET int mask_short(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key,
                                    const int check) {
    if (size < 16)
        return mask_under_16(dst, src, size, key, check);
    const uint8_t *end = src + size - 16;
    const __m128i k = _mm_set1_epi32((int)key);
    const __m128i turned = _mm_set1_epi32((int)wscore_turn(key, size - 16));
    const __m128i first = _mm_xor_si128(_mm_loadu_si128((const __m128i *)src), k);
    const __m128i last = _mm_xor_si128(_mm_loadu_si128((const __m128i *)end), turned);
    _mm_storeu_si128((__m128i *)dst, first);
    _mm_storeu_si128((__m128i *)(dst + size - 16), last);
    return check ? !_mm_movemask_epi8(_mm_or_si128(first, last)) : 1;
}

#include "mask_loop.h"
#include "utf8_lookup.h"
#endif
