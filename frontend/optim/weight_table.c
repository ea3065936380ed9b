/* SPDX-License-Identifier: MIT */
/* See weight_table.h. */
#include "weight_table.h"

#include <string.h>

static const ky_tensor *weight_of(const void *element) {
  const ky_tensor *weight;
  memcpy(&weight, element, sizeof weight);
  return weight;
}

void *ky__weight_find(ky_weight_table *t, const ky_tensor *weight) {
  const ky_list *l = &t->list;
  for (size_t k = 0; k < l->count; k++) {
    const size_t at = (t->next + k) % l->count;
    char *element = (char *)l->at + at * l->size;
    if (weight_of(element) != weight) continue;
    t->next = at + 1;
    return element;
  }
  return NULL;
}

void *ky__weight_append(ky_weight_table *t, const ky_allocator *a, const ky_tensor *weight) {
  void *element = ky__list_append(a, &t->list);
  if (!element) return NULL;
  memcpy(element, &weight, sizeof weight);
  t->next = t->list.count;
  return element;
}

void ky__weight_remove(ky_weight_table *t, const ky_tensor *weight) {
  void *element = ky__weight_find(t, weight);
  if (!element) return;
  ky__list_remove(&t->list, element);
  t->next = 0;
}

void ky__weight_table_free(ky_weight_table *t, const ky_allocator *a) {
  ky__list_empty(a, &t->list);
}
