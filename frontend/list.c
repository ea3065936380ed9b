/* SPDX-License-Identifier: MIT */
/* See list.h. */
#include "list.h"

#include <string.h>

#include "block.h"

#define FIRST_ROOM 16

void *ky__list_append(const ky_allocator *a, ky_list *l) {
  if (l->count == l->room) {
    const size_t room = l->room ? 2 * l->room : FIRST_ROOM;
    void *at = a->resize(a->user, l->at, l->room * l->size, room * l->size);
    if (!at) return NULL;
    l->at = at;
    l->room = room;
  }
  return memset((char *)l->at + l->count++ * l->size, 0, l->size);
}

void ky__list_remove(ky_list *l, void *thing) {
  const char *end = (const char *)l->at + l->count-- * l->size;
  const char *next = (const char *)thing + l->size;
  memmove(thing, next, (size_t)(end - next));
}

void ky__list_empty(const ky_allocator *a, ky_list *l) {
  ky__block_free(*a, l->at, l->room * l->size);
  l->at = NULL;
  l->count = l->room = 0;
}
