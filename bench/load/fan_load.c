/* fan_load PORT MEMBERS STUCK SECONDS ROUNDS SERVER_PID all|one|ENTRY FRAMES OFFER ECHOES
 *
 * Loads a server that sends every message to everybody. In a round the first member sends all
 * frames of file FRAMES in one write ("one"), or each member sends its own ("all"), or someone who
 * is no member sends them to port ENTRY; the round ends when every member has everything. Rounds
 * follow each other for SECONDS, at least ROUNDS of them.
 *
 * The first to finish a round has each of its frames compared with what was sent: a plain payload
 * begins with the number of its frame, 16 bits with the lowest first. The others' bytes have to be
 * the same, or else pass the same inspection; so every byte is checked, at the cost of a memcmp.
 *
 * With an OFFER of permessage-deflate (empty for none) frames have to be compressed text, and
 * cannot be known beforehand: they are counted, and those of the first rounds are written to file
 * ECHOES, each as member and size (native 32-bit numbers) and payload, for someone who can inflate
 * them.
 *
 * STUCK more members do not read until all is over; then what they have coming is counted. Prints
 * one line of JSON; "load" is how much of a core this program used, "published" counts messages
 * from the very first round on. */
#define _GNU_SOURCE
#include "client.h"
#include "figures.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, ROOM = 1 << 14, MOST_ROOM = 1 << 28, KEPT_ROUNDS = 2 };
enum { SETTLE = 200000, QUIET = 1 }; /* microseconds; seconds until what comes is all there is */
static const double WARM_UP = 0.2; /* of SECONDS, before it is counted */

typedef struct {
    int fd, number;
    unsigned char *bytes; /* of this round: what came, and how much of it is inspected */
    size_t room, got, inspected;
    int messages;
    bool differs; /* from the first to finish */
    uint32_t *seen; /* by frame: the round in which it came last */
} member;

static struct {
    frame_list sent, expected;
    bool everybody, compressed;
} load;

static struct {
    uint32_t number, since; /* *since*: the first that is measured */
    int unfinished;
    const member *first; /* to finish it */
    double begin;
} current;

static int poller, members, sender;
static member *member_list;
static FILE *echoes;

/* What a server makes of the frames that it is sent. */
static void unmask(void)
{
    frame_list *out = &load.expected;
    *out = load.sent;
    out->bytes = malloc(load.sent.starts[load.sent.count]);
    out->starts = malloc(((size_t)load.sent.count + 1) * sizeof *out->starts);
    size_t at = 0;
    for (int i = 0; i < load.sent.count; i++) {
        const unsigned char *frame = load.sent.bytes + load.sent.starts[i];
        frame_header header;
        ws_parse(frame, MAX_HEADER, &header);
        const unsigned char *key = frame + header.header - 4;
        out->starts[i] = at;
        memcpy(out->bytes + at, frame, header.header - 4);
        out->bytes[at + 1] &= 0x7f;
        at += header.header - 4;
        for (size_t k = 0; k < header.payload; k++)
            out->bytes[at++] = frame[header.header + k] ^ key[k & 3];
    }
    out->starts[out->count] = at;
}

/* What came, frame by frame */

static void inspect_known(member *m, const unsigned char *frame, const frame_header *header)
{
    const frame_list *known = &load.expected;
    size_t size = header->header + header->payload;
    int number = header->payload < 2 ? known->count
                                     : frame[header->header] | frame[header->header + 1] << 8;
    if (number >= known->count || size != known->starts[number + 1] - known->starts[number] ||
        memcmp(frame, known->bytes + known->starts[number], size))
        die("a member got what nobody sent");
    if (!load.everybody && number != m->messages)
        die("a member got message %d of a round instead of %d", number, m->messages);
    if (m->seen[number] == current.number)
        die("a member got a message twice");
    m->seen[number] = current.number;
}

static void inspect(member *m)
{
    frame_header header;
    while (ws_parse(m->bytes + m->inspected, m->got - m->inspected, &header) &&
           header.payload <= m->got - m->inspected - header.header) {
        const unsigned char *frame = m->bytes + m->inspected;
        if (m->messages == load.sent.count)
            die("a member got more than was sent");
        if (!load.compressed)
            inspect_known(m, frame, &header);
        else if (header.first != (FIN | RSV1 | OPCODE_TEXT))
            die("a frame begins with 0x%02x", header.first);
        m->messages++;
        m->inspected += header.header + header.payload;
    }
}

static bool same_as_first(member *m)
{
    if (!current.first || m->differs)
        return false;
    m->differs = m->got > current.first->got || memcmp(m->bytes, current.first->bytes, m->got);
    return !m->differs;
}

static void write_down(const member *m)
{
    frame_header header;
    for (size_t at = 0; at < m->got; at += header.header + header.payload) {
        ws_parse(m->bytes + at, m->got - at, &header);
        uint32_t record[2] = {(uint32_t)m->number, (uint32_t)header.payload};
        fwrite(record, sizeof record, 1, echoes);
        fwrite(m->bytes + at + header.header, 1, header.payload, echoes);
    }
}

static void finish(member *m)
{
    if (load.compressed && current.number <= KEPT_ROUNDS)
        write_down(m);
    if (!current.first)
        current.first = m;
    m->messages = load.sent.count;
    m->inspected = m->got;
    current.unfinished--;
}

static void take(member *m)
{
    if (m->messages == load.sent.count)
        die("a member got more than was sent");
    if (same_as_first(m)) {
        if (m->got == current.first->got)
            finish(m);
        return;
    }
    inspect(m);
    if (m->messages < load.sent.count)
        return;
    if (m->inspected < m->got)
        die("a member got more than was sent");
    finish(m);
}

static ssize_t receive(member *m, int flags)
{
    if (m->got == m->room) {
        m->room = m->room ? 2 * m->room : ROOM;
        m->bytes = m->room > MOST_ROOM ? NULL : realloc(m->bytes, m->room);
        if (!m->bytes)
            die("no memory for what a member gets");
    }
    ssize_t n = recv(m->fd, m->bytes + m->got, m->room - m->got, flags);
    m->got += n > 0 ? (size_t)n : 0;
    return n;
}

/* Rounds */

static void send_frames(int fd, int from, int end)
{
    size_t size = load.sent.starts[end] - load.sent.starts[from];
    if (send(fd, load.sent.bytes + load.sent.starts[from], size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send: %s", strerror(errno));
}

static void start_round(void)
{
    for (int i = 0; i < members; i++) {
        member *m = &member_list[i];
        m->got = m->inspected = 0;
        m->messages = 0;
        m->differs = false;
    }
    current.number++;
    current.first = NULL;
    current.unfinished = members;
    current.begin = now();
    if (!load.everybody)
        send_frames(sender, 0, load.sent.count);
    for (int i = 0; load.everybody && i < members; i++)
        send_frames(member_list[i].fd, i, i + 1);
}

static void turn(int patience)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(poller, events, MAX_EVENTS, patience);
    if (count == 0 && current.unfinished)
        die("%d members miss messages for 5 s", current.unfinished);
    for (int i = 0; i < count; i++) {
        member *m = events[i].data.ptr;
        ssize_t n = receive(m, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            die("the server ended a connection%s%s", n ? ": " : "", n ? strerror(errno) : "");
        take(m);
    }
}

static void play_round(void)
{
    start_round();
    while (current.unfinished)
        turn(5000);
    if (current.since)
        note_latency(now() - current.begin);
}

/* Members */

static void open_member(member *m, int number, int port, const char *offer, bool reading)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = m};
    m->number = number;
    m->fd = ws_connect(port, offer);
    m->seen = calloc((size_t)load.sent.count, sizeof *m->seen);
    if (!m->seen || (reading && epoll_ctl(poller, EPOLL_CTL_ADD, m->fd, &event)))
        die("no room for member %d", number);
}

/* Messages that a member was still to get, from what was kept for it. */
static long count_rest(member *m)
{
    struct timeval quiet = {.tv_sec = QUIET};
    long messages = 0;
    frame_header header;
    setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet);
    while (receive(m, 0) > 0) {
        size_t at = 0;
        for (; ws_parse(m->bytes + at, m->got - at, &header) &&
               header.payload <= m->got - at - header.header;
             at += header.header + header.payload)
            messages += (header.first & 0x0f) < 8; /* a Close may be the last */
        memmove(m->bytes, m->bytes + at, m->got - at);
        m->got -= at;
    }
    return messages;
}

static double own_cpu(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void measure(double seconds, double rounds, pid_t server)
{
    double start = now(), cpu = cpu_seconds(server), own = own_cpu();
    current.since = current.number;
    do
        play_round();
    while (now() < start + seconds || current.number - current.since < rounds);
    seconds = now() - start;
    cpu = cpu_seconds(server) - cpu;
    own = own_cpu() - own;
    rounds = current.number - current.since;
    turn(50); /* what nobody sent may come late */
    printf("{\"rounds_per_second\": %.5f, \"cpu\": %.10f, \"p50\": %.7f, \"p99\": %.7f, "
           "\"load\": %.3f, \"agreed\": \"%s\", \"published\": %.0f, \"stuck\": [",
           rounds / seconds, cpu / rounds, latency_quantile(0.5), latency_quantile(0.99),
           own / seconds, ws_agreed(), (double)current.number * load.sent.count);
}

int main(int argc, char **argv)
{
    if (argc != 11)
        die("usage: fan_load PORT MEMBERS STUCK SECONDS ROUNDS SERVER_PID all|one|ENTRY FRAMES OFFER ECHOES");
    int port = (int)number("PORT", argv[1], 1, 65535);
    members = (int)number("MEMBERS", argv[2], 1, 100000);
    int stuck = (int)number("STUCK", argv[3], 0, 1000);
    double seconds = number("SECONDS", argv[4], 0.001, 3600);
    double rounds = number("ROUNDS", argv[5], 0, 1e9);
    pid_t server = (pid_t)number("SERVER_PID", argv[6], 1, 1 << 30);
    load.everybody = !strcmp(argv[7], "all");
    load.sent = ws_load_frames(argv[8]);
    const char *offer = *argv[9] ? argv[9] : NULL;
    load.compressed = offer != NULL;
    bool is_member = load.everybody || !strcmp(argv[7], "one");
    int entry = is_member ? port : (int)number("ENTRY", argv[7], 1, 65535);
    if (load.everybody && load.sent.count != members)
        die("%d frames for %d members", load.sent.count, members);

    raise_descriptor_limit();
    unmask();
    poller = epoll_create1(0);
    member_list = calloc((size_t)(members + stuck), sizeof *member_list);
    echoes = fopen(argv[10], "wb");
    if (!member_list || !echoes)
        die("cannot write %s", argv[10]);
    for (int i = 0; i < members + stuck; i++)
        open_member(&member_list[i], i, port, offer, i < members);
    sender = is_member ? member_list[0].fd : ws_connect(entry, NULL);
    usleep(SETTLE); /* a handler may begin, and join, after the handshake */
    for (double end = now() + seconds * WARM_UP; now() < end || current.number < KEPT_ROUNDS;)
        play_round();
    measure(seconds, rounds, server);
    for (int i = members; i < members + stuck; i++)
        printf("%s%ld", i > members ? ", " : "", count_rest(&member_list[i]));
    printf("]}\n");
    return 0;
}
