/* SPDX-License-Identifier: MIT */
/* ky_gradcheck: moves bound inputs and weights, in copies that stand in for them, and runs the
 * forward sweep. The instructions' gradient flags are borrowed for one reverse sweep;
 * everything is as it was afterwards, whatever happens. */
#include "kytape/gradcheck.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "opinfo.h"
#include "ops/family.h"
#include "tape/tape.h"

typedef struct variable {
  ky_id id;
  ky_bind *bind;
  ky_bind original;
  ky_dtype dtype;
  int64_t count;
  void *base;          /* its elements */
  void *moved;         /* the same, moved */
  ky_tensor *stand_in; /* `moved` as a weight */
} variable;

typedef struct checker {
  ky_tape *t;
  ky_id output;
  double step, tolerance, epsilon;
  uint32_t directions;
  bool each;
  uint64_t seed;

  variable *variables;
  size_t count, capacity;
  uint8_t *flags; /* of all instructions, as they were */
  uint32_t flag_count;
  int64_t out_count;
  void *cotangent; /* dense, of the output's dtype */
  double *above;   /* the output at x + h d */
  double *base;    /* and at x */
} checker;

/* One comparison: a direction, or a part of one. */
typedef struct outcome {
  double error, analytic, numeric;
  bool smooth;
} outcome;

/* Part of a variable's elements, moved along direction number `stream`. */
typedef struct part {
  const variable *v;
  int64_t begin, end;
  uint64_t stream;
} part;

/* ---- elements ---------------------------------------------------------------------------- */

static double get(const void *array, ky_dtype dtype, int64_t at) {
  return dtype == KY_F64 ? ((const double *)array)[at] : (double)((const float *)array)[at];
}

static void put(void *array, ky_dtype dtype, int64_t at, double value) {
  if (dtype == KY_F64)
    ((double *)array)[at] = value;
  else
    ((float *)array)[at] = (float)value;
}

/* SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators"), as a
 * function of the place: 1/2 to 1, of either sign, exact in f32. */
static double component(uint64_t stream, uint64_t at) {
  uint64_t z = stream * 0xD1B54A32D192ED03u + (at + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  const double size = 0.5 + (double)(z >> 42) * 0x1p-23;
  return z & 1 ? size : -size;
}

static double direction(const part *p, int64_t at) {
  return p->end - p->begin == 1 ? 1 : component(p->stream, (uint64_t)at);
}

/* Element `at` of the variable moved by h along the direction, as it can be stored. */
static double moved(const part *p, int64_t at, double h) {
  const double x = get(p->v->base, p->v->dtype, at);
  const double y = x + h * fmax(1, fabs(x)) * direction(p, at);
  return p->v->dtype == KY_F64 ? y : (double)(float)y;
}

/* ---- evaluating -------------------------------------------------------------------------- */

static ky_status run_from(checker *c, ky_id begin) {
  ky_tape *t = c->t;
  t->fault.status = KY_OK;
  const ky_id pc = ky__sweep_forward(&t->frame, begin, c->output + 1, false);
  if (pc > c->output) return KY_OK;
  ky_text text = {t->message, sizeof t->message, 0};
  ky__say(&text, "gradcheck, with %%%u moved: ", (unsigned)begin);
  ky__say_fault(&text, &t->code, pc, &t->fault);
  return t->fault.status;
}

static ky_status evaluate(checker *c, const part *p, double h) {
  const variable *v = p->v;
  const size_t size = ky_dtype_size(v->dtype);
  memcpy(v->moved, v->base, (size_t)v->count * size);
  for (int64_t n = p->begin; n < p->end; n++) put(v->moved, v->dtype, n, moved(p, n, h));
  return run_from(c, v->id);
}

/* Element n of the output, which may be strided. */
static double output(const checker *c, int64_t n) {
  const ky_layout *layout = ky__layout(&c->t->code, c->output);
  return get(ky__data(&c->t->frame, c->output), (ky_dtype)c->t->code.ins[c->output].dtype,
             ky__offset_of(layout, layout->rank, n));
}

/* Slopes along a direction at one step. bend: how much steeper it is ahead than behind. */
typedef struct slope {
  double analytic, numeric, bend;
  double scale, rounding;
} slope;

static ky_status measure(checker *c, const part *p, double h, slope *out) {
  const ky_dtype dtype = (ky_dtype)c->t->code.ins[c->output].dtype;
  *out = (slope){0};
  KY_TRY(evaluate(c, p, h));
  for (int64_t n = 0; n < c->out_count; n++) c->above[n] = output(c, n);
  KY_TRY(evaluate(c, p, -h));
  double values = 0;
  for (int64_t n = 0; n < c->out_count; n++) {
    const double below = output(c, n), weight = get(c->cotangent, dtype, n);
    out->numeric += weight * (c->above[n] - below);
    out->bend += weight * (c->above[n] - c->base[n] - (c->base[n] - below));
    values += fabs(weight) * fmax(fabs(c->above[n]), fabs(below));
  }
  out->numeric /= 2 * h;
  out->bend = fabs(out->bend) / h;
  /* a value is good to a few of its last bits, however it was computed */
  out->rounding = 32 * c->epsilon * values / h;
  const ky_frame *f = &c->t->frame;
  const bool connected = p->v->id <= c->output && f->seen[p->v->id];
  const void *g = connected ? ky__adjoint(f, p->v->id) : NULL;
  for (int64_t n = p->begin; n < p->end && g; n++) {
    /* how far the element really moved */
    const double far = (moved(p, n, h) - moved(p, n, -h)) / (2 * h);
    const double term = get(g, p->v->dtype, n) * far;
    out->analytic += term;
    out->scale += fabs(term);
  }
  return KY_OK;
}

static ky_status compare(checker *c, const part *p, outcome *out) {
  slope whole, half;
  KY_TRY(measure(c, p, c->step, &whole));
  KY_TRY(measure(c, p, c->step / 2, &half));
  const double off_whole = whole.numeric - whole.analytic;
  const double off_half = half.numeric - half.analytic;
  const double off = (4 * off_half - off_whole) / 3;
  out->analytic = half.analytic;
  out->numeric = half.analytic + off;
  const double scale = fmax(half.scale, fabs(out->numeric));
  const double error = fabs(off) / (scale + half.rounding / c->tolerance);
  out->error = isnan(error) && !(off == 0 && scale == 0) ? (double)INFINITY
               : scale == 0 && off == 0                  ? 0
                                                         : error;
  /* with half the step a curve bends half as much, a kink as much as before */
  const bool kink = half.bend > 0.75 * whole.bend &&
                    half.bend > fmax(c->tolerance * scale, 8 * half.rounding);
  out->smooth = !kink && fabs(off_whole - off_half) <= fmax(fabs(off) / 4, 2 * half.rounding);
  return KY_OK;
}

/* ---- one variable ------------------------------------------------------------------------ */

/* What was found of a variable. index -1: of a direction. */
typedef struct finding {
  outcome worst;
  int64_t index;
} finding;

/* Of a part that is wrong, one element that is: halves it, and goes on with the worse half. */
static ky_status narrow(checker *c, part p, finding *f) {
  while (p.end - p.begin > 1) {
    part lower = p, upper = p;
    lower.end = upper.begin = p.begin + (p.end - p.begin) / 2;
    outcome a, b;
    KY_TRY(compare(c, &lower, &a));
    KY_TRY(compare(c, &upper, &b));
    p = a.error >= b.error ? lower : upper;
    f->worst = a.error >= b.error ? a : b;
  }
  f->index = p.begin;
  return KY_OK;
}

static ky_status check_directions(checker *c, size_t number, finding *f) {
  const variable *v = &c->variables[number];
  uint64_t worst = 0;
  for (uint32_t k = 0; k < c->directions; k++) {
    const uint64_t stream = (c->seed * 131 + number + 1) * 4099 + k;
    const part p = {v, 0, v->count, stream};
    outcome found;
    KY_TRY(compare(c, &p, &found));
    if (k > 0 && found.error <= f->worst.error) continue;
    f->worst = found;
    worst = stream;
  }
  if (v->count == 1) f->index = 0;
  if (f->worst.error <= c->tolerance) return KY_OK;
  const finding whole = *f;
  KY_TRY(narrow(c, (part){v, 0, v->count, worst}, f));
  if (f->worst.error <= c->tolerance) *f = whole; /* no element of it is wrong by itself */
  return KY_OK;
}

static ky_status check_elements(checker *c, size_t number, finding *f) {
  const variable *v = &c->variables[number];
  for (int64_t n = 0; n < v->count; n++) {
    const part p = {v, n, n + 1, 0};
    outcome found;
    KY_TRY(compare(c, &p, &found));
    if (n > 0 && found.error <= f->worst.error) continue;
    f->worst = found;
    f->index = n;
  }
  return KY_OK;
}

static ky_status check_variable(checker *c, size_t number, finding *f) {
  variable *v = &c->variables[number];
  *f = (finding){{0, 0, 0, true}, -1};
  if (v->count == 0) return KY_OK;
  if (v->stand_in) {
    v->bind->weight = v->stand_in;
  } else {
    v->bind->data = v->moved;
    v->bind->dtype = v->dtype;
  }
  const ky_status status =
      c->each ? check_elements(c, number, f) : check_directions(c, number, f);
  *v->bind = v->original;
  const ky_status back = run_from(c, v->id);
  if (back != KY_OK && c->t->done > v->id) c->t->done = v->id; /* they are to run again */
  return status == KY_OK ? back : status;
}

/* ---- the report -------------------------------------------------------------------------- */

static void say_place(ky_text *text, const checker *c, ky_id id) {
  const ky_code *code = &c->t->code;
  ky__say(text, "%%%u %s ", (unsigned)id, ky__opinfo[code->ins[id].op].name);
  ky__say_dims(text, ky__layout(code, id));
  if (!code->site[id]) return;
  ky__say(text, " (");
  ky__say_site(text, code, code->site[id]);
  ky__say(text, ")");
}

static void say_finding(ky_text *text, const checker *c, size_t number, const finding *f) {
  const ky_id id = c->variables[number].id;
  say_place(text, c, id);
  if (f->worst.error <= c->tolerance) {
    ky__say(text, ": error %.2g", f->worst.error);
    return;
  }
  ky__say(text, f->index >= 0 ? " at " : " along a direction");
  if (f->index >= 0) ky__say_index(text, ky__layout(&c->t->code, id), f->index);
  ky__say(text, ": error %.2g: the reverse sweep says %.9g, central differences %.9g",
          f->worst.error, f->worst.analytic, f->worst.numeric);
  if (!f->worst.smooth) ky__say(text, " (not smooth within the step)");
}

static void fill_report(const checker *c, const finding *findings, size_t worst,
                        ky_gradcheck_report *r) {
  const finding *f = &findings[worst];
  const ky_code *code = &c->t->code;
  const ky_id id = c->variables[worst].id;
  r->error = f->worst.error;
  r->worst = ky__var(c->t, id);
  r->index = f->index;
  r->analytic = f->worst.analytic;
  r->numeric = f->worst.numeric;
  r->smooth = f->worst.smooth;
  const ky_line at = ky__line_of(code, code->site[id]);
  r->file = at.file;
  r->line = at.line;
  ky_text text = {r->text, sizeof r->text, 0};
  ky__say(&text, "gradient of ");
  say_place(&text, c, c->output);
  const bool good = f->worst.error <= c->tolerance;
  ky__say(&text, ": %s, largest error %.2g, tolerance %.2g, step %.2g\n", good ? "ok" : "WRONG",
          f->worst.error, c->tolerance, c->step);
  for (size_t k = 0; k < c->count; k++) {
    ky__say(&text, "  ");
    say_finding(&text, c, k, &findings[k]);
    ky__say(&text, "\n");
  }
}

/* ---- set up ------------------------------------------------------------------------------ */

static void *alloc(checker *c, size_t count, size_t element) {
  void *p = ky__resize(&c->t->allocator, NULL, 0, (count + 1) * element);
  if (p) memset(p, 0, (count + 1) * element);
  return p;
}

static void drop(checker *c, void *p, size_t count, size_t element) {
  if (p) ky__resize(&c->t->allocator, p, (count + 1) * element, 0);
}

static ky_status no_memory(checker *c) {
  return ky__error(c->t, KY_NO_MEMORY, "gradcheck: no memory");
}

static ky_status add_variable(checker *c, ky_id id) {
  ky_code *code = &c->t->code;
  const ky_ins *i = &code->ins[id];
  if (ky__opinfo[i->op].attr != KY_ATTR_BIND)
    return ky__error(c->t, KY_BAD_ARGUMENT, "gradcheck: %s is no input and no weight",
                     ky__value_name(code, id).text);
  if (!ky__is_float(i->dtype))
    return ky__error(c->t, KY_BAD_DTYPE, "gradcheck: %s is %s, wants f32 or f64",
                     ky__value_name(code, id).text, ky_dtype_name((ky_dtype)i->dtype));
  for (size_t k = 0; k < c->count; k++)
    if (c->variables[k].id == id) return KY_OK;
  ky_bind *bind = &c->t->frame.bind[i->b];
  c->variables[c->count++] = (variable){.id = id,
                                        .bind = bind,
                                        .original = *bind,
                                        .dtype = (ky_dtype)i->dtype,
                                        .count = ky__layout(code, id)->count};
  return KY_OK;
}

static ky_status list_variables(checker *c, const ky_var *wrt, size_t wrt_count) {
  ky_tape *t = c->t;
  c->capacity = wrt_count ? wrt_count : t->code.bind_count;
  c->variables = alloc(c, c->capacity, sizeof *c->variables);
  if (!c->variables) return no_memory(c);
  for (size_t k = 0; k < wrt_count; k++) {
    const char *reason = ky__bad_var(t, wrt[k]);
    if (reason) return ky__error(t, KY_BAD_VAR, "gradcheck: variable %zu: %s", k, reason);
    KY_TRY(add_variable(c, wrt[k].id));
  }
  for (uint32_t k = 0; k < t->code.bind_count && !wrt_count; k++) {
    const ky_id id = t->frame.bind[k].id;
    if (id <= c->output && t->code.ins[id].flags & KY_WANT_SELF) KY_TRY(add_variable(c, id));
  }
  return KY_OK;
}

/* Watches the variables, and nothing else, for the time being. */
static ky_status borrow_flags(checker *c) {
  ky_code *code = &c->t->code;
  c->flags = alloc(c, code->count, 1);
  if (!c->flags) return no_memory(c);
  c->flag_count = code->count;
  for (ky_id id = 0; id < code->count; id++) {
    c->flags[id] = code->ins[id].flags;
    code->ins[id].flags = (uint8_t)(code->ins[id].flags & ~KY_WANT_ANY);
  }
  for (size_t k = 0; k < c->count; k++) code->ins[c->variables[k].id].flags |= KY_WANT_SELF;
  ky__spread_wants(c->t, 1);
  if (ky__wants(code, c->output)) return KY_OK;
  return ky__error(c->t, KY_UNCONNECTED, "gradcheck: no variable leads to the output %s",
                   ky__value_name(code, c->output).text);
}

/* The precision is that of the least precise value which is differentiated. */
static void choose_step(checker *c, const ky_gradcheck_options *o) {
  bool single = false;
  for (ky_id id = 1; id <= c->output; id++)
    single |= ky__wants(&c->t->code, id) && c->t->code.ins[id].dtype == KY_F32;
  c->epsilon = single ? (double)FLT_EPSILON : DBL_EPSILON;
  c->step = o->step > 0 ? o->step : single ? 0x1p-6 : 0x1p-16;
  c->tolerance = o->tolerance > 0 ? o->tolerance : single ? 1e-2 : 1e-6;
  c->directions = o->directions ? o->directions : 3;
  c->each = o->each_element != 0;
  c->seed = o->seed;
}

static ky_status copy_variable(checker *c, variable *v) {
  const size_t size = ky_dtype_size(v->dtype), bytes = (size_t)v->count * size;
  v->base = alloc(c, (size_t)v->count, size);
  v->moved = alloc(c, (size_t)v->count, size);
  if (!v->base || !v->moved) return no_memory(c);
  if (bytes) memcpy(v->base, ky__data(&c->t->frame, v->id), bytes);
  if (!v->original.weight) return KY_OK;
  const ky_layout *layout = ky__layout(&c->t->code, v->id);
  const ky_status status = ky_tensor_wrap(&c->t->allocator, v->dtype, layout->rank,
                                          layout->dims, v->moved, &v->stand_in);
  return status == KY_OK ? KY_OK : no_memory(c);
}

static ky_status sweep(checker *c) {
  ky_tape *t = c->t;
  const ky_dtype dtype = (ky_dtype)t->code.ins[c->output].dtype;
  c->out_count = ky__layout(&t->code, c->output)->count;
  c->cotangent = alloc(c, (size_t)c->out_count, sizeof(double));
  c->above = alloc(c, (size_t)c->out_count, sizeof(double));
  c->base = alloc(c, (size_t)c->out_count, sizeof(double));
  if (!c->cotangent || !c->above || !c->base) return no_memory(c);
  for (int64_t n = 0; n < c->out_count; n++)
    put(c->cotangent, dtype, n, c->out_count == 1 ? 1 : component(~c->seed, (uint64_t)n));
  t->done = 1; /* all of it again, with the random numbers that it had */
  KY_TRY(ky__run_pending(t, c->output));
  t->frame.probes = true;
  const ky_status swept = ky_backward_from(t, ky__var(t, c->output), c->cotangent, NULL);
  t->frame.probes = false;
  KY_TRY(swept);
  for (int64_t n = 0; n < c->out_count; n++) c->base[n] = output(c, n);
  for (size_t k = 0; k < c->count; k++) KY_TRY(copy_variable(c, &c->variables[k]));
  return KY_OK;
}

static void restore(checker *c) {
  ky_tape *t = c->t;
  for (uint32_t k = 0; k < c->flag_count; k++) t->code.ins[k].flags = c->flags[k];
  t->root = 0;
  for (size_t k = 0; k < c->count; k++) {
    const variable *v = &c->variables[k];
    drop(c, v->base, (size_t)v->count, ky_dtype_size(v->dtype));
    drop(c, v->moved, (size_t)v->count, ky_dtype_size(v->dtype));
    ky_tensor_free(v->stand_in);
  }
  drop(c, c->variables, c->capacity, sizeof *c->variables);
  drop(c, c->flags, c->flag_count, 1);
  drop(c, c->cotangent, (size_t)c->out_count, sizeof(double));
  drop(c, c->above, (size_t)c->out_count, sizeof(double));
  drop(c, c->base, (size_t)c->out_count, sizeof(double));
}

/* ---- the check --------------------------------------------------------------------------- */

static ky_status judge(checker *c, ky_gradcheck_report *report) {
  finding *findings = alloc(c, c->count, sizeof *findings);
  if (!findings) return no_memory(c);
  size_t worst = 0;
  ky_status status = KY_OK;
  for (size_t k = 0; k < c->count && status == KY_OK; k++) {
    status = check_variable(c, k, &findings[k]);
    if (findings[k].worst.error > findings[worst].worst.error) worst = k;
  }
  if (status == KY_OK) {
    if (report) fill_report(c, findings, worst, report);
    if (findings[worst].worst.error > c->tolerance) {
      char words[512];
      ky_text text = {words, sizeof words, 0};
      say_finding(&text, c, worst, &findings[worst]);
      status = ky__error(c->t, KY_BAD_GRADIENT, "gradcheck: %s", words);
    }
  }
  drop(c, findings, c->count, sizeof *findings);
  return status;
}

static ky_status check(checker *c, const ky_var *wrt, size_t wrt_count,
                       const ky_gradcheck_options *o, ky_gradcheck_report *report) {
  KY_TRY(list_variables(c, wrt, wrt_count));
  KY_TRY(borrow_flags(c));
  choose_step(c, o);
  KY_TRY(sweep(c));
  return judge(c, report);
}

static ky_status enter(ky_tape *t, ky_var v, const ky_var *wrt, size_t wrt_count,
                       const ky_gradcheck_options *o) {
  KY_TRY(ky_tape_check(t));
  const char *reason = ky__bad_var(t, v);
  if (reason) return ky__error(t, KY_BAD_VAR, "gradcheck: the output: %s", reason);
  const ky_dtype dtype = (ky_dtype)t->code.ins[v.id].dtype;
  if (!ky__is_float(dtype))
    return ky__error(t, KY_BAD_DTYPE, "gradcheck: the output %s is %s, wants f32 or f64",
                     ky__value_name(&t->code, v.id).text, ky_dtype_name(dtype));
  if (wrt_count && !wrt) return ky__error(t, KY_BAD_ARGUMENT, "gradcheck: wrt is null");
  if (!(o->step >= 0 && o->step < INFINITY) || !(o->tolerance >= 0 && o->tolerance < INFINITY))
    return ky__error(t, KY_BAD_ARGUMENT,
                     "gradcheck: step %g, tolerance %g: want positive numbers", o->step,
                     o->tolerance);
  return KY_OK;
}

ky_status ky_gradcheck(ky_tape *t, ky_var output_var, const ky_var *wrt, size_t wrt_count,
                       const ky_gradcheck_options *options, ky_gradcheck_report *report) {
  ky_gradcheck_report r = {.size = sizeof r, .index = -1, .smooth = 1};
  const size_t size = report ? report->size : 0;
  ky_gradcheck_options o = {0};
  const bool sized = ky__take_options(&o, sizeof o, options) && (!report || size > sizeof size);
  ky_status status = t && sized ? enter(t, output_var, wrt, wrt_count, &o) : KY_BAD_ARGUMENT;
  if (t && !sized) ky__error(t, status, "gradcheck: the size of options or report is not set");
  if (status == KY_OK) {
    checker c = {.t = t, .output = output_var.id};
    status = check(&c, wrt, wrt_count, &o, &r);
    restore(&c);
  }
  if (!report) return status;
  if (!r.text[0]) { /* it came to no comparison */
    if (status == KY_BAD_GRADIENT) r.error = (double)INFINITY;
    ky_text text = {r.text, sizeof r.text, 0};
    ky__say(&text, "%s\n", ky_tape_message(t));
  }
  r.size = size;
  r.status = status;
  memcpy(report, &r, size < sizeof r ? size : sizeof r);
  return status;
}
