/* SPDX-License-Identifier: MIT */
/* Sorting by merging runs of 1, 2, 4, ... positions, from one array into the other and back:
 * stable, and as fast for sorted input as for any other. */
#include "kernels/order.h"

#include <math.h>
#include <string.h>

/* What a dtype needs: an order of two elements, a pass of the merge sort, a search. */
#define X(name, type, text)                                                                    \
  static inline int before_##name(type a, type b) {                                            \
    return a < b || (isnan((double)b) && !isnan((double)a));                                   \
  }                                                                                            \
  static void merge_##name(size_t n, size_t width, int64_t *to, const int64_t *from,           \
                           const void *keys, int descending) {                                 \
    const type *x = keys;                                                                      \
    for (size_t low = 0; low < n; low += 2 * width) {                                          \
      const size_t middle = n - low < width ? n : low + width;                                 \
      const size_t high = n - middle < width ? n : middle + width;                             \
      size_t i = low, j = middle;                                                              \
      for (size_t k = low; k < high; k++) {                                                    \
        int right = i == middle;                                                               \
        if (!right && j < high) {                                                              \
          const type a = x[from[i]], b = x[from[j]];                                           \
          right = descending ? before_##name(a, b) : before_##name(b, a);                      \
        }                                                                                      \
        to[k] = from[right ? j++ : i++];                                                       \
      }                                                                                        \
    }                                                                                          \
  }                                                                                            \
  static int64_t argmin_##name(size_t n, const void *in, ptrdiff_t sx) {                       \
    const type *x = in;                                                                        \
    type best = *x;                                                                            \
    size_t at = 0;                                                                             \
    for (size_t i = 1; i < n && !isnan((double)best); i++) {                                   \
      const type candidate = x[(ptrdiff_t)i * sx];                                             \
      if (candidate >= best) continue;                                                         \
      best = candidate;                                                                        \
      at = i;                                                                                  \
    }                                                                                          \
    return (int64_t)at;                                                                        \
  }
KY_DTYPES(X)
#undef X

typedef void merge(size_t n, size_t width, int64_t *to, const int64_t *from, const void *keys,
                   int descending);
typedef int64_t argmin(size_t n, const void *in, ptrdiff_t sx);

#define X(name, type, text) [KY_##name] = merge_##name,
static merge *const merges[] = {KY_DTYPES(X)};
#undef X
#define X(name, type, text) [KY_##name] = argmin_##name,
static argmin *const argmins[] = {KY_DTYPES(X)};
#undef X

void ky__argsort(ky_dtype dtype, size_t n, int64_t *order, int64_t *spare, const void *x,
                 int descending) {
  int64_t *from = order, *to = spare;
  for (size_t i = 0; i < n; i++) from[i] = (int64_t)i;
  for (size_t width = 1; width < n; width *= 2) {
    merges[dtype](n, width, to, from, x, descending);
    int64_t *const sorted = to;
    to = from;
    from = sorted;
  }
  if (from != order) memcpy(order, from, n * sizeof *order);
}

int64_t ky__argmin(ky_dtype dtype, size_t n, const void *x, ptrdiff_t sx) {
  return argmins[dtype](n, x, sx);
}
