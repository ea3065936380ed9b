/* SPDX-License-Identifier: MIT */
/* Samples of the operations that surround or cut off. */
#include "samples.h"

#include <string.h>

#define ANYWHERE -3, 3, UNIFORM, 0

/* clang-format off */
#define EACH_KIND(...)                                                                         \
  {__VA_ARGS__}, {__VA_ARGS__, .kind = {INT32}}, {__VA_ARGS__, .kind = {INT64}},               \
  {__VA_ARGS__, .kind = {MASK}}
/* clang-format on */

/* ---- pad: n is the mode, then before and after of axes; s[0] the constant ---------------- */

/* The position of a padded axis in the operand; -1 for the constant. */
static int64_t shown(ky_pad_mode mode, int64_t at, int64_t n) {
  if (at >= 0 && at < n) return at;
  switch (mode) {
  case KY_PAD_CONSTANT: return -1;
  case KY_PAD_REFLECT: return at < 0 ? -at : 2 * (n - 1) - at;
  case KY_PAD_REPLICATE: return at < 0 ? 0 : n - 1;
  case KY_PAD_CIRCULAR: return (at + n) % n;
  }
  return -1;
}

static void oracle_pad(const nd *const *x, const ky_sample *s, nd *out) {
  int64_t dims[KY_MAX_RANK], index[KY_MAX_RANK];
  for (int k = 0; k < x[0]->rank; k++)
    dims[k] = x[0]->dims[k] + s->n[1 + 2 * k] + s->n[2 + 2 * k];
  nd_shape(out, x[0]->rank, dims);
  for (int64_t n = 0; n < out->count; n++) {
    int64_t flat = 0;
    bool inside = true;
    nd_index(out, n, index);
    for (int k = 0; k < x[0]->rank; k++) {
      const int64_t at = shown((ky_pad_mode)s->n[0], index[k] - s->n[1 + 2 * k], x[0]->dims[k]);
      inside &= at >= 0;
      flat = flat * x[0]->dims[k] + at;
    }
    out->at[n] = inside ? x[0]->at[flat] : s->s[0];
  }
}

static ky_var record_pad(ky_tape *t, const ky_var *x, const ky_sample *s) {
  int64_t before[KY_MAX_RANK] = {0}, after[KY_MAX_RANK] = {0};
  for (int k = 0; k < s->shape[0].rank && k < 2; k++) {
    before[k] = s->n[1 + 2 * k];
    after[k] = s->n[2 + 2 * k];
  }
  if (s->n[5] == 1) return ky_pad(t, x[0], 1, NULL, after, (ky_pad_mode)s->n[0], s->s[0]);
  const int rank = s->n[5] == 2 ? 1 : s->shape[0].rank;
  return ky_pad(t, x[0], rank, before, after, (ky_pad_mode)s->n[0], s->s[0]);
}

static const ky_sample samples_of_pad[] = {
    EACH_KIND(.shape = {DIMS(3, 4)}, .n = {KY_PAD_CONSTANT, 1, 2, 0, 3}, .s = {1}),
    EACH_KIND(.shape = {DIMS(3, 4)}, .n = {KY_PAD_REFLECT, 2, 1, 3, 0}),
    EACH_KIND(.shape = {DIMS(3, 4)}, .n = {KY_PAD_REPLICATE, 1, 2, 5, 3}),
    EACH_KIND(.shape = {DIMS(3, 4)}, .n = {KY_PAD_CIRCULAR, 3, 1, 0, 4}),
    {.shape = {DIMS(5)}, .n = {KY_PAD_CONSTANT, 2, 1}, .s = {-1.5}},
    {.shape = {DIMS(5)}, .n = {KY_PAD_REFLECT, 4, 4}},
    {.shape = {DIMS(1)}, .n = {KY_PAD_REPLICATE, 4, 4}},
    {.shape = {DIMS(37)}, .n = {KY_PAD_CIRCULAR, 20, 37}},
    {.shape = {DIMS(1, 3)}, .n = {KY_PAD_REFLECT, 0, 0, 1, 1}},
    {.shape = {DIMS(0)}, .n = {KY_PAD_CONSTANT, 2, 1}, .s = {4}},
    {.shape = {DIMS(0, 3)}, .n = {KY_PAD_CONSTANT, 2, 0, 1, 1}, .s = {4}},
    {.shape = {DIMS(3, 0)}, .n = {KY_PAD_CONSTANT, 2, 0, 1, 1}, .s = {4}},
    {.shape = {DIMS(0, 3)}, .n = {KY_PAD_REFLECT, 0, 0, 1, 1}},
    {.shape = {{0}}, .n = {KY_PAD_CONSTANT}},
    {.shape = {{0}}, .n = {KY_PAD_REFLECT}},
};

static const ky_example examples_pad[] = {
    {{.shape = {DIMS(3)}, .n = {KY_PAD_REFLECT, 2, 2}},
     .x = {{1, 2, 3}},
     .r = {3, 2, 1, 2, 3, 2, 1},
     .grad = {{2, 3, 2}}},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_REPLICATE, 2, 1}},
     .x = {{1, 2, 3}},
     .r = {1, 1, 1, 2, 3, 3},
     .grad = {{3, 1, 2}}},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_CIRCULAR, 2, 1}},
     .x = {{1, 2, 3}},
     .r = {2, 3, 1, 2, 3, 1},
     .grad = {{2, 2, 2}}},
    {{.shape = {DIMS(2)}, .n = {KY_PAD_CONSTANT, 1, 1}, .s = {NAN}},
     .x = {{1, 2}},
     .r = {NAN, 1, 2, NAN},
     .grad = {{1, 1}}},
};

static const ky_refusal refusals_of_pad[] = {
    {{.shape = {DIMS(3)}, .n = {KY_PAD_REFLECT, 3, 0}},
     KY_BAD_SHAPE,
     "[3]: axis 0 of extent 3 cannot be padded by 3"},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_CIRCULAR, 0, 4}}, KY_BAD_SHAPE, "padded by 4"},
    {{.shape = {DIMS(0)}, .n = {KY_PAD_REPLICATE, 1, 0}}, KY_BAD_SHAPE, "padded by 1"},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_CONSTANT, -1, 0}}, KY_BAD_ARGUMENT, "padding -1 and 0"},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_CONSTANT, INT64_MAX, 0}}, KY_BAD_ARGUMENT, "padding "},
    {{.shape = {DIMS(3)}, .n = {KY_PAD_CONSTANT, INT64_MAX / 16, 9}}, KY_BAD_SHAPE, "[3]: "},
    {{.shape = {DIMS(3)}, .n = {4, 1, 1}}, KY_BAD_ARGUMENT, "unknown mode 4"},
    {{.shape = {DIMS(3)}, .n = {-1, 1, 1}}, KY_BAD_ARGUMENT, "unknown mode -1"},
    {{.shape = {DIMS(3)}, .n = {0, 1, 1, 0, 0, 1}},
     KY_BAD_ARGUMENT,
     "1 axes to pad, but their array is null"},
    {{.shape = {DIMS(3, 2)}, .n = {0, 1, 1, 0, 0, 2}},
     KY_BAD_ARGUMENT,
     "[3,2]: padding of 1 axes for a value of rank 2"},
    {{.shape = {DIMS(3)}, .kind = {INT32}, .n = {0, 1, 1}, .s = {0.5}},
     KY_BAD_ARGUMENT,
     "i32 cannot hold 0.5"},
    {{.shape = {DIMS(3)}, .kind = {MASK}, .n = {0, 1, 1}, .s = {2}},
     KY_BAD_ARGUMENT,
     "mask cannot hold 2"},
};

const ky_samples samples_pad = {.operands = 1,
                                .domain = {{ANYWHERE}},
                                .any_dtype = true,
                                .whole = oracle_pad,
                                .record = record_pad,
                                LIST(sample, samples_of_pad),
                                LIST(example, examples_pad),
                                LIST(refusal, refusals_of_pad)};

/* ---- tril, triu: n[0] is the diagonal ---------------------------------------------------- */

static void triangle(const nd *x, int64_t sign, int64_t diagonal, nd *out) {
  int64_t index[KY_MAX_RANK];
  nd_shape(out, x->rank, x->dims);
  for (int64_t n = 0; n < out->count; n++) {
    nd_index(out, n, index);
    const int64_t above = index[x->rank - 1] - index[x->rank - 2] - diagonal;
    out->at[n] = sign * above <= 0 ? x->at[n] : 0;
  }
}

static void oracle_tril(const nd *const *x, const ky_sample *s, nd *out) {
  triangle(x[0], 1, s->n[0], out);
}

static void oracle_triu(const nd *const *x, const ky_sample *s, nd *out) {
  triangle(x[0], -1, s->n[0], out);
}

static ky_var record_tril(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_tril(t, x[0], s->n[0]);
}

static ky_var record_triu(ky_tape *t, const ky_var *x, const ky_sample *s) {
  return ky_triu(t, x[0], s->n[0]);
}

static const ky_sample matrices[] = {
    EACH_KIND(.shape = {DIMS(3, 4)}),
    {.shape = {DIMS(4, 3)}, .n = {1}},
    {.shape = {DIMS(4, 3)}, .n = {-2}},
    {.shape = {DIMS(3, 3)}, .n = {5}},
    {.shape = {DIMS(3, 3)}, .n = {-5}},
    {.shape = {DIMS(2, 3, 3, 2)}},
    {.shape = {DIMS(1, 37)}, .n = {3}},
    {.shape = {DIMS(37, 1)}, .n = {-3}},
    {.shape = {DIMS(0, 3)}},
    {.shape = {DIMS(2, 3, 0)}},
    {.shape = {DIMS(2, 2)}, .n = {INT32_MAX}},
    {.shape = {DIMS(2, 2)}, .n = {INT32_MIN}},
};

static const ky_example examples_tril[] = {
    {{.shape = {DIMS(2, 2)}}, /* what is cut off may be anything */
     .x = {{1, NAN, 3, -INFINITY}},
     .r = {1, 0, 3, -INFINITY},
     .grad = {{1, 0, 1, 1}}},
};
static const ky_example examples_triu[] = {
    {{.shape = {DIMS(2, 2)}, .n = {1}},
     .x = {{NAN, 2, INFINITY, NAN}},
     .r = {0, 2, 0, 0},
     .grad = {{0, 1, 0, 0}}},
};

static const ky_refusal refusals_of_triangles[] = {
    {{.shape = {DIMS(3)}}, KY_BAD_SHAPE, "[3]: wants a matrix, got rank 1"},
    {{.shape = {DIMS(3, 3)}, .n = {(int64_t)1 << 40}}, KY_BAD_ARGUMENT, "diagonal 10995"},
};

const ky_samples samples_tril = {.operands = 1,
                                 .domain = {{ANYWHERE}},
                                 .any_dtype = true,
                                 .whole = oracle_tril,
                                 .record = record_tril,
                                 LIST(sample, matrices),
                                 LIST(example, examples_tril),
                                 LIST(refusal, refusals_of_triangles)};
const ky_samples samples_triu = {.operands = 1,
                                 .domain = {{ANYWHERE}},
                                 .any_dtype = true,
                                 .whole = oracle_triu,
                                 .record = record_triu,
                                 LIST(sample, matrices),
                                 LIST(example, examples_triu),
                                 LIST(refusal, refusals_of_triangles)};
