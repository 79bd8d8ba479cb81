/* NEON, part of every AArch64: vectors of 16 bytes. */
#include "kernel.h"

#ifdef WSCORE_ARM
#include <arm_neon.h>

#include "mask_words.h"
#define TARGET
#define KERNEL_MASK wscore_mask_neon
#define KERNEL_MASK_ASCII wscore_mask_ascii_neon
#define KERNEL_IS_ASCII wscore_is_ascii_neon
#define KERNEL_IS_UTF8 wscore_is_utf8_neon

typedef uint8x16_t vec;
#define V 16

WSCORE_INLINE vec v_zero(void) { return vdupq_n_u8(0); }
WSCORE_INLINE vec v_load(const uint8_t *p) { return vld1q_u8(p); }
WSCORE_INLINE void v_store(uint8_t *p, vec a) { vst1q_u8(p, a); }
WSCORE_INLINE vec v_xor(vec a, vec b) { return veorq_u8(a, b); }
WSCORE_INLINE vec v_or(vec a, vec b) { return vorrq_u8(a, b); }
WSCORE_INLINE vec v_and(vec a, vec b) { return vandq_u8(a, b); }
WSCORE_INLINE vec v_key(uint32_t key) { return vreinterpretq_u8_u32(vdupq_n_u32(key)); }
WSCORE_INLINE int v_high(vec a) { return vmaxvq_u8(a) >= 0x80; }
WSCORE_INLINE int v_any(vec a) { return vmaxvq_u8(a) != 0; }
WSCORE_INLINE vec v_subs(vec a, vec b) { return vqsubq_u8(a, b); }
WSCORE_INLINE vec v_splat(int byte) { return vdupq_n_u8((uint8_t)byte); }
WSCORE_INLINE vec v_low4(vec a) { return v_and(a, v_splat(0x0f)); }
WSCORE_INLINE vec v_high4(vec a) { return vshrq_n_u8(a, 4); }
WSCORE_INLINE vec v_table(const uint8_t *table) { return vld1q_u8(table); }
WSCORE_INLINE vec v_lookup(vec table, vec index) { return vqtbl1q_u8(table, index); }
#define mask_short mask_under_16

#include "mask_loop.h"
#include "utf8_lookup.h"
#endif
