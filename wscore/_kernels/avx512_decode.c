/* Valid UTF-8 to code points with AVX-512 VBMI2 (Ice Lake, Zen 4 and later).
 *
 * Out of 64 bytes the positions of all lead bytes are compressed into one vector; sixteen of them
 * at a time pick their four bytes into the lanes of another, where the bits are put together
 * whatever the lengths are. */
#include "kernel.h"

#ifdef WSCORE_X86
#include <immintrin.h>
#define TARGET WSCORE_TARGET("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,popcnt")

/* `size` bytes at src, at most 64, zeros after them. */
WSCORE_INLINE TARGET __m512i load_some(const uint8_t *src, size_t size) {
    if (size >= 64)
        return _mm512_loadu_si512(src);
    return _mm512_maskz_loadu_epi8(((__mmask64)1 << size) - 1, src);
}

/* Which of the first `size` bytes start a code point. */
WSCORE_INLINE TARGET __mmask64 leads(__m512i bytes, size_t size) {
    const __mmask64 there = size >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << size) - 1;
    /* Continuations are 0x80 to 0xbf: as signed bytes, all below -64. */
    return _mm512_cmpge_epi8_mask(bytes, _mm512_set1_epi8(-64)) & there;
}

TARGET size_t wscore_utf8_count_vbmi2(const uint8_t *src, size_t size, int *width) {
    __m512i highest = _mm512_setzero_si512();
    size_t count = 0;
    for (size_t i = 0; i < size; i += 64) {
        const __m512i bytes = load_some(src + i, size - i);
        highest = _mm512_max_epu8(highest, bytes);
        count += (size_t)_mm_popcnt_u64(leads(bytes, size - i));
    }
    /* C4 leads U+0100, the first that needs two bytes, and F0 leads U+10000. */
    const int wide = _mm512_cmpge_epu8_mask(highest, _mm512_set1_epi8((char)0xf0)) != 0;
    const int two = _mm512_cmpge_epu8_mask(highest, _mm512_set1_epi8((char)0xc4)) != 0;
    *width = wide ? 4 : two ? 2 : 1;
    return count;
}

/* Sixteen code points; each lane holds the four bytes from its lead on, the lead on top. */
WSCORE_INLINE TARGET __m512i assemble(__m512i lanes) {
    /* By the lead's high half: which bits count, and how far they are from the bottom. */
    const __m512i bits = _mm512_setr_epi32(
        0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000, 0x7f000000,
        0x7f000000, 0, 0, 0, 0, 0x1f3f0000, 0x1f3f0000, 0x0f3f3f00, 0x073f3f3f);
    const __m512i far = _mm512_setr_epi32(18, 18, 18, 18, 18, 18, 18, 18, 0, 0, 0, 0, 12, 12, 6, 0);
    const __m512i kind = _mm512_srli_epi32(lanes, 28);
    const __m512i kept = _mm512_and_si512(lanes, _mm512_permutexvar_epi32(kind, bits));
    /* Six bits to a byte: two bytes to twelve bits, then two of those to 24. */
    const __m512i twelve = _mm512_maddubs_epi16(kept, _mm512_set1_epi16(0x4001));
    const __m512i all = _mm512_madd_epi16(twelve, _mm512_set1_epi32(0x10000001));
    return _mm512_srlv_epi32(all, _mm512_permutexvar_epi32(kind, far));
}

WSCORE_INLINE TARGET void store(void *dst, int width, size_t at, __m512i points, size_t count) {
    const __mmask16 there = (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
    if (width == 1)
        _mm512_mask_cvtepi32_storeu_epi8((uint8_t *)dst + at, there, points);
    else if (width == 2)
        _mm512_mask_cvtepi32_storeu_epi16((uint16_t *)dst + at, there, points);
    else
        _mm512_mask_storeu_epi32((uint32_t *)dst + at, there, points);
}

WSCORE_INLINE TARGET void widen(void *dst, const int width, const uint8_t *src, size_t size) {
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42,
        41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20,
        19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    size_t at = 0;
    for (size_t i = 0; i < size; i += 64) {
        const size_t left = size - i;
        const __m512i bytes = load_some(src + i, left);
        const __m512i next = left > 64 ? load_some(src + i + 64, left - 64) : _mm512_setzero_si512();
        const __mmask64 starts = leads(bytes, left);
        const size_t count = (size_t)_mm_popcnt_u64(starts);
        __m512i positions = _mm512_maskz_compress_epi8(starts, iota);
        for (size_t done = 0; done < count; done += 16) {
            /* Position p to the four bytes p+3, p+2, p+1, p of its lane. */
            const __m512i spread = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(positions));
            const __m512i index = _mm512_add_epi8(
                _mm512_mullo_epi32(spread, _mm512_set1_epi32(0x01010101)),
                _mm512_set1_epi32(0x00010203));
            const __m512i lanes = _mm512_permutex2var_epi8(bytes, index, next);
            store(dst, width, at + done, assemble(lanes), count - done);
            positions = _mm512_alignr_epi32(_mm512_setzero_si512(), positions, 4);
        }
        at += count;
    }
}

TARGET void wscore_utf8_widen_vbmi2(void *dst, int width, const uint8_t *src, size_t size) {
    if (width == 1)
        widen(dst, 1, src, size);
    else if (width == 2)
        widen(dst, 2, src, size);
    else
        widen(dst, 4, src, size);
}
#endif
