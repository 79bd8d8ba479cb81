/* Portable C: words of eight bytes. */
#include "kernel.h"
#include "mask_words.h"

#define TARGET
#define KERNEL_MASK wscore_mask_scalar
#define KERNEL_MASK_ASCII wscore_mask_ascii_scalar
#define KERNEL_IS_ASCII wscore_is_ascii_scalar

typedef uint64_t vec;
#define V 8

WSCORE_INLINE vec v_zero(void) { return 0; }
WSCORE_INLINE vec v_load(const uint8_t *p) { return word_load(p); }
WSCORE_INLINE void v_store(uint8_t *p, vec a) { memcpy(p, &a, V); }
WSCORE_INLINE vec v_xor(vec a, vec b) { return a ^ b; }
WSCORE_INLINE vec v_or(vec a, vec b) { return a | b; }
WSCORE_INLINE vec v_key(uint32_t key) { return word_key(key); }
WSCORE_INLINE int v_high(vec a) { return (a & 0x8080808080808080u) != 0; }
#define mask_short mask_under_8

#include "mask_loop.h"

/* Length of the code point that p starts with, of `left` bytes: 0 when it is not valid, and
 * -1 when it is valid as far as it goes (Unicode 15, table 3-7). */
static int code_point(const uint8_t *p, size_t left) {
    const uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    const int length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (left > 1 && (p[1] < low || p[1] > high))
        return 0;
    for (int i = 2; i < length && (size_t)i < left; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return (size_t)length <= left ? length : -1;
}

int wscore_is_utf8_scalar(const uint8_t *src, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (size - i >= 16 && !v_high(v_load(src + i) | v_load(src + i + 8))) {
            i += 16;
            continue;
        }
        /* Sixteen bytes from here on are not all ASCII: look at them one by one. */
        const size_t stop = size - i < 16 ? size : i + 16;
        while (i < stop) {
            const int length = code_point(src + i, size - i);
            if (length <= 0)
                return 0;
            i += (size_t)length;
        }
    }
    return 1;
}

ptrdiff_t wscore_utf8_whole(const uint8_t *src, size_t size) {
    size_t whole = size;
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        const uint8_t byte = src[size - back];
        if ((byte & 0xc0) == 0x80)
            continue;
        const int length = code_point(src + size - back, back);
        if (length == 0)
            return -1;
        if (length < 0)
            whole = size - back;
        break;
    }
    return wscore_active->is_utf8(src, whole) ? (ptrdiff_t)whole : -1;
}
