/* Masking of fewer bytes than a vector holds, by two words that may overlap. */
#ifndef WSCORE_MASK_WORDS_H
#define WSCORE_MASK_WORDS_H

#include "kernel.h"

WSCORE_INLINE uint64_t word_load(const uint8_t *src) {
    uint64_t word;
    memcpy(&word, src, 8);
    return word;
}

WSCORE_INLINE uint64_t word_key(uint32_t key) { return (uint64_t)key << 32 | key; }

WSCORE_INLINE int mask_under_8(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key,
                               const int check) {
    uint32_t seen = 0;
    if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, src, 4);
        memcpy(&last, src + size - 4, 4);
        first ^= key;
        last ^= wscore_turn(key, size - 4);
        memcpy(dst, &first, 4);
        memcpy(dst + size - 4, &last, 4);
        seen = first | last;
    } else {
        uint8_t bytes[4];
        memcpy(bytes, &key, 4);
        for (size_t i = 0; i < size; i++)
            seen |= dst[i] = src[i] ^ bytes[i];
    }
    return check ? !(seen & 0x80808080u) : 1;
}

WSCORE_INLINE int mask_under_16(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key,
                                const int check) {
    if (size < 8)
        return mask_under_8(dst, src, size, key, check);
    const uint64_t first = word_load(src) ^ word_key(key);
    const uint64_t last = word_load(src + size - 8) ^ word_key(wscore_turn(key, size - 8));
    memcpy(dst, &first, 8);
    memcpy(dst + size - 8, &last, 8);
    return check ? !((first | last) & 0x8080808080808080u) : 1;
}

#endif
