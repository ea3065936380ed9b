/* SPDX-License-Identifier: MIT */
/* The block function Philox4x32-10, inline, so that loops over counters become vector loops.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011). */
#ifndef KY_PHILOX_H
#define KY_PHILOX_H

#include <stdint.h>

#define KY_PHILOX_ROUNDS       10
#define KY_PHILOX_MULTIPLIER_0 0xD2511F53u
#define KY_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define KY_PHILOX_WEYL_0       0x9E3779B9u /* the golden ratio */
#define KY_PHILOX_WEYL_1       0xBB67AE85u /* sqrt(3) - 1 */

/* out may be counter. */
static inline __attribute__((always_inline)) void
ky__philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
#pragma GCC unroll 10
  for (int round = 0; round < KY_PHILOX_ROUNDS; round++) {
    const uint64_t p0 = (uint64_t)KY_PHILOX_MULTIPLIER_0 * c0;
    const uint64_t p1 = (uint64_t)KY_PHILOX_MULTIPLIER_1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    k0 += KY_PHILOX_WEYL_0;
    k1 += KY_PHILOX_WEYL_1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

#endif
