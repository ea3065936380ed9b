/* SPDX-License-Identifier: MIT */
/* The insides of an execution, for the files that make, run and read it. */
#ifndef KY_EXECUTION_H
#define KY_EXECUTION_H

#include <stdatomic.h>

#include "tape/program.h"

/* What the last call left behind. SPENT: a reverse sweep that failed, and adjoints where values
 * were. */
typedef enum ky_exec_state {
  KY_EXEC_FRESH,
  KY_EXEC_FORWARD,
  KY_EXEC_REVERSE,
  KY_EXEC_SPENT
} ky_exec_state;

struct ky_exec {
  ky_allocator allocator;
  const ky_program *program;
  ky_update update;
  ky_frame frame;
  void *arena; /* as the allocator gave it */
  ky_grad_pair *pairs;
  ky_exec_state state;
  bool check;       /* values and adjoints must be finite */
  uint32_t unbound; /* inputs among the references that have no data yet */
  atomic_flag busy;
  ky_fault fault;
  char message[576];
};

/* A place of the plan. */
static inline void *ky__exec_place(const ky_exec *e, size_t at) {
  return (char *)(((uintptr_t)e->arena + KY_ALIGN - 1) & ~(uintptr_t)(KY_ALIGN - 1)) + at;
}

/* Writes the message; returns `status`. */
__attribute__((format(printf, 3, 4))) ky_status ky__exec_fail(ky_exec *e, ky_status status,
                                                              const char *format, ...);

/* One call at a time: a second thread is told so, and must not touch even the message. */
ky_status ky__exec_enter(ky_exec *e);
ky_status ky__exec_leave(ky_exec *e, ky_status status);

/* Whether a reference of the program is an input that nobody has given data for. */
static inline bool ky__lacks_data(const ky_exec *e, ky_id id) {
  const ky_code *code = &e->program->code;
  return code->ins[id].op == KY_OP_input && !e->frame.bind[code->ins[id].b].data &&
         ky__layout(code, id)->count > 0;
}

/* The var of the tape whose value the program's instruction for `id` has. */
ky_var ky__exec_var(const ky_program *p, ky_id id);

#endif
