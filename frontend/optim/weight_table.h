/* SPDX-License-Identifier: MIT */
/* A table of structs that begin with the weight they are about. Weights usually come in the
 * same order, so a search begins behind what was found last. Knows nothing else of the
 * structs. */
#ifndef KY_WEIGHT_TABLE_H
#define KY_WEIGHT_TABLE_H

#include "../list.h"
#include "kytape/tensor.h"

/* Empty with list.size set and all else 0. */
typedef struct ky_weight_table {
  ky_list list;
  size_t next; /* where the struct of the next weight is, if weights come as they did */
} ky_weight_table;

/* The struct of a weight, valid until the table changes; null when there is none. */
void *ky__weight_find(ky_weight_table *t, const ky_tensor *weight);

/* One more struct, zero but for the weight; null when memory ran out. */
void *ky__weight_append(ky_weight_table *t, const ky_allocator *a, const ky_tensor *weight);

/* Takes the struct of a weight out of the table, if there is one. */
void ky__weight_remove(ky_weight_table *t, const ky_tensor *weight);

void ky__weight_table_free(ky_weight_table *t, const ky_allocator *a);

#endif
