/* SPDX-License-Identifier: MIT */
/* One step of the recursions of connectionist temporal classification, in logarithms, always in
 * double: a path's probability is a product over all steps. */
#ifndef KY_CTC_H
#define KY_CTC_H

#include "kernels/level.h"
#include "kytape/base.h"

/* out[s] = ln(e^from[s] + e^from[s-1] + e^(from[s-2] + skip[s])), -infinity where there is
 * nothing. from[-1] and from[-2] are there to be read. out and from do not overlap. */
typedef void ky_ctc_step(size_t n, double *out, const double *from, const double *skip);

/* out[s] = e^(a[s] + b[s] + shift) */
typedef void ky_ctc_joint(size_t n, double *out, const double *a, const double *b,
                          double shift);

typedef struct ky_ctc_kernels {
  ky_ctc_step *step;
  ky_ctc_joint *joint;
} ky_ctc_kernels;

#define X(level, supported) extern const ky_ctc_kernels ky__ctc_##level;
KY_LEVELS(X)
#undef X

#endif
