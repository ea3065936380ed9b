/* SPDX-License-Identifier: MIT */
/* kybench: runs workloads, prints their sheets, writes them as JSON. */
#include <errno.h>
#ifdef __linux__
  #include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "plot.h"
#include "table.h"
#include "torch/torch.h"
#include "workload.h"

typedef struct workload {
  const char *name, *title;
  bool (*run)(const bench_setup *setup, bench_sheet *sheet);
} workload;

static const workload workloads[] = {
#define X(name, title) {#name, title, workload_##name},
    WORKLOADS(X)
#undef X
};

#define COUNT (sizeof workloads / sizeof *workloads)

static const bench_pace thorough = {.cell = 0.15, .sample = 4e-3, .slow = 1, .least = 5};
static const bench_pace hasty = {.cell = 2e-3, .sample = 1e-4, .slow = 0.1, .least = 3};

typedef struct options {
  bool chosen[COUNT];
  bool quick, torch, help, list;
  const char *json, *plot, *only;
} options;

static void print_help(FILE *out) {
  fprintf(out,
          "usage: kybench [workload...] [--only TEXT] [--torch] [--json FILE] [--plot FILE]\n"
          "               [--quick] [--list] [--help]\n"
          "\n"
          "Times workloads as a tape that is recorded for every step, as a tape that is\n"
          "replayed, as a compiled program, in the recursive design, and as C written by\n"
          "hand. All of them run if none is named.\n"
          "\n"
          "  --only TEXT  of ops: the opcodes whose names contain TEXT\n"
          "  --torch      times PyTorch beside them, if python3-torch is installed\n"
          "  --json FILE  writes the figures to FILE too\n"
          "  --plot FILE  draws the ratios to hand-written C as SVG\n"
          "  --quick      a glance: small cases, few samples\n"
          "  --list       names the workloads\n"
          "  --help       prints this\n");
}

static bool choose(options *o, const char *name) {
  for (size_t k = 0; k < COUNT; k++) {
    if (strcmp(name, workloads[k].name) != 0) continue;
    o->chosen[k] = true;
    return true;
  }
  return false;
}

/* The word after an option; NULL and a message when there is none. */
static const char *operand(int argc, char **argv, int k, const char *what) {
  if (k + 1 < argc) return argv[k + 1];
  fprintf(stderr, "kybench: %s wants a %s\n", argv[k], what);
  return NULL;
}

static bool parse(int argc, char **argv, options *o) {
  bool named = false;
  for (int k = 1; k < argc; k++) {
    const char *word = argv[k];
    if (strcmp(word, "--quick") == 0) {
      o->quick = true;
    } else if (strcmp(word, "--torch") == 0) {
      o->torch = true;
    } else if (strcmp(word, "--help") == 0) {
      o->help = true;
    } else if (strcmp(word, "--list") == 0) {
      o->list = true;
    } else if (strcmp(word, "--json") == 0) {
      if (!(o->json = operand(argc, argv, k++, "file"))) return false;
    } else if (strcmp(word, "--plot") == 0) {
      if (!(o->plot = operand(argc, argv, k++, "file"))) return false;
    } else if (strcmp(word, "--only") == 0) {
      if (!(o->only = operand(argc, argv, k++, "text"))) return false;
    } else if (choose(o, word)) {
      named = true;
    } else {
      fprintf(stderr, "kybench: what is '%s'? See kybench --help\n", word);
      return false;
    }
  }
  for (size_t k = 0; !named && k < COUNT; k++) o->chosen[k] = true;
  return true;
}

static void read_processor(char *name, size_t size) {
  snprintf(name, size, "unknown");
  FILE *in = fopen("/proc/cpuinfo", "r");
  if (!in) return;
  char line[256];
  while (fgets(line, sizeof line, in)) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    break;
  }
  fclose(in);
}

static void write_json(FILE *out, const options *o, const bench_sheet *sheets) {
  char processor[128];
  read_processor(processor, sizeof processor);
  json j = {.out = out};
  json_open(&j, NULL, '{');
  json_string(&j, "kytape", ky_version());
  json_string(&j, "gemm", ky_gemm_info());
  json_string(&j, "processor", processor);
  json_string(&j, "compiler", __VERSION__);
  json_bool(&j, "quick", o->quick);
  json_open(&j, "rows", '[');
  for (size_t k = 0; k < COUNT; k++) bench_write_sheet(&j, &sheets[k]);
  json_close(&j, ']');
  json_close(&j, '}');
}

static void draw(FILE *out, const options *o, const bench_sheet *sheets) {
  (void)o;
  plot_sheets(out, COUNT, sheets);
}

static bool save(const char *path, const options *o, const bench_sheet *sheets,
                 void (*print)(FILE *out, const options *o, const bench_sheet *sheets)) {
  if (!path) return true;
  FILE *out = fopen(path, "w");
  if (!out) {
    fprintf(stderr, "kybench: cannot write %s: %s\n", path, strerror(errno));
    return false;
  }
  print(out, o, sheets);
  const bool written = !ferror(out);
  if (fclose(out) == 0 && written) return true;
  fprintf(stderr, "kybench: writing %s failed\n", path);
  return false;
}

/* Else glibc gives much of what a step frees back to the system, and the next step waits for it
 * to come again, page by page: with arrays of some size variants that free would be timed by
 * that. PyTorch gets the same (torch.c). */
static void keep_freed_memory(void) {
#if defined(M_TRIM_THRESHOLD) && defined(M_MMAP_MAX)
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_MAX, 0);
#endif
}

/* Asked before the work is done, lest it be lost. */
static bool writable(const char *path) {
  FILE *out = path ? fopen(path, "a") : NULL;
  if (path && !out) fprintf(stderr, "kybench: cannot write %s: %s\n", path, strerror(errno));
  return !path || (out && fclose(out) == 0);
}

static bool run(const options *o) {
  bench_setup setup = {.quick = o->quick, .only = o->only, .pace = o->quick ? hasty : thorough};
  bench_sheet sheets[COUNT] = {0};
  bool good = true;
  char processor[128];
  read_processor(processor, sizeof processor);
  printf("kytape %s; %s\n%s; one thread where a row does not say two%s\n", ky_version(),
         ky_gemm_info(), processor, o->quick ? "; a glance, not a measurement" : "");
  if (o->torch) setup.torch = torch_find(stdout);
  for (size_t k = 0; k < COUNT; k++) {
    sheets[k].name = workloads[k].name;
    sheets[k].title = workloads[k].title;
    if (!o->chosen[k]) continue;
    good = workloads[k].run(&setup, &sheets[k]) && good;
    bench_print_sheet(stdout, &sheets[k]);
    fflush(stdout);
  }
  bench_print_legend(stdout);
  good = save(o->json, o, sheets, write_json) && good;
  good = save(o->plot, o, sheets, draw) && good;
  for (size_t k = 0; k < COUNT; k++) bench_sheet_free(&sheets[k]);
  if (fflush(stdout) == 0 && !ferror(stdout)) return good;
  fprintf(stderr, "kybench: writing the tables failed\n");
  return false;
}

int main(int argc, char **argv) {
  options o = {0};
  if (!parse(argc, argv, &o)) return 2;
  if (o.help) {
    print_help(stdout);
    return EXIT_SUCCESS;
  }
  if (o.list) {
    for (size_t k = 0; k < COUNT; k++)
      printf("%-10s %s\n", workloads[k].name, workloads[k].title);
    return EXIT_SUCCESS;
  }
  if (!writable(o.json) || !writable(o.plot)) return 2;
  keep_freed_memory();
  return run(&o) ? EXIT_SUCCESS : EXIT_FAILURE;
}
