/* SPDX-License-Identifier: MIT */
/* max_pool and avg_pool, over the last one or two axes. The kernels are in kernels/pool.c and
 * want dense planes; others are copied first. */
#include "ops/pooling.h"

#include "kernels/kernels.h"
#include "ops/family.h"

#define LARGEST ((int64_t)1 << 31) /* places of a plane */

/* ---- rules ------------------------------------------------------------------------------- */

static ky_status need_axis(const ky_query *q, int k, int64_t in) {
  const int64_t *words = q->code->pool + q->ins->b + KY_POOL_AXIS + 3 * k;
  const int64_t kernel = words[KY_POOL_KERNEL], stride = words[KY_POOL_STRIDE];
  const int64_t padding = words[KY_POOL_PADDING];
  if (kernel < 1 || kernel > LARGEST || stride < 1 || stride > LARGEST)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "kernel %lld and stride %lld of axis %d",
                    (long long)kernel, (long long)stride, k);
  if (padding < 0 || padding > kernel / 2)
    return ky__fail(q->fault, KY_BAD_ARGUMENT,
                    "padding %lld of axis %d, wants 0..%lld, half of the kernel",
                    (long long)padding, k, (long long)(kernel / 2));
  if (in >= 1 && in < LARGEST && in + 2 * padding >= kernel) return KY_OK;
  return ky__fail(q->fault, KY_BAD_SHAPE,
                  "a window of %lld does not fit axis %d of extent %lld", (long long)kernel, k,
                  (long long)in);
}

static ky_status answer(ky_query *q, bool positions) {
  const ky_ins *i = q->ins;
  const int64_t *words = q->code->pool + i->b;
  const int axes = (int)words[KY_POOL_RANK];
  KY_TRY(ky__need_float(q, i->a));
  ky_layout out = *ky__layout_of(q, i->a);
  if (axes < 1 || axes > 2 || out.rank != axes + 2)
    return ky__fail(q->fault, KY_BAD_SHAPE, "wants rank %d, batch and channels first",
                    axes + 2);
  int64_t places = 1;
  for (int k = 0; k < axes; k++) {
    const int64_t *a = words + KY_POOL_AXIS + 3 * k;
    KY_TRY(need_axis(q, k, out.dims[2 + k]));
    places *= out.dims[2 + k];
    out.dims[2 + k] =
        (out.dims[2 + k] + 2 * a[KY_POOL_PADDING] - a[KY_POOL_KERNEL]) / a[KY_POOL_STRIDE] + 1;
  }
  if (places >= LARGEST)
    return ky__fail(q->fault, KY_BAD_SHAPE, "a plane of %lld places", (long long)places);
  const ky_layout wanted = out;
  KY_TRY(ky__layout_dense(wanted.rank, wanted.dims, &out, q->fault));
  q->klass = KY_GENERAL;
  if (positions) q->aux_bytes = (size_t)out.count * sizeof(int32_t);
  return ky__answer(q, ky__dtype_of(q, i->a), &out);
}

ky_status ky__rule_max_pool(ky_query *q) { return answer(q, true); }

ky_status ky__rule_avg_pool(ky_query *q) { return answer(q, false); }

/* ---- sweeps ------------------------------------------------------------------------------ */

/* All but the arrays; one axis is the second of two. */
static ky_pool pool_of(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const ky_layout *x = ky__layout(code, i->a), *r = ky__layout(code, pc);
  const int64_t *words = code->pool + i->b;
  const int axes = (int)words[KY_POOL_RANK];
  ky_pool s = {.planes = (size_t)(x->dims[0] * x->dims[1]),
               .in = {1, 1},
               .out = {1, 1},
               .kernel = {1, 1},
               .stride = {1, 1}};
  for (int k = 0; k < axes; k++) {
    const int to = 2 - axes + k;
    const int64_t *a = words + KY_POOL_AXIS + 3 * k;
    s.in[to] = x->dims[2 + k];
    s.out[to] = r->dims[2 + k];
    s.kernel[to] = a[KY_POOL_KERNEL];
    s.stride[to] = a[KY_POOL_STRIDE];
    s.padding[to] = a[KY_POOL_PADDING];
  }
  return s;
}

/* Planes, which are shared out. */
typedef struct planes {
  ky_pool s;
  ky_pool_kernel *run;
  size_t size; /* of an element */
} planes;

static void run_planes(void *context, uint32_t piece, size_t begin, size_t end) {
  (void)piece;
  const planes *all = context;
  ky_pool s = all->s;
  const size_t in = begin * (size_t)(s.in[0] * s.in[1]) * all->size;
  const size_t out = begin * (size_t)(s.out[0] * s.out[1]);
  s.planes = end - begin;
  if (s.x) s.x = (const char *)s.x + in;
  if (s.gx) s.gx = (char *)s.gx + in;
  if (s.r) s.r = (char *)s.r + out * all->size;
  if (s.g) s.g = (const char *)s.g + out * all->size;
  if (s.at) s.at += out;
  all->run(&s);
}

static void share(ky_frame *f, planes *all) {
  const size_t each = (size_t)(all->s.in[0] * all->s.in[1]);
  ky__team_run(f->team, all->s.planes, ky__grain_of(f, each), run_planes, all);
}

static void forward(ky_frame *f, ky_id pc, bool positions, ky_pool_kernel *const kernel[2]) {
  const ky_ins *i = &f->code->ins[pc];
  planes all = {pool_of(f->code, pc), kernel[i->dtype], ky_dtype_size((ky_dtype)i->dtype)};
  if (all.s.planes == 0) return;
  const ky_place mark = ky__arena_mark(&f->scratch);
  all.s.x = ky__dense_value(f, i->a);
  all.s.r = ky__data(f, pc);
  if (positions) all.s.at = ky__aux(f, pc);
  if (f->fault->status == KY_OK) share(f, &all);
  ky__arena_reset(&f->scratch, mark);
}

static void reverse(ky_frame *f, ky_id pc, bool positions, ky_pool_kernel *const kernel[2]) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_dest d = ky__dest(f, i->a, i->flags & KY_WANT_A);
  planes all = {pool_of(f->code, pc), kernel[i->dtype], ky_dtype_size((ky_dtype)i->dtype)};
  if (!d.ptr || all.s.planes == 0) return;
  all.s.g = ky__adjoint(f, pc);
  all.s.gx = d.ptr;
  all.s.beta = d.beta;
  if (positions) all.s.at = ky__aux(f, pc);
  share(f, &all);
}

void fwd_max_pool(ky_frame *f, ky_id pc) { forward(f, pc, true, f->kernels->pool->max); }

void vjp_max_pool(ky_frame *f, ky_id pc) { reverse(f, pc, true, f->kernels->pool->max_pull); }

void fwd_avg_pool(ky_frame *f, ky_id pc) { forward(f, pc, false, f->kernels->pool->mean); }

void vjp_avg_pool(ky_frame *f, ky_id pc) { reverse(f, pc, false, f->kernels->pool->mean_pull); }
