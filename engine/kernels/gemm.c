/* SPDX-License-Identifier: MIT */
/* General matrix products. BLIS 0.9.0 makes us do the following, all of it measured:
 *
 * - A failed argument check or malloc inside BLIS ends in abort(). So every argument is proved right
 *   before the call, and warming up lets BLIS allocate all it will ever need.
 * - Its small-matrix path reads past the operands when beta is 1. So it is switched off, in a local
 *   rntm_t that also asks for one thread.
 * - A call costs about a microsecond whatever its size. So small and thin products are loops of our
 *   own.
 * - It does not know newer processors and silently takes generic kernels for them, up to five times
 *   slower. So we look up the context that fits the instruction set ourselves. That function is
 *   hidden in the shared library; where it is missing, ky__gemm_info says what happened.
 * - Stride 0 is refused; callers copy such operands. */
#define _POSIX_C_SOURCE 200809L /* blis.h names pthread types */

#include "kernels/gemm.h"

#include <stdbool.h>
#include <stdlib.h>

#define LANES   16  /* independent partial sums of a dot product */
#define BLOCK_K 128 /* rows of b, and */
#define BLOCK_N 512 /* columns of it, that are used again and again before the next ones */

#define REAL       float
#define NAME(name) name##_f32
#include "kernels/gemm.inc"
#undef REAL
#undef NAME

#define REAL       double
#define NAME(name) name##_f64
#include "kernels/gemm.inc"
#undef REAL
#undef NAME

ky_gemm *const ky__gemm_small[2] = {gemm_small_f32, gemm_small_f64};

#ifndef KYTAPE_BLIS

ky_gemm *const ky__gemm[2] = {gemm_small_f32, gemm_small_f64};

ky_status ky__gemm_warm_up(void) { return KY_OK; }

const char *ky__gemm_info(void) { return "plain C loops (built without BLIS)"; }

#else

  #include <blis.h>

/* Present in the static archive only. */
  #pragma weak bli_gks_lookup_nat_cntx
  #pragma weak bli_pba_compute_pool_block_sizes
  #pragma weak bli_pba_acquire_m
  #pragma weak bli_pba_release

  #define SMALL_WORK 8192 /* m n k up to which our loops beat the cost of a call */
  #define THIN       2    /* m or n up to which packing costs more than it gains */

/* ---- choice of kernels ------------------------------------------------------------------------ */

static arch_t better_arch(void) {
  #if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return BLIS_ARCH_SKX;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return BLIS_ARCH_HASWELL;
  #endif
  return BLIS_ARCH_GENERIC;
}

/* The context to pass to BLIS; NULL for its own choice. */
static cntx_t *context(void) {
  bli_init(); /* a pthread_once; the look-up does not do it itself */
  if (bli_arch_query_id() != BLIS_ARCH_GENERIC || !bli_gks_lookup_nat_cntx) return NULL;
  const arch_t arch = better_arch();
  return arch == BLIS_ARCH_GENERIC ? NULL : bli_gks_lookup_nat_cntx(arch);
}

const char *ky__gemm_info(void) {
  if (bli_arch_query_id() != BLIS_ARCH_GENERIC) return "BLIS, kernels of its own choice";
  if (better_arch() == BLIS_ARCH_GENERIC) return "BLIS, generic kernels";
  if (!context())
    return "BLIS, generic kernels, several times slower than this processor allows: link "
           "libblis.a, or set BLIS_ARCH_TYPE";
  return better_arch() == BLIS_ARCH_SKX ? "BLIS, skx kernels (BLIS does not know this processor)"
                                        : "BLIS, haswell kernels (BLIS does not know this "
                                          "processor)";
}

/* ---- the call --------------------------------------------------------------------------------- */

static rntm_t one_thread(void) {
  rntm_t r = BLIS_RNTM_INITIALIZER;
  bli_rntm_set_num_threads(1, &r);
  bli_rntm_disable_l3_sup(&r);
  return r;
}

ky_status ky__gemm_warm_up(void) {
  float x[2] = {0, 0}, one = 1;
  rntm_t r = one_thread();
  cntx_t *cntx = context();
  bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, 1, 1, 1, &one, x, 1, 1, x, 1, 1, &one,
               x + 1, 1, 1, cntx, &r);
  if (!cntx || !bli_pba_acquire_m || !bli_pba_release || !bli_pba_compute_pool_block_sizes)
    return KY_OK;
  /* BLIS sized its pools for the kernels it chose. Taking a block of the larger size once makes
   * them grow now, after a trial that this much memory can be had. */
  siz_t bytes[3];
  bli_pba_compute_pool_block_sizes(&bytes[0], &bytes[1], &bytes[2], cntx);
  void *trial = malloc(bytes[0] + bytes[1] + ((size_t)1 << 20));
  if (!trial) return KY_NO_MEMORY;
  free(trial);
  bli_pba_rntm_set_pba(&r);
  const packbuf_t kind[2] = {BLIS_BUFFER_FOR_A_BLOCK, BLIS_BUFFER_FOR_B_PANEL};
  for (int k = 0; k < 2; k++) {
    mem_t mem = {0};
    bli_pba_acquire_m(&r, bytes[k], kind[k], &mem);
    bli_pba_release(&r, &mem);
  }
  return KY_OK;
}

/* Gives an axis that is never stepped along a stride that BLIS accepts, and tells whether BLIS would
 * take the matrix: positive strides, rows or columns that do not overlap. */
static bool settle(size_t rows, size_t columns, ky_matrix *x) {
  if (rows == 1 && columns == 1) x->row = x->column = 1;
  if (rows == 1 && columns > 1) x->row = x->column * (ptrdiff_t)columns;
  if (columns == 1 && rows > 1) x->column = x->row * (ptrdiff_t)rows;
  return x->row > 0 && x->column > 0 &&
         (x->row >= x->column * (ptrdiff_t)columns || x->column >= x->row * (ptrdiff_t)rows);
}

static bool is_small(size_t m, size_t n, size_t k) {
  return m <= THIN || n <= THIN || (m <= SMALL_WORK && n <= SMALL_WORK && k <= SMALL_WORK &&
                                    m * n * k <= SMALL_WORK);
}

  #define GEMM(name, small, type, call)                                                        \
    static void name(size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b, int beta,         \
                     ky_matrix c) {                                                            \
      if (m == 0 || n == 0) return;                                                            \
      if (k == 0 || is_small(m, n, k) || !settle(m, k, &a) || !settle(k, n, &b) ||             \
          !settle(m, n, &c)) {                                                                 \
        small(m, n, k, a, b, beta, c);                                                         \
        return;                                                                                \
      }                                                                                        \
      type one = 1, scale = beta ? 1 : 0;                                                      \
      rntm_t r = one_thread();                                                                 \
      call(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, (dim_t)m, (dim_t)n, (dim_t)k, &one, a.data,   \
           a.row, a.column, b.data, b.row, b.column, &scale, c.data, c.row, c.column,          \
           context(), &r);                                                                     \
    }
GEMM(gemm_f32, gemm_small_f32, float, bli_sgemm_ex)
GEMM(gemm_f64, gemm_small_f64, double, bli_dgemm_ex)
  #undef GEMM

ky_gemm *const ky__gemm[2] = {gemm_f32, gemm_f64};

#endif
