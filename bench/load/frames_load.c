/* frames_load PORT CONNECTIONS SECONDS SERVER_PID OFFER FRAMES ECHOES PULSE
 *
 * Sends frames made beforehand, so that nothing has to be compressed here. Each connection sends
 * those of file FRAMES one at a time: the first one once, then the others in turn (a lone one again
 * and again), each when the echo of the one before it has come. Echoes have to be compressed text.
 * Those of a connection's first lap are written to file ECHOES, each as connection and size (native
 * 32-bit numbers) and payload, for someone who can inflate them.
 *
 * With PULSE above 0 one more connection sends 64 B uncompressed every PULSE seconds, whether or
 * not the last came back: the latencies printed are then those of the pulses, from the time when
 * they were due. Prints one line of JSON; "load" is how much of a core this program used. */
#define _GNU_SOURCE
#include "client.h"
#include "figures.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, READ_SIZE = 1 << 20, PULSE_SIZE = 64 };
static const double WARM_UP = 0.2;  /* of SECONDS, before it is counted */
static const double PATIENCE = 5.0; /* seconds without an echo */

typedef struct {
    int fd, number;
    /* Out: which frame, and how much of it. */
    int frame;
    size_t sent;
    bool waits_to_write;
    double since;
    /* In: a header, then what is left of the payload, until the message is whole. */
    unsigned char header[MAX_HEADER], first;
    size_t header_size, left;
    bool in_payload, in_message;
    /* The payload of the message, while it is to be written down. */
    unsigned char *kept;
    size_t kept_size;
    int echoes;
} connection;

static struct {
    bool counting;
    size_t messages, bytes;
} result;

static struct {
    connection link;
    int timer;
    double interval, begin;
    long sent, received, first_counted;
} pulse = {.timer = -1};

static int poller;
static unsigned char input[READ_SIZE];
static frame_list frames;
static FILE *echoes;
static double heard; /* when something came last */

static void watch(connection *c, int operation, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    c->waits_to_write = writing;
    if (epoll_ctl(poller, operation, c->fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void send_rest(connection *c)
{
    size_t size = frames.starts[c->frame + 1] - frames.starts[c->frame];
    ssize_t n =
        send(c->fd, frames.bytes + frames.starts[c->frame] + c->sent, size - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("send: %s", strerror(errno));
    c->sent += n > 0 ? (size_t)n : 0;
    if ((c->sent < size) != c->waits_to_write)
        watch(c, EPOLL_CTL_MOD, c->sent < size);
}

static void start_frame(connection *c, int frame, double time)
{
    c->frame = frame;
    c->sent = 0;
    c->since = time;
    send_rest(c);
}

static void send_pulses(void)
{
    static unsigned char frame[MAX_HEADER + PULSE_SIZE];
    static size_t size;
    uint64_t due;
    if (!size)
        size = ws_frame(frame, OPCODE_TEXT, PULSE_SIZE, 0, (const unsigned char *)"\x37\xfa\x21\x3d");
    if (read(pulse.timer, &due, sizeof due) != sizeof due)
        return;
    for (; due; due--, pulse.sent++)
        if (send(pulse.link.fd, frame, size, MSG_NOSIGNAL) != (ssize_t)size)
            die("the server does not read what is small");
}

static void finish_pulse(void)
{
    long number = pulse.received++;
    if (result.counting && number >= pulse.first_counted)
        note_latency(now() - (pulse.begin + (double)(number + 1) * pulse.interval));
}

static void write_down(connection *c)
{
    uint32_t record[2] = {(uint32_t)c->number, (uint32_t)c->kept_size};
    fwrite(record, sizeof record, 1, echoes);
    fwrite(c->kept, 1, c->kept_size, echoes);
    c->kept_size = 0;
}

static void finish_message(connection *c)
{
    double time = now();
    if (c->sent < frames.starts[c->frame + 1] - frames.starts[c->frame])
        die("the echo came before all was sent");
    if (c->echoes++ < frames.count)
        write_down(c);
    if (result.counting) {
        result.messages++;
        if (!pulse.interval)
            note_latency(time - c->since);
    }
    start_frame(c, c->frame + 1 < frames.count ? c->frame + 1 : frames.count > 1, time);
}

static void begin_payload(connection *c, const frame_header *frame)
{
    int kind = frame->first & ~FIN;
    bool small = c == &pulse.link;
    bool right = c->in_message ? kind == 0
                               : kind == (RSV1 | OPCODE_TEXT) || (small && kind == OPCODE_TEXT);
    if (!right)
        die("the echo is not what was asked for: a frame begins with 0x%02x", frame->first);
    c->first = frame->first;
    c->header_size = 0;
    c->left = frame->payload;
    c->in_payload = c->in_message = true;
}

static void keep(connection *c, const unsigned char *data, size_t size)
{
    if (c == &pulse.link || c->echoes >= frames.count)
        return;
    c->kept = realloc(c->kept, c->kept_size + size + 1);
    if (!c->kept)
        die("no memory for the echoes");
    memcpy(c->kept + c->kept_size, data, size);
    c->kept_size += size;
}

static void take(connection *c, const unsigned char *data, const unsigned char *end)
{
    while (data < end) {
        frame_header frame;
        if (!c->in_payload) {
            c->header[c->header_size++] = *data++;
            if (!ws_parse(c->header, c->header_size, &frame))
                continue;
            begin_payload(c, &frame);
        }
        size_t size = (size_t)(end - data) < c->left ? (size_t)(end - data) : c->left;
        keep(c, data, size);
        data += size;
        c->left -= size;
        c->in_payload = c->left > 0;
        c->in_message = c->in_payload || !(c->first & FIN);
        if (c->in_message)
            continue;
        if (c == &pulse.link)
            finish_pulse();
        else
            finish_message(c);
    }
}

static void receive(connection *c)
{
    ssize_t n = recv(c->fd, input, sizeof input, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server ended the connection%s%s", n ? ": " : "", n ? strerror(errno) : "");
    result.bytes += result.counting && c != &pulse.link ? (size_t)n : 0;
    heard = now();
    take(c, input, input + n);
}

static void open_connection(connection *c, int port, const char *offer)
{
    c->fd = ws_connect(port, offer);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, false);
}

static struct timespec timespec_of(double seconds)
{
    double whole = floor(seconds);
    return (struct timespec){.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
}

static void start_pulse(double interval)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &pulse.timer};
    struct itimerspec times = {.it_interval = timespec_of(interval)};
    pulse.interval = interval;
    pulse.begin = now();
    times.it_value = timespec_of(pulse.begin + interval);
    pulse.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (pulse.timer < 0 || timerfd_settime(pulse.timer, TFD_TIMER_ABSTIME, &times, NULL) ||
        epoll_ctl(poller, EPOLL_CTL_ADD, pulse.timer, &event))
        die("timerfd: %s", strerror(errno));
}

static bool first_lap_done(const connection *connections, int count)
{
    for (int i = 0; i < count; i++)
        if (connections[i].echoes < frames.count)
            return false;
    return true;
}

static void turn(void)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(poller, events, MAX_EVENTS, (int)(PATIENCE * 1000));
    for (int i = 0; i < count; i++) {
        connection *c = events[i].data.ptr;
        if (events[i].data.ptr == &pulse.timer) {
            send_pulses();
            continue;
        }
        if (events[i].events & EPOLLOUT)
            send_rest(c);
        if (events[i].events & ~(unsigned)EPOLLOUT)
            receive(c);
    }
    if (now() > heard + PATIENCE)
        die("nothing came back for %g s", PATIENCE);
}

/* Pulses that are still under way at the end belong to the figures, and are the slowest. */
static void await_pulses(void)
{
    if (!pulse.interval)
        return;
    close(pulse.timer);
    while (pulse.received < pulse.sent)
        turn();
}

static double own_cpu(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void measure(double seconds, pid_t server)
{
    double start = now(), cpu = cpu_seconds(server), own = own_cpu();
    result.counting = true;
    pulse.first_counted = pulse.sent;
    while (now() < start + seconds || !result.messages)
        turn();
    double messages = (double)result.messages;
    seconds = now() - start;
    cpu = cpu_seconds(server) - cpu;
    own = own_cpu() - own;
    double wire = (double)result.bytes / messages;
    await_pulses();
    printf("{\"messages_per_second\": %.3f, \"cpu\": %.10f, \"p50\": %.7f, \"p99\": %.7f, "
           "\"wire\": %.1f, \"load\": %.3f, \"agreed\": \"%s\"}\n",
           messages / seconds, cpu / messages, latency_quantile(0.5), latency_quantile(0.99), wire,
           own / seconds, ws_agreed());
}

int main(int argc, char **argv)
{
    if (argc != 9)
        die("usage: frames_load PORT CONNECTIONS SECONDS SERVER_PID OFFER FRAMES ECHOES PULSE");
    int port = (int)number("PORT", argv[1], 1, 65535);
    int count = (int)number("CONNECTIONS", argv[2], 1, 100000);
    double seconds = number("SECONDS", argv[3], 0.001, 3600);
    pid_t server = (pid_t)number("SERVER_PID", argv[4], 1, 1 << 30);
    double interval = number("PULSE", argv[8], 0, 60);

    raise_descriptor_limit();
    frames = ws_load_frames(argv[6]);
    echoes = fopen(argv[7], "wb");
    connection *connections = calloc((size_t)count, sizeof *connections);
    if (!echoes || !connections)
        die("cannot write %s", argv[7]);
    poller = epoll_create1(0);
    heard = now();
    for (int i = 0; i < count; i++) {
        connections[i].number = i;
        open_connection(&connections[i], port, argv[5]);
    }
    if (interval > 0)
        open_connection(&pulse.link, port, argv[5]);
    for (int i = 0; i < count; i++)
        start_frame(&connections[i], 0, now());
    while (!first_lap_done(connections, count))
        turn();
    fclose(echoes);
    if (interval > 0)
        start_pulse(interval);
    for (double end = now() + seconds * WARM_UP; now() < end;)
        turn();
    measure(seconds, server);
    return 0;
}
