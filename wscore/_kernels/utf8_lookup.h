/* UTF-8 validation by table lookup, after Keiser and Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte" (2020), over a vector type. Besides what mask_loop.h needs, the file that
 * includes this defines v_and, v_subs (unsigned, saturating), v_splat(byte), v_table(16 bytes),
 * v_lookup(table, indices 0 to 15), v_shr4 (each byte) and v_any. It gets KERNEL_IS_UTF8.
 *
 * Each pair of neighbouring bytes is looked up three times: by both halves of the first and the
 * high half of the second. A bit left in all three names an error. TWO_CONTS is no error where a
 * third or fourth byte is due, which the loads 2 and 3 bytes back tell. */

enum {
    TOO_SHORT = 1 << 0,  /* lead byte, then no continuation */
    TOO_LONG = 1 << 1,   /* ASCII, then a continuation */
    OVERLONG_3 = 1 << 2, /* E0 80..9F */
    SURROGATE = 1 << 4,  /* ED A0..BF */
    OVERLONG_2 = 1 << 5, /* C0 or C1 */
    TOO_LARGE = 1 << 3,  /* F4 90..BF, F5 and up */
    TOO_LARGE_1000 = 1 << 6, /* F5 and up, 80..8F; shares its bit with OVERLONG_4 */
    OVERLONG_4 = 1 << 6,     /* F0 80..8F */
    TWO_CONTS = 1 << 7,
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS /* what the low half of byte 1 cannot tell */
};

static const uint8_t byte_1_high[16] = {
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
    TWO_CONTS, TWO_CONTS, TWO_CONTS, TWO_CONTS,
    TOO_SHORT | OVERLONG_2, TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4};

static const uint8_t byte_1_low[16] = {
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
    CARRY | OVERLONG_2,
    CARRY, CARRY,
    CARRY | TOO_LARGE,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000,
    CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE,
    CARRY | TOO_LARGE | TOO_LARGE_1000, CARRY | TOO_LARGE | TOO_LARGE_1000};

static const uint8_t byte_2_high[16] = {
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE,
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT};

/* Errors among the V bytes at p, which three readable bytes precede. Loading those anew is
 * cheaper than shifting them in across lanes. */
WSCORE_INLINE TARGET vec utf8_errors(const uint8_t *p) {
    const vec now = v_load(p), back1 = v_load(p - 1);
    const vec special = v_and(
        v_and(v_lookup(v_table(byte_1_high), v_shr4(back1)),
              v_lookup(v_table(byte_1_low), v_and(back1, v_splat(0x0f)))),
        v_lookup(v_table(byte_2_high), v_shr4(now)));
    const vec third = v_subs(v_load(p - 2), v_splat(0xe0 - 0x80));
    const vec fourth = v_subs(v_load(p - 3), v_splat(0xf0 - 0x80));
    return v_xor(v_and(v_or(third, fourth), v_splat(0x80)), special);
}

/* Whether a code point is still open before p. */
WSCORE_INLINE int utf8_open(const uint8_t *p) {
    return p[-1] >= 0xc0 || p[-2] >= 0xe0 || p[-3] >= 0xf0;
}

TARGET int KERNEL_IS_UTF8(const uint8_t *src, size_t size) {
    /* The first and the last vector are checked in a copy: nothing stands before the one, and
     * zeros after the other show whether the end cuts a code point. */
    uint8_t edge[3 + V] = {0};
    size_t i = size < V ? 0 : V;
    vec errors = v_zero();
    if (i) {
        memcpy(edge + 3, src, V);
        errors = utf8_errors(edge + 3);
    }
    while (i && size - i >= 4 * V) {
        const vec any = v_or(v_or(v_load(src + i), v_load(src + i + V)),
                             v_or(v_load(src + i + 2 * V), v_load(src + i + 3 * V)));
        if (v_high(any)) {
            errors = v_or(errors, v_or(v_or(utf8_errors(src + i), utf8_errors(src + i + V)),
                                       v_or(utf8_errors(src + i + 2 * V),
                                            utf8_errors(src + i + 3 * V))));
            if (v_any(errors))
                return 0;
        } else if (utf8_open(src + i)) {
            return 0;
        }
        i += 4 * V;
    }
    for (; i && size - i >= V; i += V)
        errors = v_or(errors, utf8_errors(src + i));
    memset(edge, 0, sizeof edge);
    if (i)
        memcpy(edge, src + i - 3, 3);
    memcpy(edge + 3, src + i, size - i);
    return !v_any(v_or(errors, utf8_errors(edge + 3)));
}
