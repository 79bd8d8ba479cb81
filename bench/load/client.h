/* The least of a WebSocket client that measuring needs: a blocking handshake, masked frames.
 * Every function that can fail ends the process with a message on stderr. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, FIN = 0x80, RSV1 = 0x40, MAX_HEADER = 14 };

noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The number that *text* is; dies unless it lies between *least* and *most*. */
double number(const char *name, const char *text, double least, double most);

/* Seconds on a clock that never jumps. */
double now(void);

/* As many descriptors as this process may have. */
void raise_descriptor_limit(void);

/* A connection to 127.0.0.1 that has become a WebSocket; *offer* is what extensions are offered,
 * NULL for none. */
int ws_connect(int port, const char *offer);

/* The same in two steps: a connection that has asked to become a WebSocket, and whether what is
 * read now completes the answer, of which *head* keeps what came. */
typedef struct {
    char text[4096];
    size_t got;
} ws_head;

int ws_ask(int port, const char *offer);
bool ws_answered(int fd, const char *offer, ws_head *head);

/* What the server answered to the last offer: the value of its Sec-WebSocket-Extensions. */
const char *ws_agreed(void);

/* Write a final frame of *size* bytes to *out*; returns its length. Payloads differ by *seed*.
 * With a *key* it is masked, as a client must (RFC 6455 5.3); without, it is a server's. */
size_t ws_frame(unsigned char *out, int opcode, size_t size, unsigned seed,
                const unsigned char key[4]);

/* A frame's header, masked or not. */
typedef struct {
    unsigned char first; /* fin, RSV1 to RSV3 and opcode */
    size_t header, payload;
} frame_header;

/* Parse what begins *data*; returns whether *size* bytes were enough for it. */
bool ws_parse(const unsigned char *data, size_t size, frame_header *frame);

/* Frames in a file: *count* of them, frame i from bytes + starts[i] to bytes + starts[i + 1]. */
typedef struct {
    unsigned char *bytes;
    size_t *starts;
    int count;
} frame_list;

frame_list ws_load_frames(const char *path);

#endif
