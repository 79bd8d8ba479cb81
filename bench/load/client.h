/* The least of a WebSocket client that measuring needs: a blocking handshake, masked frames.
 * Every function that can fail ends the process with a message on stderr. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stddef.h>
#include <stdnoreturn.h>

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, MAX_HEADER = 14 };

noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The number that *text* is; dies unless it lies between *least* and *most*. */
double number(const char *name, const char *text, double least, double most);

/* Seconds on a clock that never jumps. */
double now(void);

/* As many descriptors as this process may have. */
void raise_descriptor_limit(void);

/* A connection to 127.0.0.1 that has become a WebSocket without extensions. */
int ws_connect(int port);

/* Write a final frame of *size* bytes to *out*; returns its length. Payloads differ by *seed*.
 * With a *key* it is masked, as a client must (RFC 6455 5.3); without, it is a server's. */
size_t ws_frame(unsigned char *out, int opcode, size_t size, unsigned seed,
                const unsigned char key[4]);

#endif
