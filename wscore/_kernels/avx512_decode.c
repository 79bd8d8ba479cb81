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

WSCORE_INLINE TARGET void widen_ascii(void *dst, const int width, size_t at, __m512i bytes) {
    if (width == 1)
        _mm512_storeu_si512((uint8_t *)dst + at, bytes);
    else
        for (int quarter = 0; quarter < 4; quarter++, at += 16) {
            const __m128i some = _mm512_castsi512_si128(bytes);
            if (width == 2)
                _mm256_storeu_si256((__m256i *)((uint16_t *)dst + at), _mm256_cvtepu8_epi16(some));
            else
                _mm512_storeu_si512((uint32_t *)dst + at, _mm512_cvtepu8_epi32(some));
            bytes = _mm512_alignr_epi32(bytes, bytes, 4);
        }
}

WSCORE_INLINE TARGET size_t widen(void *dst, size_t room, const int width, const uint8_t *src,
                                  size_t size) {
    /* 0, 1, 2 and so on, and the first sixteen of those four times each. */
    uint8_t numbers[64], fourfold[64];
    for (int n = 0; n < 64; n++) {
        numbers[n] = (uint8_t)n;
        fourfold[n] = (uint8_t)(n / 4);
    }
    const __m512i iota = _mm512_loadu_si512(numbers), repeat = _mm512_loadu_si512(fourfold);
    const __m512i last_first = _mm512_set1_epi32(0x00010203);
    size_t at = 0;
    for (size_t i = 0; i < size; i += 64) {
        const size_t left = size - i;
        const __m512i bytes = load_some(src + i, left);
        if (left >= 64 && _mm512_movepi8_mask(bytes) == 0) {
            if (room - at < 64)
                break;
            widen_ascii(dst, width, at, bytes);
            at += 64;
            continue;
        }
        const __m512i next = left > 64 ? load_some(src + i + 64, left - 64) : _mm512_setzero_si512();
        const __mmask64 starts = leads(bytes, left);
        const size_t count = (size_t)_mm_popcnt_u64(starts);
        if (room - at < count)
            break;
        const __m512i positions = _mm512_maskz_compress_epi8(starts, iota);
        for (size_t done = 0; done < count; done += 16) {
            /* Sixteen positions, and of each the bytes p+3, p+2, p+1, p to a lane. */
            const __m512i which = _mm512_add_epi8(repeat, _mm512_set1_epi8((char)done));
            const __m512i where = _mm512_permutexvar_epi8(which, positions);
            const __m512i lanes = _mm512_permutex2var_epi8(
                bytes, _mm512_add_epi8(where, last_first), next);
            store(dst, width, at + done, assemble(lanes), count - done);
        }
        at += count;
    }
    return at;
}

TARGET size_t wscore_utf8_widen_vbmi2(void *dst, size_t room, int width, const uint8_t *src,
                                      size_t size) {
    if (width == 1)
        return widen(dst, room, 1, src, size);
    if (width == 2)
        return widen(dst, room, 2, src, size);
    return widen(dst, room, 4, src, size);
}
#endif
