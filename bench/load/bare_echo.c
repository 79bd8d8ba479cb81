/* bare_echo PORT
 *
 * The least that can answer `echo_load`: one epoll, one read and one write for each event, no
 * checks, no limits, and the one handshake answer that our clients expect. What a server in Python
 * reaches of it is what is left of the machine. Frames must be shorter than READ_SIZE. */
#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, READ_SIZE = 1 << 18, MAX_DESCRIPTORS = 1 << 16 };

static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int poller, listening;
static bool opened[MAX_DESCRIPTORS];
static unsigned char input[READ_SIZE], output[READ_SIZE];

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

static void listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 100))
        die("cannot listen on port %d: %s", port, strerror(errno));
    watch(listening);
}

static void accept_all(void)
{
    for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        if (fd >= MAX_DESCRIPTORS)
            die("too many connections");
        opened[fd] = false;
        watch(fd);
    }
}

/* Unmask the whole frames of *size* bytes of input, and write them as a server does. */
static size_t answer(size_t size)
{
    size_t at = 0, out = 0;
    frame_header frame;
    while (at < size && ws_parse(input + at, size - at, &frame)) {
        const unsigned char *key = input + at + frame.header - 4, *from = key + 4;
        size_t header = frame.header - 4;
        if (at + frame.header + frame.payload > size)
            break;
        memcpy(output + out, input + at, header);
        output[out + 1] &= 0x7f;
        for (size_t i = 0; i < frame.payload; i++)
            output[out + header + i] = from[i] ^ key[i & 3];
        out += header + frame.payload;
        at += frame.header + frame.payload;
    }
    if (at != size)
        die("a frame came in pieces, which this does not read");
    return out;
}

static void serve(int fd)
{
    ssize_t size = recv(fd, input, sizeof input, 0);
    if (size <= 0) {
        close(fd);
    } else if (!opened[fd]) {
        opened[fd] = true;
        send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
    } else {
        size_t out = answer((size_t)size);
        send(fd, output, out, MSG_NOSIGNAL);
    }
}

int main(int count, char **arguments)
{
    struct epoll_event events[MAX_EVENTS];
    if (count != 2)
        die("usage: bare_echo PORT");
    poller = epoll_create1(0);
    listen_on((int)number("PORT", arguments[1], 1, 65535));
    puts("{\"loop\": \"none\"}"); /* as every server announces itself */
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listening)
                accept_all();
            else
                serve(events[i].data.fd);
        }
    }
}
