/* SPDX-License-Identifier: MIT */
/* Recording functions that move elements about, besides reshape, permute, slice, expand and
 * concat of ops.h, of which most of these are made. What ops.h says of all recording functions
 * holds here. x is of any dtype; results are views of its memory wherever strides can say where
 * the elements are. */
#ifndef KYTAPE_OPS_MOVEMENT_H
#define KYTAPE_OPS_MOVEMENT_H

#include "tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Shape and order --------------------------------------------------------------------- */

/* x without the axes named, as far as their extent is 1 (others stay, as in PyTorch); a count
 * of 0 means all axes. ga = g. Errors: BAD_AXIS. */
KY_API ky_var ky_squeeze(ky_tape *t, ky_var x, int count, const int64_t *axes);

/* x with a new axis of extent 1 at `axis` of the result. ga = g. Errors: BAD_AXIS (not in
 * -rank-1..rank), BAD_SHAPE (the rank is KY_MAX_RANK already). */
KY_API ky_var ky_unsqueeze(ky_tape *t, ky_var x, int64_t axis);

/* What x has at `index` of an axis, without that axis: x[index] of axis 0. A negative index
 * counts from the end. A view. Errors: BAD_AXIS, BAD_INDEX (not in -n..n-1). */
KY_API ky_var ky_select(ky_tape *t, ky_var x, int64_t axis, int64_t index);

/* x with axes i and j swapped. ga = g, swapped back. Errors: BAD_AXIS. */
KY_API ky_var ky_transpose(ky_tape *t, ky_var x, int64_t i, int64_t j);

/* x backwards along the axes named; a count of 0 means all. ga = g, flipped. Errors: BAD_AXIS
 * (repeated, or out of range). */
KY_API ky_var ky_flip(ky_tape *t, ky_var x, int count, const int64_t *axes);

/* r[(k + shift) mod n] = x[k] along one axis. ga = g, rolled back. Errors: BAD_AXIS. */
KY_API ky_var ky_roll(ky_tape *t, ky_var x, int64_t shift, int64_t axis);

/* x itself, as a value through which no gradient passes (PyTorch's detach). It cannot be
 * watched. */
KY_API ky_var ky_stop_gradient(ky_tape *t, ky_var x);

/* ---- Repeating, joining, parting --------------------------------------------------------- */

/* x repeated reps[k] times along axis k; the shorter of shape and reps is filled up with
 * leading ones, as in NumPy and PyTorch. x [m,n], reps {2,3} -> [2m,3n]. ga = g summed over the
 * repetitions. Errors: BAD_ARGUMENT (reps is null, or one is negative), BAD_SHAPE. */
KY_API ky_var ky_tile(ky_tape *t, ky_var x, int count, const int64_t *reps);

/* `count` values of one shape along a new axis, `axis` of the result. [m,n] each -> [m,count,n]
 * for axis 1. Each operand's adjoint is its part of g. vars: read during the call. Errors:
 * BAD_AXIS (not in -rank-1..rank), BAD_SHAPE, BAD_DTYPE, BAD_ARGUMENT (none, or null). */
KY_API ky_var ky_stack(ky_tape *t, size_t count, const ky_var *vars, int64_t axis);

/* Cuts x along an axis into `count` parts of sizes[0], sizes[1], ... elements, or into equal
 * parts where sizes is null; part k goes to parts[k], a view. The adjoint of x is made of
 * theirs. Returns the status that is pending afterwards; all parts are the null var then.
 * Errors: BAD_AXIS, BAD_SHAPE (the sizes do not add up to the extent), BAD_ARGUMENT (parts is
 * null, or count is 0). */
KY_API ky_status ky_split(ky_tape *t, ky_var x, int64_t axis, size_t count,
                          const int64_t *sizes, ky_var *parts);

/* ---- Padding ----------------------------------------------------------------------------- */

/* What stands around a padded value. */
typedef enum ky_pad_mode {
  KY_PAD_CONSTANT,  /* value: v v | a b c | v v */
  KY_PAD_REFLECT,   /* c b | a b c | b a: less than the extent */
  KY_PAD_REPLICATE, /* a a | a b c | c c */
  KY_PAD_CIRCULAR,  /* b c | a b c | a b: at most the extent */
} ky_pad_mode;

/* x with before[k] elements in front of axis k and after[k] behind it; rank: that of x. value:
 * the constant, rounded to the dtype; read in mode CONSTANT alone. ga: each element the sum of
 * g over the places that show it. before, after: read during the call. Errors: BAD_ARGUMENT
 * (rank is not that of x, a padding is negative, the dtype cannot hold the value, null, unknown
 * mode), BAD_SHAPE (more than the mode allows). ky_slice crops. */
KY_API ky_var ky_pad(ky_tape *t, ky_var x, int rank, const int64_t *before,
                     const int64_t *after, ky_pad_mode mode, double value);

/* ---- Diagonals: of the last two axes; diagonal 0 is the main one, 1 the one above -------- */

/* x where column <= row + diagonal, 0 elsewhere. x [...,m,n] -> the same. ga = g there. Errors:
 * BAD_SHAPE (rank below 2), BAD_ARGUMENT (the diagonal is not an int32). */
KY_API ky_var ky_tril(ky_tape *t, ky_var x, int64_t diagonal);

/* x where column >= row + diagonal, 0 elsewhere. x [...,m,n] -> the same. ga = g there. Errors:
 * those of ky_tril. */
KY_API ky_var ky_triu(ky_tape *t, ky_var x, int64_t diagonal);

/* A diagonal of a matrix [m,n] as a vector; or of a vector [n] the matrix [n+|diagonal|, same]
 * with it on that diagonal and 0 elsewhere. ga = g on the diagonal. Errors: BAD_SHAPE (rank is
 * not 1 or 2, or the diagonal is below -m or above n; at both it is empty, as in PyTorch),
 * BAD_ARGUMENT (the diagonal is not an int32). */
KY_API ky_var ky_diag(ky_tape *t, ky_var x, int64_t diagonal);

/* Sum of the main diagonal. x [m,n], f32 or f64 -> []. ga = g on the diagonal, 0 elsewhere.
 * Errors: BAD_SHAPE (rank is not 2), BAD_DTYPE. */
KY_API ky_var ky_trace(ky_tape *t, ky_var x);

/* ---- Source lines ------------------------------------------------------------------------ */

#ifndef KY_NO_SITES
  #define ky_squeeze(t, ...)       ky_squeeze(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_unsqueeze(t, ...)     ky_unsqueeze(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_select(t, ...)        ky_select(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_transpose(t, ...)     ky_transpose(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_stop_gradient(t, ...) ky_stop_gradient(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_flip(t, ...)          ky_flip(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_roll(t, ...)          ky_roll(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_tile(t, ...)          ky_tile(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_stack(t, ...)         ky_stack(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_split(t, ...)         ky_split(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_pad(t, ...)           ky_pad(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_tril(t, ...)          ky_tril(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_triu(t, ...)          ky_triu(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_diag(t, ...)          ky_diag(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
  #define ky_trace(t, ...)         ky_trace(ky_here(t, __FILE__, __LINE__), __VA_ARGS__)
#endif

#ifdef __cplusplus
}
#endif
#endif
