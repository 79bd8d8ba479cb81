/* UTF-8 validation by table lookup, after Keiser and Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte" (2020), over a vector type. Besides what mask_loop.h needs, the file that
 * includes this defines v_and, v_subs (unsigned, saturating), v_splat(byte), v_table(16 bytes),
 * v_low4 and v_high4 (of each byte, as indices), v_lookup(table, indices) and v_any; and, where
 * there are loads that stop at any byte, V_MASKED_LOADS and v_load_some(p, which bytes). It gets
 * KERNEL_IS_UTF8.
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

WSCORE_INLINE TARGET vec utf8_errors(vec now, vec back1, vec back2, vec back3) {
    const vec special = v_and(
        v_and(v_lookup(v_table(byte_1_high), v_high4(back1)),
              v_lookup(v_table(byte_1_low), v_low4(back1))),
        v_lookup(v_table(byte_2_high), v_high4(now)));
    const vec third = v_subs(back2, v_splat(0xe0 - 0x80));
    const vec fourth = v_subs(back3, v_splat(0xf0 - 0x80));
    return v_xor(v_and(v_or(third, fourth), v_splat(0x80)), special);
}

/* Errors among the V bytes at p, which three readable bytes precede. Loading those anew is
 * cheaper than shifting them in across lanes. */
WSCORE_INLINE TARGET vec utf8_inner(const uint8_t *p) {
    return utf8_errors(v_load(p), v_load(p - 1), v_load(p - 2), v_load(p - 3));
}

/* The same from src + at on, with zeros for what is outside the `size` bytes of src. Zeros after
 * the end show whether it cuts a code point. */
WSCORE_INLINE TARGET vec utf8_edge(const uint8_t *src, size_t size, size_t at) {
#ifdef V_MASKED_LOADS
    const uint8_t *p = src + at;
    const size_t left = size - at < V ? size - at : V;
    const uint64_t there = left < 64 ? ((uint64_t)1 << left) - 1 : ~(uint64_t)0;
    const uint64_t before = at ? 7 : 0;
    return utf8_errors(v_load_some(p, there), v_load_some(p - 1, there << 1 | before >> 2),
                       v_load_some(p - 2, there << 2 | before >> 1),
                       v_load_some(p - 3, there << 3 | before));
#else
    uint8_t copy[3 + V] = {0};
    if (at)
        memcpy(copy, src + at - 3, 3);
    memcpy(copy + 3, src + at, size - at < V ? size - at : V);
    return utf8_inner(copy + 3);
#endif
}

/* Whether a code point is still open before p. */
WSCORE_INLINE int utf8_open(const uint8_t *p) {
    return p[-1] >= 0xc0 || p[-2] >= 0xe0 || p[-3] >= 0xf0;
}

TARGET int KERNEL_IS_UTF8(const uint8_t *src, size_t size) {
    vec errors = utf8_edge(src, size, 0);
    if (size < V)
        return !v_any(errors);
    size_t i = V;
    for (; size - i >= 4 * V; i += 4 * V) {
        const vec any = v_or(v_or(v_load(src + i), v_load(src + i + V)),
                             v_or(v_load(src + i + 2 * V), v_load(src + i + 3 * V)));
        if (v_high(any)) {
            errors = v_or(errors, v_or(v_or(utf8_inner(src + i), utf8_inner(src + i + V)),
                                       v_or(utf8_inner(src + i + 2 * V),
                                            utf8_inner(src + i + 3 * V))));
            if (v_any(errors))
                return 0;
        } else if (utf8_open(src + i)) {
            return 0;
        }
    }
    for (; size - i >= V; i += V)
        errors = v_or(errors, utf8_inner(src + i));
    return !v_any(v_or(errors, utf8_edge(src, size, i)));
}
