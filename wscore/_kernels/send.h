/* One write to a socket that never waits. */
#ifndef WSCORE_SEND_H
#define WSCORE_SEND_H

#include <stddef.h>

#ifdef _WIN32

/* Proactor loops have writes of their own under way. */
static inline ptrdiff_t wscore_send(int socket, const void *data, size_t size) {
    (void)socket, (void)data, (void)size;
    return -1;
}

#else

#include <sys/socket.h>
#include <sys/types.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE */
#endif

/* How many of *size* bytes the system took; -1 for an error, or when it takes none now. */
static inline ptrdiff_t wscore_send(int socket, const void *data, size_t size) {
    return send(socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#endif
#endif
