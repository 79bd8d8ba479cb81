/* Sockets that never wait: reads, gathered writes, accepting. Failures are negative errno values. */
#ifndef WSCORE_SOCKETS_H
#define WSCORE_SOCKETS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include "poller.h"
#include "send.h"
#include <stddef.h>

/* What is kept of an address. The path of a unix socket is asked for when it is needed. */
typedef struct {
    uint8_t family; /* 4, 6, or 0 for any other */
    uint8_t host[16];
    uint16_t port;
    uint32_t flow, scope;
} wscore_address;

enum { WSCORE_HOST_SIZE = 64, WSCORE_PATH_SIZE = 128 };

#if WSCORE_HAS_POLLER

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct iovec wscore_piece;

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
} wscore_sockaddr;

static inline ptrdiff_t wscore_recv(int socket, void *into, size_t size) {
    ptrdiff_t got = WSCORE_RECV(socket, into, size, MSG_DONTWAIT);
    return got < 0 ? -errno : got;
}

static inline ptrdiff_t wscore_send_pieces(int socket, wscore_piece *pieces, size_t count) {
    struct msghdr message;
    ptrdiff_t sent;
    memset(&message, 0, sizeof message);
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static inline void wscore_keep_address(const wscore_sockaddr *from, wscore_address *into) {
    memset(into, 0, sizeof *into);
    if (from->any.sa_family == AF_INET) {
        into->family = 4;
        memcpy(into->host, &from->v4.sin_addr, 4);
        into->port = ntohs(from->v4.sin_port);
    } else if (from->any.sa_family == AF_INET6) {
        into->family = 6;
        memcpy(into->host, &from->v6.sin6_addr, 16);
        into->port = ntohs(from->v6.sin6_port);
        into->flow = ntohl(from->v6.sin6_flowinfo);
        into->scope = from->v6.sin6_scope_id;
    }
}

/* The descriptor of a connection, which neither waits nor is inherited. */
static inline int wscore_accept(int socket, wscore_address *peer) {
    wscore_sockaddr name;
    socklen_t size = sizeof name;
    int made;
    memset(&name, 0, sizeof name);
#ifdef __APPLE__
    made = accept(socket, &name.any, &size);
    if (made >= 0) {
        fcntl(made, F_SETFD, FD_CLOEXEC);
        fcntl(made, F_SETFL, O_NONBLOCK);
    }
#else
    made = accept4(socket, &name.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#endif
    if (made < 0) return -errno;
    wscore_keep_address(&name, peer);
    return made;
}

/* The address of a socket, or of its peer: returns 0, or a negative errno. */
static inline int wscore_name(int socket, int of_peer, wscore_address *address) {
    wscore_sockaddr name;
    socklen_t size = sizeof name;
    int failed;
    memset(&name, 0, sizeof name);
    failed = (of_peer ? getpeername : getsockname)(socket, &name.any, &size);
    wscore_keep_address(&name, address);
    return failed ? -errno : 0;
}

/* The host of an address as text. */
static inline const char *wscore_host(const wscore_address *address, char *text) {
    return inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->host, text,
                     WSCORE_HOST_SIZE);
}

/* The path of a unix socket, or of its peer: returns its length, 0 without one, or a negative errno.
   One in the abstract namespace of Linux begins with a zero byte. */
static inline int wscore_path(int socket, int of_peer, char *text) {
    wscore_sockaddr name;
    socklen_t size = sizeof name;
    const size_t before = offsetof(struct sockaddr_un, sun_path);
    memset(&name, 0, sizeof name);
    if ((of_peer ? getpeername : getsockname)(socket, &name.any, &size) < 0) return -errno;
    if (name.any.sa_family != AF_UNIX || size <= before) return 0;
    size -= (socklen_t)before;
    if (name.local.sun_path[0]) size = (socklen_t)strnlen(name.local.sun_path, size);
    memcpy(text, name.local.sun_path, size);
    return (int)size;
}

/* Answers must not wait for acknowledgements. What is accepted inherits it; a unix socket refuses. */
static inline void wscore_no_delay(int socket) {
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline int wscore_end_writing(int socket) { return shutdown(socket, SHUT_WR) ? -errno : 0; }

static inline void wscore_close(int descriptor) { close(descriptor); }

/* Whether only the one connection that was to be accepted has failed: see accept(2). */
static inline int wscore_spoils_one(int error) {
    switch (error) {
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
#ifdef ENONET /* not on other systems than Linux */
    case ENONET:
#endif
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case EPROTO:
        return 1;
    default:
        return 0;
    }
}

#else /* nothing calls these, for there is no reactor */

typedef struct {
    void *iov_base;
    size_t iov_len;
} wscore_piece;

#define wscore_recv(socket, into, size) ((void)(socket), (void)(into), (void)(size), -ENOSYS)
#define wscore_send_pieces(socket, pieces, count) \
    ((void)(socket), (void)(pieces), (void)(count), -ENOSYS)
#define wscore_accept(socket, peer) ((void)(socket), (void)(peer), -ENOSYS)
#define wscore_name(socket, of_peer, address) \
    ((void)(socket), (void)(of_peer), (void)(address), -ENOSYS)
#define wscore_host(address, text) ((void)(address), (const char *)(text))
#define wscore_path(socket, of_peer, text) ((void)(socket), (void)(of_peer), (void)(text), -ENOSYS)
#define wscore_no_delay(socket) ((void)(socket))
#define wscore_end_writing(socket) ((void)(socket), -ENOSYS)
#define wscore_close(descriptor) ((void)(descriptor))
#define wscore_spoils_one(error) ((void)(error), 0)

#endif
#endif
