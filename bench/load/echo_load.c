/* echo_load PORT CONNECTIONS IN_FLIGHT SIZE SECONDS text|binary SERVER_PID [OFFER]
 *
 * Keeps IN_FLIGHT messages of SIZE bytes under way on each connection: they leave in one write,
 * and the next ones leave when all have come back. The first batch of each connection is compared
 * byte by byte, those after it by length and first byte. Prints one line of JSON; "cpu" is what the
 * server's process used for a message, which other work on the machine disturbs least. */
#define _GNU_SOURCE
#include "client.h"
#include "figures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { MAX_EVENTS = 256, READ_SIZE = 1 << 20 };
static const double WARM_UP = 0.2; /* of SECONDS, before it is counted */

typedef struct {
    int fd;
    bool checked, waits_to_write;
    size_t sent, received;
    double since;
} connection;

/* What every connection sends and what has to come back. */
static struct {
    unsigned char *out, *expected;
    size_t out_size, expected_size;
    int messages;
} batch;

static struct {
    bool counting;
    size_t bytes, batches;
} result;

static int poller;
static unsigned char input[READ_SIZE];

static void make_batch(int messages, int opcode, size_t size)
{
    size_t most = (size_t)messages * (size + MAX_HEADER);
    batch.messages = messages;
    batch.out = malloc(most);
    batch.expected = malloc(most);
    if (!batch.out || !batch.expected)
        die("no memory for %d messages of %zu bytes", messages, size);
    for (int i = 0; i < messages; i++) {
        unsigned seed = (unsigned)i * 7;
        unsigned char key[4] = {(unsigned char)(0x37 + i), 0xfa, 0x21, (unsigned char)(0x3d ^ i)};
        batch.out_size += ws_frame(batch.out + batch.out_size, opcode, size, seed, key);
        batch.expected_size +=
            ws_frame(batch.expected + batch.expected_size, opcode, size, seed, NULL);
    }
}

static void watch(connection *c, int operation, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    c->waits_to_write = writing;
    if (epoll_ctl(poller, operation, c->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void send_rest(connection *c)
{
    size_t left = batch.out_size - c->sent;
    ssize_t n = send(c->fd, batch.out + c->sent, left, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("send: %s", strerror(errno));
    c->sent += n > 0 ? (size_t)n : 0;
    bool unfinished = c->sent < batch.out_size;
    if (unfinished != c->waits_to_write)
        watch(c, EPOLL_CTL_MOD, unfinished);
}

static void start_batch(connection *c, double time)
{
    c->sent = c->received = 0;
    c->since = time;
    send_rest(c);
}

static void check(connection *c, size_t n)
{
    if (c->received + n > batch.expected_size)
        die("the echo is longer than what was sent");
    if (!c->checked && memcmp(input, batch.expected + c->received, n))
        die("the echo is not what was sent");
    if (c->received == 0 && input[0] != batch.expected[0])
        die("the echo begins with 0x%02x", input[0]);
}

static void finish_batch(connection *c)
{
    double time = now();
    c->checked = true;
    if (result.counting) {
        note_latency(time - c->since);
        result.batches++;
    }
    start_batch(c, time);
}

static void receive(connection *c)
{
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server ended the connection%s%s", n ? ": " : "", n ? strerror(errno) : "");
    check(c, (size_t)n);
    c->received += (size_t)n;
    result.bytes += result.counting ? (size_t)n : 0;
    if (c->received == batch.expected_size)
        finish_batch(c);
}

static void open_connections(connection *connections, int count, int port, const char *offer)
{
    poller = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        connections[i].fd = ws_connect(port, offer);
        fcntl(connections[i].fd, F_SETFL, O_NONBLOCK);
        watch(&connections[i], EPOLL_CTL_ADD, false);
    }
}

static bool all_checked(const connection *connections, int count)
{
    for (int i = 0; i < count; i++)
        if (!connections[i].checked)
            return false;
    return true;
}

static void turn(void)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(poller, events, MAX_EVENTS, 5000);
    if (count == 0)
        die("nothing came back for 5 s");
    for (int i = 0; i < count; i++) {
        connection *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            send_rest(c);
        if (events[i].events & ~(unsigned)EPOLLOUT)
            receive(c);
    }
}

static void report(double seconds, double cpu)
{
    double messages = (double)result.bytes / (double)batch.expected_size * batch.messages;
    printf("{\"messages_per_second\": %.1f, \"cpu\": %.10f, \"p50\": %.7f, \"p99\": %.7f}\n",
           messages / seconds, cpu / messages, latency_quantile(0.5), latency_quantile(0.99));
}

int main(int argc, char **argv)
{
    if (argc != 8 && argc != 9)
        die("usage: echo_load PORT CONNECTIONS IN_FLIGHT SIZE SECONDS text|binary SERVER_PID [OFFER]");
    int port = (int)number("PORT", argv[1], 1, 65535);
    int count = (int)number("CONNECTIONS", argv[2], 1, 100000);
    int in_flight = (int)number("IN_FLIGHT", argv[3], 1, 10000);
    size_t size = (size_t)number("SIZE", argv[4], 1, 1 << 28);
    double seconds = number("SECONDS", argv[5], 0.001, 3600);
    bool text = !strcmp(argv[6], "text");
    if (!text && strcmp(argv[6], "binary"))
        die("text or binary, not %s", argv[6]);
    pid_t server = (pid_t)number("SERVER_PID", argv[7], 1, 1 << 30);

    raise_descriptor_limit();
    make_batch(in_flight, text ? OPCODE_TEXT : OPCODE_BINARY, size);
    connection *connections = calloc((size_t)count, sizeof *connections);
    open_connections(connections, count, port, argc == 9 ? argv[8] : NULL);
    for (int i = 0; i < count; i++)
        start_batch(&connections[i], now());
    while (!all_checked(connections, count))
        turn();
    for (double end = now() + seconds * WARM_UP; now() < end;)
        turn();
    double start = now(), cpu = cpu_seconds(server);
    result.counting = true;
    while (now() < start + seconds || !result.batches)
        turn();
    report(now() - start, cpu_seconds(server) - cpu);
    return 0;
}
