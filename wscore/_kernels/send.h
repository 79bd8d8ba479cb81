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

/* The functions of the C library are places where a thread may be cancelled, which costs four atomic
   operations for an echo, or 3 % of it, once the process has a second thread. AddressSanitizer knows
   what they write, and does not know of system calls. */
#if defined(__linux__) && defined(__LP64__) && !defined(__SANITIZE_ADDRESS__)
#include <sys/syscall.h>
#include <unistd.h>
#define WSCORE_SEND(socket, data, size, flags) \
    ((ptrdiff_t)syscall(SYS_sendto, (long)(socket), data, size, (long)(flags), NULL, 0L))
#define WSCORE_RECV(socket, into, size, flags) \
    ((ptrdiff_t)syscall(SYS_recvfrom, (long)(socket), into, size, (long)(flags), NULL, NULL))
#else
#define WSCORE_SEND send
#define WSCORE_RECV recv
#endif

/* How many of *size* bytes the system took; -EAGAIN when it takes none now, or -errno. */
static inline ptrdiff_t wscore_send(int socket, const void *data, size_t size) {
    ptrdiff_t sent = WSCORE_SEND(socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

#endif
#endif
