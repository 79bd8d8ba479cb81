/* connect_load PORT WARM COUNT [OFFER FRAME ECHOES]
 *
 * Opens WARM connections, so that what a server makes once is made; then opens COUNT more, one
 * after the other; then has a message echoed on each of them. After each step it prints a line of
 * JSON and waits for one on stdin: in the pauses one may look at the server.
 *
 * The message is 20 B, and its echo is compared. With an OFFER of extensions it is the frame in
 * file FRAME, and the frames that come back are written to file ECHOES, for someone who can read
 * them. */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* PATIENCE: seconds for the first echo, while a slow server takes the messages of all. */
enum { SIZE = 20, MAX_ECHO = 1 << 16, MAX_CONNECTIONS = 100000, PATIENCE = 60 };

static int connections[MAX_CONNECTIONS];

static struct {
    unsigned char *sent, *expected;
    size_t sent_size, expected_size;
    FILE *echoes; /* instead of *expected* */
} message;

static void make_message(const char *frame, const char *echoes)
{
    static unsigned char sent[MAX_HEADER + SIZE], expected[MAX_HEADER + SIZE];
    if (frame) {
        frame_list frames = ws_load_frames(frame);
        message.sent = frames.bytes;
        message.sent_size = frames.starts[1];
        message.echoes = fopen(echoes, "wb");
        if (!message.echoes)
            die("cannot write %s", echoes);
        return;
    }
    message.sent = sent;
    message.sent_size =
        ws_frame(sent, OPCODE_TEXT, SIZE, 0, (const unsigned char *)"\x37\xfa\x21\x3d");
    message.expected = expected;
    message.expected_size = ws_frame(expected, OPCODE_TEXT, SIZE, 0, NULL);
}

static void open_all(int port, int first, int end, const char *offer)
{
    for (int i = first; i < end; i++)
        connections[i] = ws_connect(port, offer);
}

static void take_known_echo(int fd)
{
    unsigned char got[MAX_HEADER + SIZE];
    ssize_t size = (ssize_t)message.expected_size;
    if (recv(fd, got, message.expected_size, MSG_WAITALL) != size ||
        memcmp(got, message.expected, message.expected_size))
        die("the echo is not what was sent");
}

static void take_echo(int fd)
{
    static unsigned char got[MAX_ECHO];
    size_t size = 0;
    frame_header frame;
    while (!ws_parse(got, size, &frame) || size < frame.header + frame.payload) {
        ssize_t n = recv(fd, got + size, sizeof got - size, 0);
        if (n <= 0)
            die("the echo did not come, or is too long");
        size += (size_t)n;
    }
    if (size > frame.header + frame.payload)
        die("the server says more than was asked");
    if ((got[0] & ~RSV1) != (FIN | OPCODE_TEXT))
        die("the echo begins with 0x%02x", got[0]);
    fwrite(got, 1, size, message.echoes);
}

/* The messages leave before the first echo is awaited: as many conversations, not one. */
static void talk(int first, int end)
{
    struct timeval patience = {.tv_sec = PATIENCE};
    for (int i = first; i < end; i++) {
        setsockopt(connections[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (send(connections[i], message.sent, message.sent_size, MSG_NOSIGNAL) !=
            (ssize_t)message.sent_size)
            die("a message was not sent");
    }
    for (int i = first; i < end; i++)
        if (message.echoes)
            take_echo(connections[i]);
        else
            take_known_echo(connections[i]);
    if (message.echoes)
        fflush(message.echoes);
}

static void tell_and_wait(const char *step, double figure)
{
    int c;
    printf("{\"%s\": %.1f, \"agreed\": \"%s\"}\n", step, figure, ws_agreed());
    fflush(stdout);
    while ((c = getchar()) != '\n' && c != EOF)
        continue;
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 7)
        die("usage: connect_load PORT WARM COUNT [OFFER FRAME ECHOES]");
    int port = (int)number("PORT", argv[1], 1, 65535);
    int warm = (int)number("WARM", argv[2], 0, MAX_CONNECTIONS / 2);
    int end = warm + (int)number("COUNT", argv[3], 1, MAX_CONNECTIONS / 2);
    const char *offer = argc == 7 ? argv[4] : NULL;

    raise_descriptor_limit();
    make_message(offer ? argv[5] : NULL, offer ? argv[6] : NULL);
    open_all(port, 0, warm, offer);
    talk(0, warm);
    tell_and_wait("warm", warm);

    double start = now();
    open_all(port, warm, end, offer);
    double seconds = now() - start;
    tell_and_wait("handshakes_per_second", (end - warm) / seconds);
    talk(warm, end);
    tell_and_wait("echoed", end - warm);
    return 0;
}
