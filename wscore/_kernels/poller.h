/* Which of many sockets are ready: by the epoll of Linux, or the kqueue of macOS and FreeBSD. Other
   systems have none of it. What is for kqueue was compiled, and never run. */
#ifndef WSCORE_POLLER_H
#define WSCORE_POLLER_H

#include <errno.h>
#include <stdint.h>

enum { WSCORE_READABLE = 1, WSCORE_WRITABLE = 2 };

#ifdef __linux__

#define WSCORE_HAS_POLLER 1
#define WSCORE_POLLER_IS_INHERITED 1 /* a forked child shares it with its parent */

#include <string.h>
#include <sys/epoll.h>

typedef struct epoll_event wscore_event;

static inline int wscore_poller(void) {
    int made = epoll_create1(EPOLL_CLOEXEC);
    return made < 0 ? -errno : made;
}

/* Have *poller* report what is *wanted* of *socket*, under *key*, after it reported *before*.
   What is wanted of nothing is removed: its end would be reported again and again. */
static inline int wscore_watch(int poller, int socket, uint64_t key, int before, int wanted) {
    wscore_event event;
    int change = !before ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    memset(&event, 0, sizeof event);
    event.events = (wanted & WSCORE_READABLE ? EPOLLIN : 0u) |
                   (wanted & WSCORE_WRITABLE ? EPOLLOUT : 0u);
    event.data.u64 = key;
    return epoll_ctl(poller, change, socket, &event) < 0 ? -errno : 0;
}

/* How many are ready, at most *most*, without waiting. */
static inline int wscore_ready(int poller, wscore_event *events, int most) {
    int count = epoll_wait(poller, events, most, 0);
    return count < 0 ? -errno : count;
}

static inline uint64_t wscore_event_key(const wscore_event *event) { return event->data.u64; }

/* An end and an error are both: whoever waits for either meets them. */
static inline int wscore_event_kind(const wscore_event *event) {
    const uint32_t found = event->events;
    return (found & (EPOLLIN | EPOLLHUP | EPOLLERR) ? WSCORE_READABLE : 0) |
           (found & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? WSCORE_WRITABLE : 0);
}

#elif (defined(__APPLE__) || defined(__FreeBSD__)) && UINTPTR_MAX > UINT32_MAX /* for the key */

#define WSCORE_HAS_POLLER 1
#define WSCORE_POLLER_IS_INHERITED 0 /* in a forked child the descriptor is nobody's */

#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>

typedef struct kevent wscore_event;

static inline int wscore_poller(void) {
    int made = kqueue();
    if (made < 0) return -errno;
    fcntl(made, F_SETFD, FD_CLOEXEC);
    return made;
}

/* As above. What is not watched is not reported here, its end neither. */
static inline int wscore_watch(int poller, int socket, uint64_t key, int before, int wanted) {
    wscore_event changes[2];
    int count = 0;
    if ((before ^ wanted) & WSCORE_READABLE)
        EV_SET(&changes[count++], (uintptr_t)socket, EVFILT_READ,
               wanted & WSCORE_READABLE ? EV_ADD : EV_DELETE, 0, 0, (void *)(uintptr_t)key);
    if ((before ^ wanted) & WSCORE_WRITABLE)
        EV_SET(&changes[count++], (uintptr_t)socket, EVFILT_WRITE,
               wanted & WSCORE_WRITABLE ? EV_ADD : EV_DELETE, 0, 0, (void *)(uintptr_t)key);
    return kevent(poller, changes, count, NULL, 0, NULL) < 0 ? -errno : 0;
}

static inline int wscore_ready(int poller, wscore_event *events, int most) {
    const struct timespec at_once = {0, 0};
    int count = kevent(poller, NULL, 0, events, most, &at_once);
    return count < 0 ? -errno : count;
}

static inline uint64_t wscore_event_key(const wscore_event *event) {
    return (uint64_t)(uintptr_t)event->udata;
}

static inline int wscore_event_kind(const wscore_event *event) {
    return event->filter == EVFILT_WRITE ? WSCORE_WRITABLE : WSCORE_READABLE;
}

#else

#define WSCORE_HAS_POLLER 0
#define WSCORE_POLLER_IS_INHERITED 0

typedef struct {
    uint64_t key;
} wscore_event;

#define wscore_poller() (-ENOSYS)
#define wscore_watch(poller, socket, key, before, wanted) \
    ((void)(poller), (void)(socket), (void)(key), (void)(before), (void)(wanted), -ENOSYS)
#define wscore_ready(poller, events, most) \
    ((void)(poller), (void)(events), (void)(most), -ENOSYS)
#define wscore_event_key(event) ((event)->key)
#define wscore_event_kind(event) ((void)(event), 0)

#endif
#endif
