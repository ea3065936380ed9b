/* SPDX-License-Identifier: MIT */
/* Cells of recurrent layers, a chunk of a row at a time: activations by the vector library into
 * a few short arrays, then the arithmetic. */
#include "kernels/recurrent.h"

#include <float.h>

#include "kernels/loops.h"

#include "kernels/formulas.h"

#define CHUNK 128

#define REAL       float
#define REAL_MIN   FLT_MIN
#define NAME(name) name##_f32
#include "kernels/recurrent.inc"
#undef REAL
#undef REAL_MIN
#undef NAME

#define REAL       double
#define REAL_MIN   DBL_MIN
#define NAME(name) name##_f64
#include "kernels/recurrent.inc"
#undef REAL
#undef REAL_MIN
#undef NAME

const ky_recurrent_kernels KY_TABLE(ky__recurrent) = {
    .map_lstm = {map_lstm_f32, map_lstm_f64},
    .pull_lstm = {pull_lstm_f32, pull_lstm_f64},
    .map_gru = {map_gru_f32, map_gru_f64},
    .pull_gru = {pull_gru_f32, pull_gru_f64},
};
