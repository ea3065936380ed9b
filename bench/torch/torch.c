/* SPDX-License-Identifier: MIT */
/* See torch.h. The child prints value and bytes; then it reads numbers of calls, and prints how
 * many seconds they took. */
#define _DEFAULT_SOURCE
#include "torch/torch.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define PYTHON "/usr/bin/python3"
#define SCRIPT KYBENCH_TORCH_DIR "/steps.py"

struct torch_child {
  pid_t id;
  FILE *in, *out; /* of the child */
  const char *workload;
  bool failed;
  double value, bytes;
};

/* BLIS, which Debian's PyTorch multiplies with, gets the kernels that our own products get:
 * where it does not know the processor, its choice would be the slowest ones. */
static void choose_kernels(void) {
  const char *info = ky_gemm_info();
  if (!strstr(info, "does not know")) return;
  setenv("BLIS_ARCH_TYPE", strstr(info, "skx") ? "0" : "3", 0);
}

/* It keeps the memory that a step frees, as kybench does. */
static void keep_freed_memory(void) {
  setenv("MALLOC_TRIM_THRESHOLD_", "1000000000000", 0);
  setenv("MALLOC_MMAP_MAX_", "0", 0);
}

/* Two pipes, whose ends that stay here no other child keeps open. */
static bool make_pipes(int to[2], int from[2]) {
  if (pipe(to) != 0) return false;
  if (pipe(from) != 0) {
    close(to[0]);
    close(to[1]);
    return false;
  }
  fcntl(to[1], F_SETFD, FD_CLOEXEC);
  fcntl(from[0], F_SETFD, FD_CLOEXEC);
  return true;
}

static bool start(torch_child *c, char *const arguments[]) {
  int to[2], from[2];
  fflush(NULL);
  signal(SIGPIPE, SIG_IGN); /* a child that has gone is found out when it does not answer */
  if (!make_pipes(to, from)) return false;
  c->id = fork();
  if (c->id == 0) {
    dup2(to[0], STDIN_FILENO);
    dup2(from[1], STDOUT_FILENO);
    close(to[0]);
    close(from[1]);
    choose_kernels();
    keep_freed_memory();
    execv(PYTHON, arguments);
    _exit(EXIT_FAILURE);
  }
  close(to[0]);
  close(from[1]);
  c->in = fdopen(to[1], "w");
  c->out = fdopen(from[0], "r");
  return c->id > 0 && c->in && c->out;
}

/* Whether it came to a good end. */
static bool finish(torch_child *c) {
  int status = 0;
  if (c->in) fclose(c->in);
  if (c->out) fclose(c->out);
  return c->id > 0 && waitpid(c->id, &status, 0) == c->id && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

bool torch_find(FILE *out) {
  char *const arguments[] = {PYTHON, "-B", SCRIPT, "version", NULL};
  char version[128] = "";
  torch_child c = {0};
  const bool said = start(&c, arguments) && fgets(version, sizeof version, c.out);
  if (finish(&c) && said) {
    fprintf(out, "PyTorch %s", version);
    return true;
  }
  fprintf(out, "PyTorch: not found, left out (" PYTHON " has no module torch; Debian's package "
               "is python3-torch)\n");
  return false;
}

static void fail(torch_child *c) {
  fprintf(stderr, "kybench: %s: PyTorch failed\n", c->workload);
  c->failed = true;
}

torch_child *torch_open(const char *workload, const char *argument, int threads) {
  char name[32], words[64], count[16];
  snprintf(name, sizeof name, "%s", workload);
  snprintf(words, sizeof words, "%s", argument);
  snprintf(count, sizeof count, "%d", threads);
  char *const arguments[] = {PYTHON, "-B", SCRIPT, name, words, count, NULL};
  torch_child *c = bench_alloc(1, sizeof *c);
  c->workload = workload;
  if (start(c, arguments) && fscanf(c->out, "%lf %lf", &c->value, &c->bytes) == 2) return c;
  fail(c);
  torch_close(c);
  return NULL;
}

void torch_close(torch_child *c) {
  if (!c) return;
  finish(c);
  free(c);
}

double torch_value(const torch_child *c) { return c->value; }

double torch_bytes(const torch_child *c) { return c->bytes; }

/* PyTorch's threads look for more to do for some milliseconds, which are nobody else's. */
static void let_it_sleep(void) { nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); }

double torch_time(void *child, uint64_t calls) {
  torch_child *c = child;
  double seconds = INFINITY;
  if (c->failed) return seconds;
  fprintf(c->in, "%llu\n", (unsigned long long)calls);
  if (fflush(c->in) != 0 || fscanf(c->out, "%lf", &seconds) != 1) fail(c);
  let_it_sleep();
  return c->failed ? INFINITY : seconds;
}
