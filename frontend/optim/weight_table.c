/* SPDX-License-Identifier: MIT */
/* See weight_table.h. */
#include "weight_table.h"

#include <string.h>

#include "../block.h"

static const ky_tensor *weight_of(const void *element) {
  const ky_tensor *weight;
  memcpy(&weight, element, sizeof weight);
  return weight;
}

void *ky__weight_find(ky_weight_table *t, const ky_tensor *weight) {
  for (size_t k = 0; k < t->count; k++) {
    const size_t at = (t->next + k) % t->count;
    if (weight_of(t->at + at * t->size) != weight) continue;
    t->next = at + 1;
    return t->at + at * t->size;
  }
  return NULL;
}

void *ky__weight_append(ky_weight_table *t, const ky_allocator *a, const ky_tensor *weight) {
  if (t->count == t->capacity) {
    const size_t capacity = t->capacity ? 2 * t->capacity : 16;
    void *grown = a->resize(a->user, t->at, t->capacity * t->size, capacity * t->size);
    if (!grown) return NULL;
    t->at = grown;
    t->capacity = capacity;
  }
  void *element = t->at + t->count * t->size;
  memset(element, 0, t->size);
  memcpy(element, &weight, sizeof weight);
  t->next = ++t->count;
  return element;
}

void ky__weight_remove(ky_weight_table *t, const ky_tensor *weight) {
  char *element = ky__weight_find(t, weight);
  if (!element) return;
  const char *end = t->at + t->count-- * t->size;
  memmove(element, element + t->size, (size_t)(end - element) - t->size);
  t->next = 0;
}

void ky__weight_table_free(ky_weight_table *t, const ky_allocator *a) {
  ky__block_free(*a, t->at, t->capacity * t->size);
}
