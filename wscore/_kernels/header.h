/* The frame header of RFC 6455 5.2, read and written. */
#ifndef WSCORE_HEADER_H
#define WSCORE_HEADER_H

#include "kernel.h"

#define WSCORE_MAX_HEADER 14

typedef struct {
    uint8_t first, second; /* FIN, RSV1 to 3 and opcode; MASK and the short length */
    uint8_t size;          /* of the header itself */
    uint32_t key;          /* 0 when not masked, which masks to the same bytes */
    uint64_t length;       /* of the payload */
} wscore_header;

enum { WSCORE_BAD_LENGTH = -1, WSCORE_INCOMPLETE = 0, WSCORE_WHOLE = 1 };

/* Whether a frame may start like this, whatever came before it (5.2, 5.5). */
WSCORE_INLINE int wscore_known_start(uint8_t first, uint8_t second) {
    const unsigned opcode = first & 0x0f;
    if (opcode >= 8)
        return opcode <= 10 && first & 0x80 && (second & 0x7f) <= 125;
    return opcode <= 2;
}

/* Whether it may start like this on a connection in this state (5.1, 5.4; RFC 7692 6). */
WSCORE_INLINE int wscore_legal_start(uint8_t first, uint8_t second, int masked, int deflate,
                                     int in_message) {
    const unsigned opcode = first & 0x0f, rsv = first & 0x70;
    if (!wscore_known_start(first, second) || second >> 7 != masked)
        return 0;
    if (opcode == 1 || opcode == 2)
        return !in_message && (rsv == 0 || (rsv == 0x40 && deflate));
    return rsv == 0 && (opcode != 0 || in_message);
}

WSCORE_INLINE int wscore_parse_header(const uint8_t *p, size_t available, wscore_header *h) {
    if (available < 2)
        return WSCORE_INCOMPLETE;
    h->first = p[0];
    h->second = p[1];
    h->length = p[1] & 0x7f;
    h->size = 2;
    if (h->length >= 126) {
        const uint64_t least = h->length == 126 ? 126 : 65536;
        h->size = h->length == 126 ? 4 : 10;
        if (available < h->size)
            return WSCORE_INCOMPLETE;
        h->length = 0;
        for (unsigned i = 2; i < h->size; i++)
            h->length = h->length << 8 | p[i];
        if (h->length < least || h->length >> 63)
            return WSCORE_BAD_LENGTH;
    }
    h->key = 0;
    if (p[1] & 0x80) {
        if (available < (size_t)h->size + 4)
            return WSCORE_INCOMPLETE;
        memcpy(&h->key, p + h->size, 4);
        h->size += 4;
    }
    return WSCORE_WHOLE;
}

WSCORE_INLINE ptrdiff_t wscore_header_size(ptrdiff_t length, int masked) {
    return (length < 126 ? 2 : length < 65536 ? 4 : 10) + (masked ? 4 : 0);
}

/* Write a header and its key, if any, at out; returns its size. */
WSCORE_INLINE ptrdiff_t wscore_write_header(uint8_t *out, uint8_t first, uint64_t length,
                                            const uint8_t *key) {
    const uint8_t mask = key ? 0x80 : 0;
    size_t size = 2;
    out[0] = first;
    if (length < 126) {
        out[1] = mask | (uint8_t)length;
    } else {
        size = length < 65536 ? 4 : 10;
        out[1] = mask | (size == 4 ? 126 : 127);
        for (size_t i = size - 1; i >= 2; i--, length >>= 8)
            out[i] = (uint8_t)length;
    }
    if (key) {
        memcpy(out + size, key, 4);
        size += 4;
    }
    return size;
}

#endif
