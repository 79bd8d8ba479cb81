/* SSE2, part of every x86-64: masking; UTF-8 stays scalar without a byte shuffle. */
#include "kernel.h"

#ifdef WSCORE_X86
#define TARGET WSCORE_TARGET("sse2")
#define KERNEL_MASK wscore_mask_sse2
#define KERNEL_MASK_ASCII wscore_mask_ascii_sse2
#define KERNEL_IS_ASCII wscore_is_ascii_sse2
#include "vec_sse.h"

#include "mask_loop.h"
#endif
