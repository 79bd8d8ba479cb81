/* connect_load PORT WARM COUNT
 *
 * Opens WARM connections, so that what a server makes once is made; then opens COUNT more, one
 * after the other; then has a message echoed on each of them. After each step it prints a line of
 * JSON and waits for one on stdin: in the pauses one may look at the server. */
#include "client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { SIZE = 20, MAX_CONNECTIONS = 100000 };

static int connections[MAX_CONNECTIONS];

static void open_all(int port, int first, int end)
{
    for (int i = first; i < end; i++)
        connections[i] = ws_connect(port);
}

/* The messages leave before the first echo is awaited: as many conversations, not one. */
static void talk(int first, int end)
{
    unsigned char sent[MAX_HEADER + SIZE], expected[MAX_HEADER + SIZE], got[MAX_HEADER + SIZE];
    size_t length = ws_frame(sent, OPCODE_TEXT, SIZE, 0, (const unsigned char *)"\x37\xfa\x21\x3d");
    ssize_t echo = (ssize_t)ws_frame(expected, OPCODE_TEXT, SIZE, 0, NULL);
    for (int i = first; i < end; i++)
        if (send(connections[i], sent, length, MSG_NOSIGNAL) != (ssize_t)length)
            die("a message was not sent");
    for (int i = first; i < end; i++)
        if (recv(connections[i], got, (size_t)echo, MSG_WAITALL) != echo ||
            memcmp(got, expected, (size_t)echo))
            die("the echo is not what was sent");
}

static void tell_and_wait(const char *step, double figure)
{
    int c;
    printf("{\"%s\": %.1f}\n", step, figure);
    fflush(stdout);
    while ((c = getchar()) != '\n' && c != EOF)
        continue;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: connect_load PORT WARM COUNT");
    int port = (int)number("PORT", argv[1], 1, 65535);
    int warm = (int)number("WARM", argv[2], 0, MAX_CONNECTIONS / 2);
    int end = warm + (int)number("COUNT", argv[3], 1, MAX_CONNECTIONS / 2);

    raise_descriptor_limit();
    open_all(port, 0, warm);
    talk(0, warm);
    tell_and_wait("warm", warm);

    double start = now();
    open_all(port, warm, end);
    double seconds = now() - start;
    tell_and_wait("handshakes_per_second", (end - warm) / seconds);
    talk(warm, end);
    tell_and_wait("echoed", end - warm);
    return 0;
}
