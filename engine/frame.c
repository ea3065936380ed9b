/* SPDX-License-Identifier: MIT */
/* Adjoint and scratch memory of a frame. */
#include "frame.h"

bool ky__place_adjoint(ky_frame *f, ky_id id) {
  if (ky__is_point(f->code, id)) return true;
  const size_t bytes =
      (size_t)ky__layout(f->code, id)->count * ky_dtype_size((ky_dtype)f->code->ins[id].dtype);
  f->adj[id].ptr = ky__arena_alloc(&f->adjoints, bytes);
  if (f->adj[id].ptr) return true;
  ky__fail(f->fault, KY_NO_MEMORY, "%zu bytes for an adjoint", bytes);
  return false;
}

void *ky__scratch(ky_frame *f, size_t bytes) {
  void *ptr = ky__arena_alloc(&f->scratch, bytes);
  if (!ptr) ky__fail(f->fault, KY_NO_MEMORY, "%zu bytes of scratch memory", bytes);
  return ptr;
}
