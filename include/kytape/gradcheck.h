/* SPDX-License-Identifier: MIT */
/* Checking gradients: what the reverse sweep of a tape says, against central differences of its
 * forward sweep. For programs of one's own, and for operations of one's own (custom.h). */
#ifndef KYTAPE_GRADCHECK_H
#define KYTAPE_GRADCHECK_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Options of ky_gradcheck. Set `size` to sizeof(ky_gradcheck_options); zero means the
 * default. */
typedef struct ky_gradcheck_options {
  size_t size;
  double step;         /* element x moves by step max(1, |x|); 2^-16, with f32 values 2^-6 */
  double tolerance;    /* largest relative error; 1e-6, with f32 values 1e-2 */
  uint32_t directions; /* random directions to try for each variable; 3 */
  int each_element;    /* 1: every element by itself instead of directions */
  uint64_t seed;       /* of directions and cotangent */
} ky_gradcheck_options;

/* What ky_gradcheck found. Set `size` to sizeof(ky_gradcheck_report). */
typedef struct ky_gradcheck_report {
  size_t size;
  ky_status status; /* what ky_gradcheck returned */
  double error;     /* the largest relative error */
  ky_var worst;     /* the variable that has it */
  int64_t index;    /* of its element, row-major; -1: of a direction, where all is well */
  double analytic;  /* there: what the reverse sweep says */
  double numeric;   /* there: what central differences say */
  int smooth;       /* 0: there is a kink within the step, or it is too large; see below */
  const char *file; /* where the variable was recorded, borrowed from ky_at; NULL: unknown */
  int line;
  char text[2048]; /* all of it in words: a line about the output, then a line a variable */
} ky_gradcheck_report;

/* Checks the derivative of the sum of output * cotangent with respect to wrt[0..wrt_count),
 * inputs and weights, at the inputs and weights of now; the cotangent is drawn at random, 1 for
 * a single element. No wrt at all means every weight, and every input that is watched, up to
 * the output.
 *
 *   numeric    (4 D(h/2) - D(h)) / 3, D(h) = (f(x + h d) - f(x - h d)) / 2h   (Richardson)
 *   error      |analytic - numeric| / (scale + rounding / tolerance)
 *   scale      the larger of sum |gradient d| and |numeric|
 *   rounding   what f's last bits make of D
 *
 * d: components 1/2 to 1 of random sign, one variable at a time. Where a direction fails,
 * halving it finds one element that is wrong, and the report names that. A direction of very
 * many elements does not see a small mistake in a few of them; each_element does. A slope that
 * is below `rounding` is not seen at all: under an output that is huge beside what the variable
 * changes in it, or with a step that is lost in the variable, any gradient is right.
 *
 * Where f has a kink (relu at 0, a tie of max, a value that is rounded or compared), central
 * differences are no derivative and the check fails with reason: `smooth` is 0 then. Move the
 * inputs away from it or take a smaller step. Adjoints of custom operations are also asked
 * whether they honour `beta`: what they store has to be what they add. Random numbers stay
 * those of the last forward sweep, unless ky_tape_seed has been called since: then the check,
 * and the values after it, have those of the new seed. What stops gradients on purpose, and
 * custom operations that give other values each time they run, cannot be checked.
 *
 * The tape's instructions, inputs, weights and values are as before afterwards; gradients of
 * the last reverse sweep are not readable any more. wrt: inputs need not be watched. options:
 * NULL for the defaults. report: may be NULL. Errors: BAD_GRADIENT (an error above the
 * tolerance; ky_tape_message names the worst; or a `beta` that is not honoured, with an
 * infinite error), BAD_VAR, BAD_DTYPE (output or a variable is not
 * f32 or f64), BAD_ARGUMENT (a variable is neither input nor weight, an option out of range,
 * a size not set, null), UNCONNECTED (no variable leads to the output), those of ky_forward, or
 * a pending error. */
KY_API ky_status ky_gradcheck(ky_tape *t, ky_var output, const ky_var *wrt, size_t wrt_count,
                              const ky_gradcheck_options *options, ky_gradcheck_report *report);

#ifdef __cplusplus
}
#endif
#endif
