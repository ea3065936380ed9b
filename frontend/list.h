/* SPDX-License-Identifier: MIT */
/* A vector of equal things that grows as it needs. Knows nothing of the things. */
#ifndef KY_LIST_H
#define KY_LIST_H

#include "kytape/base.h"

/* Empty with `size` set and all else 0. */
typedef struct ky_list {
  void *at;
  size_t count, room, size; /* things, places, bytes of each */
} ky_list;

/* A new thing at the end, zeroed; null when memory ran out. */
void *ky__list_append(const ky_allocator *a, ky_list *l);

/* Takes out `thing`, which is one of the list; what follows it moves. */
void ky__list_remove(ky_list *l, void *thing);

/* Frees the memory; the list is empty then. */
void ky__list_empty(const ky_allocator *a, ky_list *l);

#endif
