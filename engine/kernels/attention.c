/* SPDX-License-Identifier: MIT */
/* The softmax of attention. A row that sees nothing has weights 0: its logsumexp is stored as
 * +infinity, so that e^(s - lse) is 0 in the reverse sweep without a question asked. */
#include "kernels/attention.h"

#include "kernels/loops.h"

#define BLOCK 512 /* elements summed in REAL before they go into a double */
#define CHUNK 256 /* scores that wait for their exponentials */

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/attention.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/attention.inc"
#undef REAL
#undef NAME

const ky_attention_kernels KY_TABLE(ky__attention) = {
    .map = {map_f32, map_f64},
    .pull = {pull_f32, pull_f64},
    .finish = {finish_f32, finish_f64},
};
