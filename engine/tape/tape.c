/* SPDX-License-Identifier: MIT */
/* Making, freeing, marking and rewinding tapes; their errors. */
#include "tape/tape.h"

#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/options.h"

/* ---- making and freeing ------------------------------------------------------------------ */

/* Eras begin with a number that another tape at the same address is unlikely to have had, so
 * that its vars are not taken for this one's. Nothing else depends on it. */
static uint32_t first_era(void) {
  struct timespec now = {0};
  timespec_get(&now, TIME_UTC);
  return (uint32_t)now.tv_nsec * 0x9E3779B1u ^ (uint32_t)now.tv_sec * 0x85EBCA77u;
}

static ky_status start(ky_tape *t, const ky_tape_options *o) {
  KY_TRY(ky__layouts_init(&t->code.layouts, &t->allocator));
  KY_TRY(ky__reserve(t, o->reserve_instructions > 16 ? o->reserve_instructions : 16));
  if (o->reserve_bytes) KY_TRY(ky__arena_reserve(&t->values, o->reserve_bytes));
  KY_TRY(ky__grow(&t->allocator, &t->eras, &t->era_capacity, 1, sizeof *t->eras));
  t->era_number = first_era();
  t->eras[t->era_count++] = (ky_era){0, t->era_number};
  t->code.ins[0] = (ky_ins){.op = KY_OP_nop, .dtype = KY_MASK}; /* no operand of floats */
  t->code.layout[0] = t->code.site[0] = 0;
  t->code.count = 1;
  t->done = 1;
  return KY_OK;
}

ky_tape *ky_tape_new(const ky_tape_options *options) {
  ky_tape_options o = {0};
  if (!ky__take_options(&o, sizeof o, options)) return NULL;
  if (o.flags & ~(uint32_t)(KY_EAGER | KY_CHECK_FINITE)) return NULL;
  const ky_allocator allocator = ky__allocator(&o.allocator);
  ky_tape *t = ky__resize(&allocator, NULL, 0, sizeof *t);
  if (!t) return NULL;
  memset(t, 0, sizeof *t);
  t->allocator = allocator;
  t->flags = o.flags;
  t->frame.code = &t->code;
  t->frame.fault = &t->fault;
  t->frame.kernels = ky__kernels();
  ky__arena_init(&t->code.blobs, &allocator);
  ky__arena_init(&t->values, &allocator);
  ky__arena_init(&t->frame.adjoints, &allocator);
  ky__arena_init(&t->frame.scratch, &allocator);
  if (start(t, &o) == KY_OK) return t;
  ky_tape_free(t);
  return NULL;
}

#define DROP(t, array, capacity)                                                               \
  ky__resize(&(t)->allocator, array, (capacity) * sizeof *(array), 0)

void ky_tape_free(ky_tape *t) {
  if (!t) return;
  void *columns[KY_COLUMNS];
  ky__columns(t, columns);
  for (int k = 0; k < KY_COLUMNS; k++) {
    void *array;
    memcpy(&array, columns[k], sizeof array);
    ky__resize(&t->allocator, array, t->column_capacity[k] * ky__column_bytes[k], 0);
  }
  DROP(t, t->code.pool, t->code.pool_capacity);
  DROP(t, t->code.files, t->code.file_capacity);
  DROP(t, t->code.customs, t->code.custom_capacity);
  DROP(t, t->frame.bind, t->bind_capacity);
  DROP(t, t->frame.aux, t->aux_capacity);
  DROP(t, t->weight_slots, t->weight_slot_count);
  DROP(t, t->eras, t->era_capacity);
  DROP(t, t->pairs, t->pair_capacity);
  DROP(t, t->points, t->point_capacity);
  ky__layouts_free(&t->code.layouts);
  ky__arena_free(&t->code.blobs);
  ky__arena_free(&t->values);
  ky__arena_free(&t->frame.adjoints);
  ky__arena_free(&t->frame.scratch);
  const ky_allocator allocator = t->allocator;
  ky__resize(&allocator, t, sizeof *t, 0);
}

uint32_t ky_tape_length(const ky_tape *t) { return t ? t->code.count : 0; }

size_t ky_tape_bytes(const ky_tape *t) {
  if (!t) return 0;
  size_t columns = 0;
  for (int k = 0; k < KY_COLUMNS; k++) columns += t->column_capacity[k] * ky__column_bytes[k];
  return sizeof *t + columns + t->code.pool_capacity * sizeof *t->code.pool +
         t->code.file_capacity * sizeof *t->code.files +
         t->code.custom_capacity * sizeof *t->code.customs +
         t->bind_capacity * sizeof *t->frame.bind + t->aux_capacity * sizeof *t->frame.aux +
         t->weight_slot_count * sizeof *t->weight_slots + t->era_capacity * sizeof *t->eras +
         t->pair_capacity * sizeof *t->pairs + t->point_capacity * sizeof *t->points +
         t->code.layouts.capacity * sizeof *t->code.layouts.at +
         t->code.layouts.slot_count * sizeof *t->code.layouts.slots +
         ky__arena_bytes(&t->code.blobs) + ky__arena_bytes(&t->values) +
         ky__arena_bytes(&t->frame.adjoints) + ky__arena_bytes(&t->frame.scratch);
}

/* ---- errors ------------------------------------------------------------------------------ */

ky_status ky_tape_check(ky_tape *t) {
  if (!t) return KY_BAD_ARGUMENT;
  const ky_status status = t->pending;
  ky__set_pending(t, KY_OK);
  return status;
}

const char *ky_tape_message(const ky_tape *t) { return t ? t->message : "the tape is null"; }

ky_status ky__refuse_var(ky_tape *t, const char *call, ky_var v) {
  const char *reason = ky__bad_var(t, v);
  if (!reason) return KY_OK;
  if (v.tape || !t->message[0]) return ky__error(t, KY_BAD_VAR, "%s: %s", call, reason);
  static const char behind[] = "; the last error was: ";
  const char *const earlier = strstr(t->message, behind);
  char last[sizeof t->message];
  ky_text text = {last, sizeof last, 0};
  ky__say(&text, "%s", earlier ? earlier + sizeof behind - 1 : t->message);
  return ky__error(t, KY_BAD_VAR, "%s: %s%s%s", call, reason, behind, last);
}

ky_status ky__error(ky_tape *t, ky_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  ky_text message = {t->message, sizeof t->message, 0};
  ky__say_list(&message, format, args);
  va_end(args);
  return status;
}

/* ---- random numbers ---------------------------------------------------------------------- */

ky_status ky_tape_seed(ky_tape *t, uint64_t seed, uint64_t draw) {
  if (!t) return KY_BAD_ARGUMENT;
  if (draw >= KY_DRAW_END)
    return ky__error(t, KY_BAD_ARGUMENT, "seed: draw %llu is not below 2^48",
                     (unsigned long long)draw);
  t->frame.seed = seed;
  t->frame.draw = draw;
  t->frame.drew = false;
  return KY_OK;
}

ky_status ky_tape_draw(const ky_tape *t, uint64_t *draw) {
  if (!t || !draw) return KY_BAD_ARGUMENT;
  *draw = ky__coming_draw(&t->frame);
  return KY_OK;
}

/* ---- marks and rewinding ----------------------------------------------------------------- */

ky_var ky__var(const ky_tape *t, ky_id id) {
  return (ky_var){t, id, ky__era_of(t->eras, t->era_count, id)};
}

const char *ky__bad_var(const ky_tape *t, ky_var v) {
  if (ky__is_live(t, v)) return NULL;
  return !v.id || !v.tape ? "the var is null"
         : v.tape == t    ? "the value was rewound"
                          : "the var is of another tape";
}

ky_mark ky_tape_mark(const ky_tape *t) {
  if (!t) return (ky_mark){0};
  const ky_place value = ky__arena_mark(&t->values), blob = ky__arena_mark(&t->code.blobs);
  return (ky_mark){ky__var(t, t->code.count - 1),
                   t->code.pool_count,
                   t->code.bind_count,
                   t->code.aux_count,
                   t->code.stream_count,
                   value.chunk,
                   blob.chunk,
                   value.offset,
                   blob.offset};
}

/* The first value that runs again: that of a weight which was stepped since it ran, if there is
 * one below the mark. */
static ky_id done_up_to(const ky_tape *t, ky_id end) {
  const ky_id done = t->done < end ? t->done : end;
  for (uint32_t k = 0; k < t->code.bind_count; k++) {
    const ky_bind *bind = &t->frame.bind[k];
    if (bind->id >= done) break;
    if (bind->weight && bind->version != ky_tensor_version(bind->weight)) return bind->id;
  }
  return done;
}

/* Takes away what was recorded from instruction `end` on. */
static void cut(ky_tape *t, ky_mark mark, ky_id end) {
  t->code.count = end;
  t->code.pool_count = t->pool_kept = mark.pool;
  t->code.bind_count = mark.binds;
  t->code.aux_count = mark.auxes;
  t->code.stream_count = mark.streams;
  ky__arena_reset(&t->values, (ky_place){mark.value_chunk, mark.value_offset});
  ky__arena_reset(&t->code.blobs, (ky_place){mark.blob_chunk, mark.blob_offset});
}

void ky__withdraw(ky_tape *t, ky_mark mark) {
  const ky_id end = mark.last.id + 1;
  cut(t, mark, end);
  if (t->done > end) t->done = end;
}

ky_status ky_tape_rewind(ky_tape *t, ky_mark mark) {
  if (!t) return KY_BAD_ARGUMENT;
  const ky_var last = mark.last; /* of an empty tape: no value, and never rewound */
  if (last.id ? ky__bad_var(t, last) != NULL : last.tape != t)
    return ky__error(t, KY_BAD_VAR, "rewind: the mark is not of this tape or was rewound");
  const ky_id end = mark.last.id + 1;
  if (end < t->code.count) {
    uint32_t eras = t->era_count;
    while (eras > 1 && t->eras[eras - 1].start >= end) eras--;
    if (ky__grow(&t->allocator, &t->eras, &t->era_capacity, eras + 1, sizeof *t->eras) != KY_OK)
      return ky__error(t, KY_NO_MEMORY, "rewind: no memory");
    t->eras[eras] = (ky_era){end, ++t->era_number};
    t->era_count = eras + 1;
  }
  cut(t, mark, end);
  if (t->done > end) ky__next_draw(&t->frame);
  t->done = done_up_to(t, end);
  t->root = 0;
  return KY_OK;
}
