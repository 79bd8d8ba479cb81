/* One write to a socket that never waits. */
#ifndef WSCORE_SEND_H
#define WSCORE_SEND_H

#include <errno.h>
#include <stddef.h>

#ifdef _WIN32

/* Proactor loops have writes of their own under way. */
static inline ptrdiff_t wscore_send(int socket, const void *data, size_t size) {
    (void)socket, (void)data, (void)size;
    return -EAGAIN;
}

#else

#include <sys/socket.h>
#include <sys/types.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE */
#endif

/* How many of *size* bytes the system took; -EAGAIN when it takes none now, or -errno. */
static inline ptrdiff_t wscore_send(int socket, const void *data, size_t size) {
    ptrdiff_t sent = send(socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

#endif
#endif
