/* SPDX-License-Identifier: MIT */
/* conv and conv_transpose: rules, and which of the maps of correlate.h each sweep is. The
 * second is the first with forward and adjoint changed, so that one geometry serves both: its
 * `in` is the result of conv_transpose. */
#include "ops/convolution.h"

#include "ops/correlate.h"
#include "ops/family.h"

#define LARGEST ((int64_t)1 << 31) /* stride, padding, dilation */
#define MOST    0x1p60             /* elements, products */

static ky_id operand(const ky_code *code, const ky_ins *i, uint32_t which) {
  return (ky_id)code->pool[i->b + which];
}

/* ---- rules ------------------------------------------------------------------------------- */

typedef struct shapes {
  ky_layout x, w;
  int axes;
  int64_t groups;
  const int64_t *words;
} shapes;

/* "[2,3,8,8] x [4,3,3,3]: " and the reason. */
__attribute__((format(printf, 4, 5))) static ky_status
refuse(const ky_query *q, const shapes *s, ky_status status, const char *format, ...) {
  char words[320];
  ky_text text = {words, sizeof words, 0};
  ky__say_dims(&text, &s->x);
  ky__say(&text, " x ");
  ky__say_dims(&text, &s->w);
  ky__say(&text, ": ");
  va_list args;
  va_start(args, format);
  ky__say_list(&text, format, args);
  va_end(args);
  return ky__fail(q->fault, status, "%s", words);
}

static ky_status look(const ky_query *q, shapes *s) {
  const ky_ins *i = q->ins;
  const ky_id ids[3] = {operand(q->code, i, 0), operand(q->code, i, 1), operand(q->code, i, 2)};
  s->words = q->code->pool + i->b;
  s->axes = (int)s->words[KY_CONV_RANK];
  s->groups = s->words[KY_CONV_GROUPS];
  s->x = *ky__layout_of(q, ids[0]);
  s->w = *ky__layout_of(q, ids[1]);
  if (s->axes < 1 || s->axes > KY_CONV_AXES)
    return ky__fail(q->fault, KY_BAD_ARGUMENT, "%d axes", s->axes);
  for (int k = 0; k < 3; k++) {
    if (k == 2 && !ids[k]) continue;
    KY_TRY(ky__need_float(q, ids[k]));
    KY_TRY(ky__need_same_dtype(q, ids[0], ids[k]));
  }
  if (s->x.rank != s->axes + 2 || s->w.rank != s->axes + 2)
    return refuse(q, s, KY_BAD_SHAPE, "wants rank %d, batch and channels first", s->axes + 2);
  if (s->groups < 1 || s->groups > LARGEST)
    return refuse(q, s, KY_BAD_ARGUMENT, "%lld groups", (long long)s->groups);
  return KY_OK;
}

/* So many channels must make groups of one size. */
static ky_status need_groups(const ky_query *q, const shapes *s, int64_t channels,
                             const char *what) {
  if (channels % s->groups == 0) return KY_OK;
  return refuse(q, s, KY_BAD_SHAPE, "the %lld %s do not make %lld groups", (long long)channels,
                what, (long long)s->groups);
}

/* The bias must have one element for each of the result's channels. */
static ky_status need_bias(const ky_query *q, const shapes *s, int64_t channels) {
  const ky_id id = operand(q->code, q->ins, KY_CONV_BIAS);
  if (!id) return KY_OK;
  const ky_layout bias = *ky__layout_of(q, id);
  if (bias.rank == 1 && bias.dims[0] == channels) return KY_OK;
  char got[96];
  ky_text text = {got, sizeof got, 0};
  ky__say_dims(&text, &bias);
  return refuse(q, s, KY_BAD_SHAPE, "the bias is %s, wants [%lld]", got, (long long)channels);
}

static ky_status need_axis(const ky_query *q, const shapes *s, int k) {
  const int64_t *a = s->words + KY_CONV_AXIS + 4 * k;
  const int64_t limit =
      a[KY_CONV_STRIDE] > a[KY_CONV_DILATION] ? a[KY_CONV_STRIDE] : a[KY_CONV_DILATION];
  if (a[KY_CONV_STRIDE] < 1 || a[KY_CONV_DILATION] < 1 || a[KY_CONV_PADDING] < 0 ||
      a[KY_CONV_PADDING] > LARGEST || limit > LARGEST)
    return refuse(q, s, KY_BAD_ARGUMENT,
                  "stride %lld, padding %lld and dilation %lld of axis %d",
                  (long long)a[KY_CONV_STRIDE], (long long)a[KY_CONV_PADDING],
                  (long long)a[KY_CONV_DILATION], k);
  if (a[KY_CONV_OUTPUT_PADDING] < 0 ||
      (a[KY_CONV_OUTPUT_PADDING] > 0 && a[KY_CONV_OUTPUT_PADDING] >= limit))
    return refuse(q, s, KY_BAD_ARGUMENT,
                  "output padding %lld of axis %d, wants less than stride or dilation",
                  (long long)a[KY_CONV_OUTPUT_PADDING], k);
  if (s->w.dims[2 + k] >= 1 && s->w.dims[2 + k] <= LARGEST && s->x.dims[2 + k] <= LARGEST)
    return KY_OK;
  return refuse(q, s, KY_BAD_SHAPE, "axis %d of the kernel has extent %lld", k,
                (long long)s->w.dims[2 + k]);
}

/* Copies with margins, and the products of a sweep, must be countable. out: of the result. */
static ky_status need_room(const ky_query *q, const shapes *s, const int64_t *out) {
  const double channels = (double)(s->x.dims[1] + out[1]);
  double copy = (double)s->x.dims[0] * channels, work = copy * channels;
  for (int k = 0; k < s->axes; k++) {
    const int64_t *a = s->words + KY_CONV_AXIS + 4 * k, at = 2 + k;
    const double span = (double)s->w.dims[at] * (double)a[KY_CONV_DILATION];
    const double wide = span + 2 * (double)a[KY_CONV_PADDING] + (double)s->x.dims[at];
    copy *= wide + (double)out[at];
    work *= (double)s->w.dims[at] * (double)(s->x.dims[at] + out[at]);
  }
  if (copy < MOST && work < MOST) return KY_OK;
  return refuse(q, s, KY_BAD_SHAPE, "sizes that are too large to be counted");
}

ky_status ky__rule_conv(ky_query *q) {
  shapes s;
  KY_TRY(look(q, &s));
  const int64_t channels = s.x.dims[1], results = s.w.dims[0];
  KY_TRY(need_groups(q, &s, channels, "channels of x"));
  KY_TRY(need_groups(q, &s, results, "channels of the result"));
  if (s.w.dims[1] != channels / s.groups)
    return refuse(q, &s, KY_BAD_SHAPE,
                  "a group of the weight takes %lld channels; x has %lld, in %lld groups",
                  (long long)s.w.dims[1], (long long)channels, (long long)s.groups);
  KY_TRY(need_bias(q, &s, results));
  int64_t dims[KY_MAX_RANK] = {s.x.dims[0], results};
  for (int k = 0; k < s.axes; k++) {
    KY_TRY(need_axis(q, &s, k));
    const int64_t *a = s.words + KY_CONV_AXIS + 4 * k;
    const int64_t room = s.x.dims[2 + k] + 2 * a[KY_CONV_PADDING];
    const int64_t span = (s.w.dims[2 + k] - 1) * a[KY_CONV_DILATION] + 1;
    if (a[KY_CONV_OUTPUT_PADDING] != 0)
      return refuse(q, &s, KY_BAD_ARGUMENT, "output padding is for conv_transpose");
    if (room < span)
      return refuse(q, &s, KY_BAD_SHAPE,
                    "a window of %lld does not fit axis %d, padded to %lld", (long long)span, k,
                    (long long)room);
    dims[2 + k] = (room - span) / a[KY_CONV_STRIDE] + 1;
  }
  ky_layout out;
  KY_TRY(ky__layout_dense(s.axes + 2, dims, &out, q->fault));
  KY_TRY(need_room(q, &s, dims));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, operand(q->code, q->ins, KY_CONV_X)), &out);
}

ky_status ky__rule_conv_transpose(ky_query *q) {
  shapes s;
  KY_TRY(look(q, &s));
  const int64_t channels = s.x.dims[1];
  KY_TRY(need_groups(q, &s, channels, "channels of x"));
  if (s.w.dims[0] != channels)
    return refuse(q, &s, KY_BAD_SHAPE, "the weight takes %lld channels, x has %lld",
                  (long long)s.w.dims[0], (long long)channels);
  if (s.w.dims[1] > INT64_MAX / 16 / s.groups)
    return refuse(q, &s, KY_BAD_SHAPE, "sizes that are too large to be counted");
  const int64_t results = s.w.dims[1] * s.groups;
  KY_TRY(need_bias(q, &s, results));
  int64_t dims[KY_MAX_RANK] = {s.x.dims[0], results};
  for (int k = 0; k < s.axes; k++) {
    KY_TRY(need_axis(q, &s, k));
    const int64_t *a = s.words + KY_CONV_AXIS + 4 * k;
    const int64_t span = (s.w.dims[2 + k] - 1) * a[KY_CONV_DILATION] + 1;
    dims[2 + k] = (s.x.dims[2 + k] - 1) * a[KY_CONV_STRIDE] - 2 * a[KY_CONV_PADDING] + span +
                  a[KY_CONV_OUTPUT_PADDING];
    if (s.x.dims[2 + k] < 1) return refuse(q, &s, KY_BAD_SHAPE, "axis %d of x is empty", k);
    if (dims[2 + k] < 1)
      return refuse(q, &s, KY_BAD_SHAPE, "axis %d of the result would have extent %lld", k,
                    (long long)dims[2 + k]);
  }
  ky_layout out;
  KY_TRY(ky__layout_dense(s.axes + 2, dims, &out, q->fault));
  KY_TRY(need_room(q, &s, dims));
  q->klass = KY_GENERAL;
  return ky__answer(q, ky__dtype_of(q, operand(q->code, q->ins, KY_CONV_X)), &out);
}

/* ---- geometry ---------------------------------------------------------------------------- */

/* Axes that are not there come first, so that the last one is always the innermost. */
static ky_conv geometry_of(const ky_code *code, ky_id pc) {
  const ky_ins *i = &code->ins[pc];
  const int64_t *words = code->pool + i->b;
  const int axes = (int)words[KY_CONV_RANK], lead = KY_CONV_AXES - axes;
  const ky_layout *w = ky__layout(code, operand(code, i, KY_CONV_W));
  const ky_layout *x = ky__layout(code, operand(code, i, KY_CONV_X));
  const ky_layout *r = ky__layout(code, pc);
  const bool turned = i->op == KY_OP_conv_transpose;
  const ky_layout *in = turned ? r : x, *out = turned ? x : r;
  ky_conv g = {.dtype = (ky_dtype)i->dtype,
               .images = x->dims[0],
               .groups = words[KY_CONV_GROUPS],
               .inputs = w->dims[1],
               .outputs = w->dims[0] / words[KY_CONV_GROUPS]};
  for (int k = 0; k < KY_CONV_AXES; k++) {
    const int64_t *a = words + KY_CONV_AXIS + 4 * (k - lead);
    const int at = 2 + k - lead;
    g.axis[k] = k < lead ? (struct ky_conv_axis){1, 1, 1, 1, 0, 1}
                         : (struct ky_conv_axis){in->dims[at],       out->dims[at],
                                                 w->dims[at],        a[KY_CONV_STRIDE],
                                                 a[KY_CONV_PADDING], a[KY_CONV_DILATION]};
  }
  return g;
}

static ky_conv_array array_of(const void *data, const ky_layout *l) {
  const int lead = 2 + KY_CONV_AXES - l->rank;
  ky_conv_array a = {.data = (void *)(uintptr_t)data};
  for (int k = 0; k < l->rank; k++) a.strides[k < 2 ? k : k + lead] = l->strides[k];
  return a;
}

static ky_conv_array value_of(const ky_frame *f, ky_id id) {
  return id ? array_of(ky__data(f, id), ky__layout(f->code, id)) : (ky_conv_array){0};
}

static ky_conv_array dense_of(const ky_frame *f, ky_id id, const void *data) {
  const ky_layout dense = ky__dense(ky__layout(f->code, id));
  return array_of(data, &dense);
}

size_t ky__convolution_scratch(const ky_code *code, ky_id pc, uint32_t threads) {
  const ky_conv g = geometry_of(code, pc);
  return ky__conv_scratch(&g, threads);
}

/* ---- sweeps ------------------------------------------------------------------------------ */

void fwd_conv(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_conv g = geometry_of(f->code, pc);
  const ky_conv_array x = value_of(f, operand(f->code, i, KY_CONV_X));
  const ky_conv_array w = value_of(f, operand(f->code, i, KY_CONV_W));
  const ky_conv_array bias = value_of(f, operand(f->code, i, KY_CONV_BIAS));
  const ky_conv_array r = value_of(f, pc);
  ky__conv_apply(f, &g, &r, 0, &x, &w, &bias);
}

void fwd_conv_transpose(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_conv g = geometry_of(f->code, pc);
  const ky_conv_array x = value_of(f, operand(f->code, i, KY_CONV_X));
  const ky_conv_array w = value_of(f, operand(f->code, i, KY_CONV_W));
  const ky_conv_array bias = value_of(f, operand(f->code, i, KY_CONV_BIAS));
  const ky_conv_array r = value_of(f, pc);
  ky__conv_pull(f, &g, &r, 0, &x, &w, &bias);
}

static ky_dest dest_of(ky_frame *f, ky_id pc, uint32_t which) {
  const ky_id id = operand(f->code, &f->code->ins[pc], which);
  return ky__dest(f, id, id && ky__wants(f->code, id));
}

/* Each channel's sum over images and places. */
static void pull_bias(ky_frame *f, ky_id pc) {
  const ky_dest d = dest_of(f, pc, KY_CONV_BIAS);
  if (!d.ptr) return;
  const ky_layout *r = ky__layout(f->code, pc);
  ky_layout each = {.rank = r->rank - 1, .count = r->dims[1]};
  for (int k = 1; k < r->rank; k++) each.dims[k - 1] = k == 1 ? r->dims[1] : 1;
  each = ky__dense(&each);
  ky__sum_to(f, (ky_dtype)f->code->ins[pc].dtype, d, &each, ky__adjoint(f, pc), r);
}

/* x is read for the last time before its adjoint begins, which may lie in its place. */
void vjp_conv(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_conv g = geometry_of(f->code, pc);
  const ky_conv_array x = value_of(f, operand(f->code, i, KY_CONV_X));
  const ky_conv_array w = value_of(f, operand(f->code, i, KY_CONV_W));
  const ky_conv_array gr = dense_of(f, pc, ky__adjoint(f, pc));
  const ky_dest dw = dest_of(f, pc, KY_CONV_W);
  if (dw.ptr) ky__conv_weights(f, &g, dw.ptr, dw.beta, &x, &gr);
  const ky_dest dx = dest_of(f, pc, KY_CONV_X);
  if (dx.ptr) {
    const ky_conv_array gx = dense_of(f, operand(f->code, i, KY_CONV_X), dx.ptr);
    ky__conv_pull(f, &g, &gx, dx.beta, &gr, &w, NULL);
  }
  pull_bias(f, pc);
}

void vjp_conv_transpose(ky_frame *f, ky_id pc) {
  const ky_ins *i = &f->code->ins[pc];
  const ky_conv g = geometry_of(f->code, pc);
  const ky_conv_array x = value_of(f, operand(f->code, i, KY_CONV_X));
  const ky_conv_array w = value_of(f, operand(f->code, i, KY_CONV_W));
  const ky_conv_array gr = dense_of(f, pc, ky__adjoint(f, pc));
  const ky_dest dw = dest_of(f, pc, KY_CONV_W);
  if (dw.ptr) ky__conv_weights(f, &g, dw.ptr, dw.beta, &gr, &x);
  const ky_dest dx = dest_of(f, pc, KY_CONV_X);
  if (dx.ptr) {
    const ky_conv_array gx = dense_of(f, operand(f->code, i, KY_CONV_X), dx.ptr);
    ky__conv_apply(f, &g, &gx, dx.beta, &gr, &w, NULL);
  }
  pull_bias(f, pc);
}
