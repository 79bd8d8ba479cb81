/* Compares every kernel that this machine can run with byte-by-byte truth, without Python, so that
 * it also runs where there is none: under an emulator, under a sanitizer, on a new CPU.
 * Prints one line for each kernel; exits 1 at the first difference. */
#include <stdio.h>
#include <stdlib.h>

#include "../../wscore/_kernels/kernel.h"

enum { MAX_SIZE = 700, MAX_SHIFT = 67, GUARD = 64, ROOM = MAX_SIZE + MAX_SHIFT + 2 * GUARD };
enum { TEXTS = 20000 };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t limit) {
    state ^= state << 13; /* xorshift: the same numbers on every machine */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

static void fail(const wscore_kernel *kernel, const char *what, size_t size, size_t shift) {
    printf("%s: wrong %s, size %zu, shift %zu\n", kernel->name, what, size, shift);
    exit(1);
}

/* Truth ------------------------------------------------------------------------------------- */

/* RFC 6455 5.3. */
static int mask_truth(uint8_t *dst, const uint8_t *src, size_t size, const uint8_t key[4]) {
    int ascii = 1;
    for (size_t i = 0; i < size; i++) {
        dst[i] = src[i] ^ key[i % 4];
        ascii &= dst[i] < 0x80;
    }
    return ascii;
}

/* RFC 3629: decodes and looks at the number, as no kernel does. */
static int utf8_truth(const uint8_t *src, size_t size) {
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < size;) {
        const uint8_t lead = src[i++];
        const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : 3;
        if (more == 3 && lead >> 3 != 30)
            return 0;
        uint32_t point = more ? lead & (0x3fu >> more) : lead;
        for (int k = 0; k < more; k++) {
            if (i == size || src[i] >> 6 != 2)
                return 0;
            point = point << 6 | (src[i++] & 0x3fu);
        }
        if (point < smallest[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
            return 0;
    }
    return 1;
}

/* Masking ----------------------------------------------------------------------------------- */

static void check_mask(const wscore_kernel *kernel, size_t size, size_t shift, int in_place) {
    uint8_t src[ROOM], got[ROOM], want[ROOM], key_bytes[4];
    uint32_t key;
    const uint32_t top = random_below(2) ? 256 : 128; /* half of the texts come out as ASCII */
    for (size_t i = 0; i < 4; i++)
        key_bytes[i] = (uint8_t)random_below(top);
    memcpy(&key, key_bytes, 4);
    for (size_t i = 0; i < ROOM; i++)
        src[i] = (uint8_t)random_below(top);
    memcpy(got, src, ROOM);
    memcpy(want, src, ROOM);
    uint8_t *at = got + GUARD + shift;
    const uint8_t *from = in_place ? at : src + GUARD + random_below(MAX_SHIFT);
    const int ascii = mask_truth(want + GUARD + shift, from, size, key_bytes);
    if (random_below(2))
        kernel->mask(at, from, size, key);
    else if (!kernel->mask_ascii(at, from, size, key) != !ascii)
        fail(kernel, "mask_ascii verdict", size, shift);
    if (memcmp(got, want, ROOM) != 0) /* the guards on both sides as well */
        fail(kernel, in_place ? "mask in place" : "mask", size, shift);
}

static void check_ascii(const wscore_kernel *kernel, size_t size, size_t shift) {
    uint8_t text[ROOM];
    memset(text, 0xff, ROOM); /* what is outside must not count */
    memset(text + GUARD + shift, 'a', size);
    if (!kernel->is_ascii(text + GUARD + shift, size))
        fail(kernel, "is_ascii of ASCII", size, shift);
    if (size == 0)
        return;
    text[GUARD + shift + random_below((uint32_t)size)] = 0x80;
    if (kernel->is_ascii(text + GUARD + shift, size))
        fail(kernel, "is_ascii of other text", size, shift);
}

/* UTF-8 ------------------------------------------------------------------------------------- */

static uint32_t random_point(uint32_t limit) {
    static const uint32_t planes[] = {0x80, 0x80, 0x100, 0x800, 0x10000, 0x110000};
    for (;;) {
        const uint32_t plane = planes[random_below(6)];
        const uint32_t point = random_below(plane < limit ? plane : limit);
        if (point < 0xd800 || point >= 0xe000)
            return point;
    }
}

static size_t put_code_point(uint8_t *out, uint32_t point) {
    const int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    for (int k = more; k > 0; k--, point >>= 6)
        out[k] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(leads[more] | point);
    return (size_t)more + 1;
}

/* The same bytes with nothing behind them, for a sanitizer to see a read past the end. */
static void check_bounds(const wscore_kernel *kernel, const uint8_t *src, size_t size,
                         size_t shift) {
    uint8_t *block = malloc(shift + size + !(shift + size)), *exact = block + shift;
    if (block == NULL)
        fail(kernel, "size for this machine's memory", size, shift);
    memcpy(exact, src, size);
    if (!kernel->is_utf8(exact, size) != !utf8_truth(src, size))
        fail(kernel, "is_utf8 at the end of a block", size, shift);
    if (!kernel->is_ascii(exact, size) != !kernel->is_ascii(src, size))
        fail(kernel, "is_ascii at the end of a block", size, shift);
    kernel->mask(exact, exact, size, 0);
    if (!kernel->mask_ascii(exact, exact, size, 0) != !kernel->is_ascii(src, size))
        fail(kernel, "mask_ascii at the end of a block", size, shift);
    free(block);
}

static void check_utf8(const wscore_kernel *kernel) {
    /* Bytes at which a rule of table 3-7 begins or ends. */
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
                                    0xdf, 0xe0, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff};
    uint8_t room[ROOM];
    memset(room, 0x80, ROOM); /* continuation bytes outside must not count */
    for (int n = 0; n < TEXTS; n++) {
        const size_t shift = random_below(MAX_SHIFT), wanted = random_below(MAX_SIZE - 4);
        uint8_t *text = room + GUARD + shift;
        size_t size = 0;
        if (random_below(3) == 0)
            for (; size < wanted / 2; size++)
                text[size] = 'a'; /* long ASCII takes the short cut */
        while (size < wanted)
            size += put_code_point(text + size, random_point(0x110000));
        for (uint32_t spoilt = random_below(3); spoilt && size; spoilt--)
            text[random_below((uint32_t)size)] = edges[random_below(sizeof edges)];
        size -= size ? random_below(size < 4 ? (uint32_t)size : 4) : 0; /* may cut a code point */
        if (!kernel->is_utf8(text, size) != !utf8_truth(text, size))
            fail(kernel, "is_utf8", size, shift);
        check_bounds(kernel, text, size, shift);
        memset(room, 0x80, ROOM);
    }
}

/* Strings of four edge bytes around every place where a vector may end, with ASCII around them: also so much of it
 * that the next round of the loop takes the short cut. */
static void check_utf8_places(const wscore_kernel *kernel) {
    static const uint8_t edges[] = {0x61, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc1, 0xc2,
                                    0xe0, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5};
    uint8_t text[MAX_SIZE];
    for (uint32_t n = 0; n < 4 * 15 * 15 * 15 * 15; n++) {
        memset(text, 'a', MAX_SIZE);
        const size_t at = 16 * random_below(12) + 12 + random_below(5);
        const size_t size = at + 4 + random_below(random_below(2) ? 4 : MAX_SIZE - 4 * GUARD);
        for (uint32_t k = 0, rest = n; k < 4; k++, rest /= 15)
            text[at + k] = edges[rest % 15];
        if (!kernel->is_utf8(text, size) != !utf8_truth(text, size))
            fail(kernel, "is_utf8 of four bytes", size, at);
    }
}

static void check_decode(const wscore_kernel *kernel) {
    uint8_t text[4 * MAX_SIZE];
    uint32_t points[MAX_SIZE], decoded[MAX_SIZE + GUARD];
    for (int n = 0; n < TEXTS; n++) {
        static const uint32_t limits[] = {0x100, 0x10000, 0x110000};
        const uint32_t limit = limits[random_below(3)], count = 1 + random_below(MAX_SIZE);
        uint32_t largest = 0;
        size_t size = 0;
        for (uint32_t i = 0; i < count; i++) {
            points[i] = random_point(limit);
            largest = points[i] > largest ? points[i] : largest;
            size += put_code_point(text + size, points[i]);
        }
        int width = 0;
        if (kernel->utf8_count(text, size, &width) != count)
            fail(kernel, "utf8_count", size, 0);
        if (width != (largest < 0x100 ? 1 : largest < 0x10000 ? 2 : 4))
            fail(kernel, "width", size, 0);
        memset(decoded, 0xaa, sizeof decoded);
        if (kernel->utf8_widen(decoded, count, width, text, size) != count)
            fail(kernel, "count of utf8_widen", size, 0);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t got = width == 1   ? ((uint8_t *)decoded)[i]
                                 : width == 2 ? ((uint16_t *)decoded)[i]
                                              : decoded[i];
            if (got != points[i])
                fail(kernel, "utf8_widen", size, i);
        }
        for (size_t i = (size_t)count * (size_t)width; i < sizeof decoded; i++)
            if (((uint8_t *)decoded)[i] != 0xaa)
                fail(kernel, "byte written past the end by utf8_widen", size, i);
        /* Text that has changed since it was counted: no more than there is room for. */
        const uint32_t room = random_below(count);
        memset(decoded, 0xaa, sizeof decoded);
        if (kernel->utf8_widen(decoded, room, width, text, size) > room)
            fail(kernel, "count of utf8_widen in less room", size, room);
        for (size_t i = (size_t)room * (size_t)width; i < sizeof decoded; i++)
            if (((uint8_t *)decoded)[i] != 0xaa)
                fail(kernel, "byte written past the room by utf8_widen", size, i);
    }
}

/* ------------------------------------------------------------------------------------------- */

static void check(const wscore_kernel *kernel) {
    for (size_t size = 0; size <= MAX_SIZE; size++)
        for (size_t shift = 0; shift < MAX_SHIFT; shift += 1 + random_below(3)) {
            check_mask(kernel, size, shift, 0);
            check_mask(kernel, size, shift, 1);
            check_ascii(kernel, size, shift);
        }
    check_utf8(kernel);
    check_utf8_places(kernel);
    if (kernel->utf8_count != NULL)
        check_decode(kernel);
    printf("%s: ok\n", kernel->name);
}

/* Given a name, that kernel has to be the best one here. */
int main(int argc, char **argv) {
    const wscore_kernel *kernel = wscore_available(0);
    if (argc > 1 && strcmp(kernel->name, argv[1]) != 0) {
        printf("best kernel is %s, not %s\n", kernel->name, argv[1]);
        return 1;
    }
    for (size_t i = 0; (kernel = wscore_available(i)) != NULL; i++)
        check(kernel);
    return 0;
}
