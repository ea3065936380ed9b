/* SPDX-License-Identifier: MIT */
/* General matrix products, and what BLIS 0.9.0 makes us do, all of it measured:
 *
 * - A failed argument check or malloc inside BLIS ends in abort(). So every argument is proved
 *   right before the call, and warming up lets BLIS allocate all that as many products at a
 *   time as there are processors will ever need.
 * - Its small-matrix path reads past the operands when beta is 1. So it is switched off, in a
 *   local rntm_t that also asks for one thread.
 * - A call costs about a microsecond whatever its size, and packing both operands is lost on a
 *   product that is not large. So BLIS gets large products only.
 * - Its blocks along k differ between processors. So it gets one block of ours at a time: its
 *   kernels then round as ours do.
 * - It does not know newer processors and silently takes generic kernels for them, up to five
 *   times slower. So we look up the context that fits the instruction set ourselves. That
 *   function is hidden in the shared library; where it is missing, ky__gemm_info says so.
 * - Stride 0 is refused; such products are ours.
 *
 * GF/s of our kernels and of BLIS for n x n x n on a Zen 5, one core, AVX-512:
 *
 *      n        8       16       32       64      128      256      512      640
 *   f32   34 / 1   122 / 4   193/24   220/64  224/163  234/194  226/207  218/189
 *   f64   34 / 1    85 / 4   108/20   115/57   117/86  115/102   92/105  103/100
 *
 * Rows that are half a page or more apart hurt ours. Thin products (784 x 512 by 1 to 8 rows or
 * columns, f32) take 15 to 40 us with ours, 30 to 180 us with BLIS. */
#define _DEFAULT_SOURCE /* blis.h names pthread types; processors are counted */

#include "kernels/gemm.h"

#include "base/team.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static void *element(ky_dtype dtype, ky_matrix x, size_t i, size_t j) {
  const ptrdiff_t at = (ptrdiff_t)i * x.row + (ptrdiff_t)j * x.column;
  return (char *)x.data + at * (ptrdiff_t)ky_dtype_size(dtype);
}

#ifndef KYTAPE_BLIS

static ky_gemm_way way_of(ky_dtype dtype, const ky_product *p) {
  (void)dtype;
  return ky__gemm_own_way(p);
}

static void by_blis(const ky_kernels *kernels, ky_dtype dtype, const ky_product *p) {
  kernels->gemm_small->multiply[dtype](p);
}

ky_status ky__gemm_warm_up(uint32_t threads) {
  (void)threads;
  return KY_OK;
}

const char *ky__gemm_info(void) { return "kernels of our own (built without BLIS)"; }

#else

  #include <blis.h>

/* Present in the static archive only. */
  #pragma weak bli_gks_lookup_nat_cntx
  #pragma weak bli_pba_compute_pool_block_sizes
  #pragma weak bli_pba_acquire_m
  #pragma weak bli_pba_release
  #pragma weak bli_sba_checkout_array
  #pragma weak bli_sba_checkin_array

/* ---- BLIS's kernels ---------------------------------------------------------------------- */

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
  return better_arch() == BLIS_ARCH_SKX
             ? "BLIS, skx kernels (BLIS does not know this processor)"
             : "BLIS, haswell kernels (BLIS does not know this processor)";
}

/* ---- the call to BLIS -------------------------------------------------------------------- */

static rntm_t one_thread(void) {
  rntm_t r = BLIS_RNTM_INITIALIZER;
  bli_rntm_set_num_threads(1, &r);
  bli_rntm_disable_l3_sup(&r);
  return r;
}

/* The smallest product that goes through all of BLIS. */
static void call_once(cntx_t *cntx) {
  float x[2] = {0, 0}, one = 1;
  rntm_t r = one_thread();
  bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, 1, 1, 1, &one, x, 1, 1, x, 1, 1, &one,
               x + 1, 1, 1, cntx, &r);
}

/* A call takes the small blocks of control structures from an array of pools, one array for
 * each call under way: so that each array meets a call, those before it are held. */
static void warm_small_blocks(uint32_t threads, cntx_t *cntx) {
  array_t *held[KY_MAX_THREADS];
  for (uint32_t k = 0; k < threads; k++) {
    call_once(cntx);
    if (!bli_sba_checkout_array || !bli_sba_checkin_array) return;
    held[k] = bli_sba_checkout_array(1);
  }
  for (uint32_t k = threads; k-- > 0;) bli_sba_checkin_array(held[k]);
}

/* Takes `threads` blocks of a kind at a time, which makes BLIS's pool of them grow to that. */
static void warm_blocks(uint32_t threads, siz_t bytes, packbuf_t kind) {
  rntm_t r = one_thread();
  mem_t held[KY_MAX_THREADS] = {0};
  bli_pba_rntm_set_pba(&r);
  for (uint32_t k = 0; k < threads; k++) bli_pba_acquire_m(&r, bytes, kind, &held[k]);
  for (uint32_t k = 0; k < threads; k++) bli_pba_release(&r, &held[k]);
}

/* Threads that may be in a product at the same time: executions can run side by side. */
static uint32_t at_once(uint32_t threads) {
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (processors <= (long)threads) return threads;
  return processors < (long)KY_MAX_THREADS ? (uint32_t)processors : KY_MAX_THREADS;
}

ky_status ky__gemm_warm_up(uint32_t threads) {
  threads = at_once(threads);
  cntx_t *cntx = context();
  warm_small_blocks(threads, cntx);
  if (!bli_pba_acquire_m || !bli_pba_release || !bli_pba_compute_pool_block_sizes) return KY_OK;
  /* BLIS sized its pools for the kernels it chose: they may have to grow, too. That is tried
   * first, because it aborts when there is no memory. */
  siz_t bytes[3];
  bli_pba_compute_pool_block_sizes(&bytes[0], &bytes[1], &bytes[2],
                                   cntx ? cntx : bli_gks_query_cntx());
  void *trial = malloc(threads * (bytes[0] + bytes[1] + ((size_t)1 << 20)));
  if (!trial) return KY_NO_MEMORY;
  free(trial);
  warm_blocks(threads, bytes[0], BLIS_BUFFER_FOR_A_BLOCK);
  warm_blocks(threads, bytes[1], BLIS_BUFFER_FOR_B_PANEL);
  return KY_OK;
}

/* Gives an axis that is never stepped along a stride that BLIS accepts, and tells whether BLIS
 * would take the matrix: positive strides, rows or columns that do not overlap. */
static bool settle(size_t rows, size_t columns, ky_matrix *x) {
  if (rows == 1 && columns == 1) x->row = x->column = 1;
  if (rows == 1 && columns > 1) x->row = x->column * (ptrdiff_t)columns;
  if (columns == 1 && rows > 1) x->column = x->row * (ptrdiff_t)rows;
  return x->row > 0 && x->column > 0 &&
         (x->row >= x->column * (ptrdiff_t)columns || x->column >= x->row * (ptrdiff_t)rows);
}

static bool settle_all(ky_product *p) {
  return settle(p->m, p->k, &p->a) && settle(p->k, p->n, &p->b) && settle(p->m, p->n, &p->c);
}

/* At most KY_GEMM_DEPTH terms; beta is 0 or 1. */
static void call(ky_dtype dtype, const ky_product *p, int beta, cntx_t *cntx, rntm_t *rntm) {
  const dim_t m = (dim_t)p->m, n = (dim_t)p->n, k = (dim_t)p->k;
  if (dtype == KY_F32) {
    float one = 1, scale = (float)beta;
    bli_sgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, p->a.data, p->a.row,
                 p->a.column, p->b.data, p->b.row, p->b.column, &scale, p->c.data, p->c.row,
                 p->c.column, cntx, rntm);
  } else {
    double one = 1, scale = beta;
    bli_dgemm_ex(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, m, n, k, &one, p->a.data, p->a.row,
                 p->a.column, p->b.data, p->b.row, p->b.column, &scale, p->c.data, p->c.row,
                 p->c.column, cntx, rntm);
  }
}

/* c = d, by rows where both lie so: a bias is the same in each. */
static void start_with(const ky_kernels *kernels, ky_dtype dtype, const ky_product *p) {
  const ky_matrix c = p->c, d = p->d;
  if (c.column != 1 || d.column != 1) {
    kernels->copy->plane(dtype, p->m, p->n, c.data, c.row, c.column, 0, d.data, d.row,
                         d.column);
    return;
  }
  for (size_t i = 0; i < p->m; i++)
    kernels->copy->run(dtype, p->n, element(dtype, c, i, 0), 1, 0, element(dtype, d, i, 0), 1);
}

/* By BLIS, unless it would refuse. */
static void by_blis(const ky_kernels *kernels, ky_dtype dtype, const ky_product *whole) {
  ky_product block = *whole;
  if (whole->k == 0 || !settle_all(&block)) {
    kernels->gemm_small->multiply[dtype](whole);
    return;
  }
  const ky_matrix c = whole->c, d = whole->d;
  if (d.data && d.data != c.data) start_with(kernels, dtype, whole);
  rntm_t rntm = one_thread();
  cntx_t *const cntx = context();
  for (size_t p = 0; p < whole->k; p += KY_GEMM_DEPTH) {
    block = *whole;
    block.k = whole->k - p < KY_GEMM_DEPTH ? whole->k - p : KY_GEMM_DEPTH;
    block.a.data = element(dtype, whole->a, 0, p);
    block.b.data = element(dtype, whole->b, p, 0);
    settle_all(&block);
    call(dtype, &block, d.data || p > 0, cntx, &rntm);
  }
}

/* ---- the choice -------------------------------------------------------------------------- */

  #define LARGE      ((double)(1 << 27)) /* m n k from which on BLIS is best, */
  #define LARGE_WIDE ((double)(1 << 24)) /* and where a step along k is FAR bytes or more */
  #define FAR        2048
  #define NEVER      256 /* what all extents are below is never large */

static bool is_large(size_t size, const ky_product *p) {
  if ((p->m | p->n | p->k) < NEVER) return false;
  if (p->m <= KY_GEMM_THIN || p->n <= KY_GEMM_THIN || p->k <= KY_GEMM_THIN) return false;
  const bool wide = (size_t)p->a.column * size >= FAR || (size_t)p->b.row * size >= FAR;
  return (double)p->m * (double)p->n * (double)p->k >= (wide ? LARGE_WIDE : LARGE);
}

static ky_gemm_way way_of(ky_dtype dtype, const ky_product *p) {
  return is_large(ky_dtype_size(dtype), p) ? KY_GEMM_BLIS : ky__gemm_own_way(p);
}

#endif

/* ---- all products ------------------------------------------------------------------------ */

void ky__multiply(const ky_kernels *kernels, ky_dtype dtype, const ky_product *p) {
  if (p->m == 0 || p->n == 0) return;
  if ((p->way == KY_GEMM_ANY ? way_of(dtype, p) : p->way) == KY_GEMM_BLIS)
    by_blis(kernels, dtype, p);
  else
    kernels->gemm_small->multiply[dtype](p);
}

/* Leaves the first rows or columns of a matrix out. */
static void skip(ky_dtype dtype, ky_matrix *x, bool rows, size_t count) {
  if (x->data) x->data = element(dtype, *x, rows ? count : 0, rows ? 0 : count);
}

#define GRAIN 32 /* rows or columns: whole tiles, more or less */

ky_product ky__gemm_share(ky_dtype dtype, const ky_product *whole, size_t parts, size_t part) {
  ky_product share = *whole;
  if (share.way == KY_GEMM_ANY) share.way = way_of(dtype, whole);
  const bool rows = whole->m >= whole->n;
  const size_t extent = rows ? whole->m : whole->n, grains = (extent + GRAIN - 1) / GRAIN;
  const size_t begin = grains * part / parts * GRAIN;
  size_t end = grains * (part + 1) / parts * GRAIN;
  if (end > extent) end = extent;
  *(rows ? &share.m : &share.n) = end > begin ? end - begin : 0;
  if (end > begin) {
    skip(dtype, rows ? &share.a : &share.b, rows, begin);
    skip(dtype, &share.c, rows, begin);
    skip(dtype, &share.d, rows, begin);
  }
  return share;
}

static void multiply_add(ky_dtype dtype, size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b,
                         int beta, ky_matrix c) {
  const ky_product p = {m, n, k, a, b, beta ? c : (ky_matrix){NULL, 0, 0}, c, KY_GEMM_ANY};
  ky__multiply(ky__kernels(), dtype, &p);
}

static void gemm_f32(size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b, int beta,
                     ky_matrix c) {
  multiply_add(KY_F32, m, n, k, a, b, beta, c);
}

static void gemm_f64(size_t m, size_t n, size_t k, ky_matrix a, ky_matrix b, int beta,
                     ky_matrix c) {
  multiply_add(KY_F64, m, n, k, a, b, beta, c);
}

ky_gemm *const ky__gemm[2] = {gemm_f32, gemm_f64};
