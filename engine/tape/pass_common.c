/* SPDX-License-Identifier: MIT */
/* Common subexpressions: an instruction that repeats an earlier one becomes that one. Only
 * values of which no gradient is wanted: merging others would add up adjoints in another order,
 * and change bits. */
#include <string.h>

#include "opinfo.h"
#include "ops/fusion.h"
#include "tape/program.h"

/* The instruction with operands renamed and what differs without meaning taken out. */
static ky_ins canonical(const ky_code *code, ky_id id, const ky_id *become) {
  ky_ins i = code->ins[id];
  const ky_opinfo *info = &ky__opinfo[i.op];
  if (info->arity != KY_ARITY_LIST) {
    if (info->arity > 0) i.a = become[i.a];
    if (info->arity > 1) i.b = become[i.b];
    if (info->arity > 2) i.c = become[i.c];
  }
  if (info->reads & KY_READS_X) i.c &= (1u << KY_AUX_SHIFT) - 1;
  if (ky__pool_words(code, &i)) i.b = 0; /* compared by content */
  return i;
}

/* The k-th word of what an instruction has in the pool. */
static int64_t pool_word(const ky_code *code, const ky_ins *i, uint32_t k,
                         const ky_id *become) {
  const int64_t word = code->pool[i->b + k];
  const bool operand = ky__opinfo[i->op].arity == KY_ARITY_LIST && k < ky__list_length(i);
  return operand ? become[word] : word;
}

static bool same_pool(const ky_code *code, ky_id x, ky_id y, const ky_id *become) {
  const ky_ins *a = &code->ins[x], *b = &code->ins[y];
  const uint32_t words = ky__pool_words(code, a);
  if (ky__pool_words(code, b) != words) return false;
  for (uint32_t k = 0; k < words; k++)
    if (pool_word(code, a, k, become) != pool_word(code, b, k, become)) return false;
  return true;
}

static bool same(const ky_code *code, ky_id x, ky_id y, const ky_id *become) {
  const ky_ins a = canonical(code, x, become), b = canonical(code, y, become);
  return memcmp(&a, &b, sizeof a) == 0 && code->layout[x] == code->layout[y] &&
         same_pool(code, x, y, become);
}

static uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 32;
}

static uint32_t hash(const ky_code *code, ky_id id, const ky_id *become) {
  const ky_ins i = canonical(code, id, become);
  uint64_t words[2], h = 1469598103934665603u ^ code->layout[id];
  memcpy(words, &i, sizeof words);
  h = mix(mix(h, words[0]), words[1]);
  const uint32_t pool_words = ky__pool_words(code, &code->ins[id]);
  for (uint32_t k = 0; k < pool_words; k++)
    h = mix(h, (uint64_t)pool_word(code, &code->ins[id], k, become));
  return (uint32_t)h;
}

ky_status ky__pass_common(ky_pass *pass) {
  const ky_code *code = &pass->program->code;
  const uint32_t count = code->count;
  uint32_t slots = 64;
  while (slots < 2 * count) slots *= 2;
  ky_id *table = ky__pass_alloc(pass, slots, sizeof *table);
  ky_id *become = ky__pass_alloc(pass, count, sizeof *become);
  uint8_t *live = ky__pass_alloc(pass, count, sizeof *live);
  ky_status status = table && become && live ? KY_OK : KY_NO_MEMORY;
  for (ky_id id = 1; id < count && status == KY_OK; id++) {
    become[id] = id;
    live[id] = 1;
    if (ky__wants(code, id) || !ky__is_pure(code, &code->ins[id])) continue;
    uint32_t k = hash(code, id, become) & (slots - 1);
    while (table[k] && !same(code, table[k], id, become)) k = (k + 1) & (slots - 1);
    if (table[k])
      become[id] = table[k];
    else
      table[k] = id;
  }
  for (ky_id id = 1; id < count && status == KY_OK; id++) /* a merged value stays readable */
    if (become[id] != id) pass->program->keep[become[id]] |= pass->program->keep[id];
  if (status == KY_OK) status = ky__rebuild(pass, live, become);
  ky__pass_free(pass, table, slots, sizeof *table);
  ky__pass_free(pass, become, count, sizeof *become);
  ky__pass_free(pass, live, count, sizeof *live);
  return status;
}
