/* A kernel is one set of loops for one kind of CPU; dispatch.c holds the table of all of them. */
#ifndef WSCORE_KERNEL_H
#define WSCORE_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define WSCORE_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define WSCORE_ARM 1
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define WSCORE_INLINE static __forceinline
#define WSCORE_TARGET(features) /* MSVC compiles every intrinsic everywhere */
#else
#define WSCORE_INLINE static inline __attribute__((always_inline))
#define WSCORE_TARGET(features) __attribute__((target(features)))
#endif

typedef struct {
    const char *name;
    unsigned needs; /* bits of cpu.h */

    /* XOR src into dst with the key; dst is src or does not overlap it. The key's bytes lie in
     * memory in the order of the payload. */
    void (*mask)(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key);
    /* The same, and returns whether everything written is ASCII. */
    int (*mask_ascii)(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key);

    int (*is_ascii)(const uint8_t *src, size_t size);
    int (*is_utf8)(const uint8_t *src, size_t size);

    /* Valid UTF-8 to code points of 1, 2 or 4 bytes, in two steps; both NULL where CPython's own
     * decoder is not slower. The first returns how many code points there are and sets their
     * width; the second writes them, at most `room` of them, and returns how many it wrote: src
     * may have changed in between. */
    size_t (*utf8_count)(const uint8_t *src, size_t size, int *width);
    size_t (*utf8_widen)(void *dst, size_t room, int width, const uint8_t *src, size_t size);
} wscore_kernel;

/* The kernel in use. */
extern const wscore_kernel *wscore_active;

/* The index-th kernel that this machine can run, best first; NULL past the last. */
const wscore_kernel *wscore_available(size_t index);

/* Use the best kernel of that name, or the best of all for NULL; 0 when there is none. */
int wscore_select(const char *name);

/* How much of src is whole code points: size less the first bytes of a code point that the end
 * cuts off, or -1 when src can never become valid, whatever follows. */
ptrdiff_t wscore_utf8_whole(const uint8_t *src, size_t size);

/* Loops that several kernels share. */
int wscore_is_utf8_scalar(const uint8_t *src, size_t size);
void wscore_mask_sse2(uint8_t *dst, const uint8_t *src, size_t size, uint32_t key);

/* The key as it stands `turn` bytes later in the payload. */
WSCORE_INLINE uint32_t wscore_turn(uint32_t key, size_t turn) {
    uint8_t twice[8];
    memcpy(twice, &key, 4);
    memcpy(twice + 4, &key, 4);
    memcpy(&key, twice + (turn & 3), 4);
    return key;
}

#endif
