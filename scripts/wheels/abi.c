/* The headers of CPython that are there are those of another machine: of all that they say about
   one, nothing may be wrong about this target. */
#include <pyconfig.h>
#include <Python.h>

#include <stdalign.h>
#include <time.h>

#define SIZE(name, type) _Static_assert(SIZEOF_##name == sizeof(type), "size of " #type)

SIZE(SHORT, short);
SIZE(INT, int);
SIZE(LONG, long);
SIZE(LONG_LONG, long long);
SIZE(FLOAT, float);
SIZE(DOUBLE, double);
SIZE(LONG_DOUBLE, long double);
SIZE(VOID_P, void *);
SIZE(SIZE_T, size_t);
SIZE(UINTPTR_T, uintptr_t);
SIZE(OFF_T, off_t);
SIZE(PID_T, pid_t);
SIZE(TIME_T, time_t);
SIZE(WCHAR_T, wchar_t);
SIZE(_BOOL, _Bool);
SIZE(FPOS_T, fpos_t);
SIZE(PTHREAD_T, pthread_t);
SIZE(PTHREAD_KEY_T, pthread_key_t);
_Static_assert(ALIGNOF_LONG == alignof(long), "alignment of long");
_Static_assert(ALIGNOF_SIZE_T == alignof(size_t), "alignment of size_t");
#if defined(WORDS_BIGENDIAN) != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#error "byte order"
#endif
