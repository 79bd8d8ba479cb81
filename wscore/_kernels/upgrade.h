/* The request that opens a WebSocket as most clients send it, read in one pass without a copy.
 *
 * Whatever is unusual about a request, and whatever is wrong with it, is left to `http11` and
 * `handshake`: what is read here they accept, and read the same (tests/test_upgrade.py). */
#ifndef WSCORE_UPGRADE_H
#define WSCORE_UPGRADE_H

#include "kernel.h"

/* `http11` allows as much in one line, and four times as much in all. */
#define WSCORE_UPGRADE_MAX_HEAD 8192
#define WSCORE_UPGRADE_MAX_HEADERS 128

typedef struct {
    const uint8_t *at; /* NULL: there is none */
    size_t size;
} wscore_text;

typedef struct {
    size_t size; /* of the head, with the empty line that ends it */
    wscore_text path, key, origin, extensions, cookie;
} wscore_upgrade;

/* To be called once, before the first request. */
void wscore_init_upgrade(void);

/* Whether the bytes at p begin with such a request; only then *found* is filled. */
int wscore_read_upgrade(const uint8_t *p, size_t size, wscore_upgrade *found);

#endif
