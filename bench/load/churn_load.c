/* churn_load PORT AT_ONCE COUNT closing|keeping SERVER_PID
 *
 * Opens COUNT connections, AT_ONCE of them at the same time: as soon as one is done the next one
 * asks. It is done when the handshake is answered ("keeping": all stay open), or when after that a
 * closing handshake has ended and the server has ended the stream ("closing"). Prints one line of
 * JSON; "cpu" is what the server used for a connection, "load" how much of a core this program
 * used. */
#define _GNU_SOURCE
#include "client.h"
#include "figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, OPCODE_CLOSE = 8 };

typedef struct {
    int fd;
    bool open; /* the handshake is answered */
    ws_head head;
    unsigned char got[MAX_HEADER];
    size_t size; /* of the server's Close, so far */
} connection;

/* A Close with code 1000, masked with zeros, and what answers it. */
static const unsigned char CLOSE[] = {FIN | OPCODE_CLOSE, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
static const unsigned char ANSWER[] = {FIN | OPCODE_CLOSE, 2, 0x03, 0xe8};

static int poller, port;
static bool closing;
static long left, unfinished;

static void begin(connection *c)
{
    if (!left)
        return;
    left--;
    c->open = false;
    c->size = c->head.got = 0;
    c->fd = ws_ask(port, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void opened(connection *c)
{
    c->open = true;
    if (closing) {
        if (send(c->fd, CLOSE, sizeof CLOSE, MSG_NOSIGNAL) != sizeof CLOSE)
            die("send: %s", strerror(errno));
        return;
    }
    if (epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL))
        die("epoll_ctl: %s", strerror(errno));
    unfinished--;
    begin(c);
}

static void read_answer(connection *c)
{
    ssize_t n = recv(c->fd, c->got + c->size, sizeof c->got - c->size, 0);
    if (n < 0)
        die("recv: %s", strerror(errno));
    c->size += (size_t)n;
    if (c->size > sizeof ANSWER || memcmp(c->got, ANSWER, c->size))
        die("a Close is answered with 0x%02x", c->got[0]);
    if (n)
        return;
    if (c->size < sizeof ANSWER)
        die("the server ended the stream without a Close");
    close(c->fd);
    unfinished--;
    begin(c);
}

static void turn(void)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(poller, events, MAX_EVENTS, 5000);
    if (count == 0)
        die("nothing happened for 5 s");
    for (int i = 0; i < count; i++) {
        connection *c = events[i].data.ptr;
        if (c->open)
            read_answer(c);
        else if (ws_answered(c->fd, NULL, &c->head))
            opened(c);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6)
        die("usage: churn_load PORT AT_ONCE COUNT closing|keeping SERVER_PID");
    port = (int)number("PORT", argv[1], 1, 65535);
    int at_once = (int)number("AT_ONCE", argv[2], 1, 10000);
    double count = number("COUNT", argv[3], 1, 100000);
    closing = !strcmp(argv[4], "closing");
    if (!closing && strcmp(argv[4], "keeping"))
        die("closing or keeping, not %s", argv[4]);
    pid_t server = (pid_t)number("SERVER_PID", argv[5], 1, 1 << 30);

    raise_descriptor_limit();
    poller = epoll_create1(0);
    connection *connections = calloc((size_t)at_once, sizeof *connections);
    if (!connections)
        die("no memory for %d connections", at_once);
    left = unfinished = (long)count;
    double start = now(), cpu = cpu_seconds(server);
    for (int i = 0; i < at_once; i++)
        begin(&connections[i]);
    while (unfinished)
        turn();
    double seconds = now() - start;
    printf("{\"per_second\": %.1f, \"cpu\": %.10f, \"load\": %.3f}\n", count / seconds,
           (cpu_seconds(server) - cpu) / count, (double)clock() / CLOCKS_PER_SEC / seconds);
    return 0;
}
