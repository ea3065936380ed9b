/* SPDX-License-Identifier: MIT */
/* See program_desk.h. */
#include "program_desk.h"

#include <stdlib.h>

void desk_fill(desk *d) {
  float *w = ky_tensor_write(d->weight), *b = ky_tensor_write(d->bias);
  for (int k = 0; k < OUT * IN; k++) w[k] = 0.3F * (float)(k % 4) - 0.4F;
  for (int k = 0; k < OUT; k++) b[k] = 0.1F * (float)k;
}

int desk_open(void **state) {
  desk *d = calloc(1, sizeof *d);
  *state = d;
  d->t = ky_tape_new(NULL);
  d->other = ky_tape_new(NULL);
  if (ky_tensor_new(NULL, KY_F32, KY_SHAPE(OUT, IN), &d->weight) != KY_OK) return 1;
  if (ky_tensor_new(NULL, KY_F32, KY_SHAPE(OUT), &d->bias) != KY_OK) return 1;
  desk_fill(d);
  for (int k = 0; k < BATCH * IN; k++) d->data[k] = (float)(k % 5) - 2;
  for (int k = 0; k < BATCH; k++) d->labels[k] = k % OUT;
  ky_tape *t = ky_at(d->t, "desk.c", 1); /* for messages, whatever the line here is */
  d->x = (ky_input)(t, KY_F32, KY_SHAPE(BATCH, IN), d->data);
  d->y = (ky_input)(t, KY_I32, KY_SHAPE(BATCH), d->labels);
  d->w = (ky_param)(t, d->weight);
  d->b = (ky_param)(t, d->bias);
  d->logits = (ky_linear)(t, d->x, d->w, d->b);
  d->loss = (ky_cross_entropy)(t, d->logits, d->y, KY_REDUCE_MEAN);
  return 0;
}

int desk_close(void **state) {
  desk *d = *state;
  ky_exec_free(d->e);
  ky_program_free(d->p);
  ky_tape_free(d->t);
  ky_tape_free(d->other);
  ky_tensor_free(d->weight);
  ky_tensor_free(d->bias);
  free(d);
  return 0;
}

void desk_start(desk *d, const ky_compile_options *options) {
  assert_int_equal(ky_compile(d->t, d->loss, options, &d->p), KY_OK);
  assert_int_equal(ky_exec_new(d->p, NULL, &d->e), KY_OK);
}
