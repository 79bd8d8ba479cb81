/* The vector of 16 bytes that sse2.c and ssse3.c share. */
#include <emmintrin.h>

#include "mask_words.h"

typedef __m128i vec;
#define V 16

WSCORE_INLINE TARGET vec v_zero(void) { return _mm_setzero_si128(); }
WSCORE_INLINE TARGET vec v_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
WSCORE_INLINE TARGET void v_store(uint8_t *p, vec a) { _mm_storeu_si128((__m128i *)p, a); }
WSCORE_INLINE TARGET vec v_xor(vec a, vec b) { return _mm_xor_si128(a, b); }
WSCORE_INLINE TARGET vec v_or(vec a, vec b) { return _mm_or_si128(a, b); }
WSCORE_INLINE TARGET vec v_key(uint32_t key) { return _mm_set1_epi32((int)key); }
WSCORE_INLINE TARGET int v_high(vec a) { return _mm_movemask_epi8(a) != 0; }
#define mask_short mask_under_16
