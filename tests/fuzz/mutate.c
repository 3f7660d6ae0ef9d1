/* Changes the corpus at random and runs a fuzz target on it for a while: libFuzzer's place where there is no clang.
 *     build/test/fuzz/NAME-mutate FOLDER SECONDS [SEED]
 * The input that ends it (a sanitizer's report, an abort, more than 20 s) is left in crash-NAME in the current folder. */
#include <dirent.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST_FILES = 1024, MOST_BYTES = 1 << 20 };

static struct { uint8_t *p; size_t n; } seeds[MOST_FILES];
static size_t n_seeds, n_input;
static uint8_t input[MOST_BYTES];
static const char *crash_name = "crash";
static uint64_t state;

static uint32_t below(size_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)((state >> 20) % (n ? n : 1));
}

static void dump(void) {
  FILE *f = fopen(crash_name, "wb");
  if (!f) return;
  fwrite(input, 1, n_input, f);
  fclose(f);
  fprintf(stderr, "input of %zu bytes left in %s\n", n_input, crash_name);
}

static void on_signal(int sig) {
  fprintf(stderr, "signal %d\n", sig);
  dump();
  _exit(1);
}

static void load(const char *folder) {
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d)) && n_seeds < MOST_FILES;) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
    if (!f) continue;
    seeds[n_seeds].p = malloc(MOST_BYTES);
    if (seeds[n_seeds].p) seeds[n_seeds].n = fread(seeds[n_seeds].p, 1, MOST_BYTES, f), n_seeds++;
    fclose(f);
  }
  if (d) closedir(d);
}

static void put_number(size_t at) {
  static const uint64_t wild[] = {0, 1, 2, 3, 7, 8, 16, 31, 32, 127, 128, 255, 256, 65535, 65536, 0x7FFFFFFF, 0x80000000u, 0xFFFFFFFFu, 0x7FC00000,
                                  0x7F800000,
                                  0x100000000u, (uint64_t)1 << 61, (uint64_t)1 << 63, UINT64_MAX};
  uint64_t v = wild[below(sizeof wild / sizeof wild[0])];
  size_t n = (size_t)1 << below(4);
  if (at + n <= n_input) memcpy(input + at, &v, n);
}

/* Numbers and lengths stand near the front of a file: half of the changes go there. */
static size_t place(void) { return below(2) ? below(n_input < 2048 ? n_input : 2048) : below(n_input); }

static void change(void) {
  size_t at = place(), n = 1 + below(16), from = place();
  switch (below(7)) {
    case 0: if (n_input) input[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: if (n_input) input[at] = (uint8_t)below(256); break;
    case 2: case 3: put_number(at); break;
    case 4: if (from + n <= n_input && at + n <= n_input) memmove(input + at, input + from, n); break;
    case 5: /* insert */
      if (n_input + n > MOST_BYTES) break;
      memmove(input + at + n, input + at, n_input - at);
      for (size_t i = 0; i < n; i++) input[at + i] = (uint8_t)below(256);
      n_input += n;
      break;
    default: /* take out, sometimes all the rest */
      if (below(8) == 0) n_input = at;
      else if (at + n <= n_input) memmove(input + at, input + at + n, n_input - at - n), n_input -= n;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  load(argv[1]);
  long seconds = atol(argv[2]);
  state = argc > 3 ? strtoull(argv[3], NULL, 10) + 88172645463325252u : (uint64_t)time(NULL) * 2654435761u + 1;
  static char name[256];
  snprintf(name, sizeof name, "crash-%s", strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]);
  crash_name = name;
  __sanitizer_set_death_callback(dump);
  signal(SIGABRT, on_signal);
  signal(SIGALRM, on_signal);
  time_t end = time(NULL) + seconds;
  unsigned long runs = 0;
  while (n_seeds && time(NULL) < end) {
    size_t k = below(n_seeds);
    memcpy(input, seeds[k].p, n_input = seeds[k].n);
    for (uint32_t i = 1 + below(6); i > 0; i--) change();
    alarm(20);
    LLVMFuzzerTestOneInput(input, n_input);
    runs++;
  }
  alarm(0);
  printf("%lu inputs from %zu seeds in %ld s, none failed\n", runs, n_seeds, seconds);
  return n_seeds == 0;
}
