/* Runs each file given, or each file in a folder given, through a fuzz target: the corpus as a test, without libFuzzer. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int n_run, n_unread;

static void run_file(const char *path) {
  FILE *f = fopen(path, "rb");
  uint8_t *p = NULL;
  size_t n = 0, cap = 0;
  while (f) {
    if (n == cap) {
      cap = cap ? cap * 2 : 4096;
      p = realloc(p, cap);
      if (!p) break;
    }
    size_t got = fread(p + n, 1, cap - n, f);
    if (got == 0) break;
    n += got;
  }
  if (!f || !p || ferror(f)) {
    fprintf(stderr, "cannot read %s\n", path);
    n_unread++;
  } else {
    fprintf(stderr, "%s\n", path); /* before, so that a crash names its file */
    LLVMFuzzerTestOneInput(p, n);
    n_run++;
  }
  if (f) fclose(f);
  free(p);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    DIR *d = opendir(argv[i]);
    if (!d) {
      run_file(argv[i]);
      continue;
    }
    for (struct dirent *e; (e = readdir(d));) {
      char path[1024];
      if (e->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
      run_file(path);
    }
    closedir(d);
  }
  printf("%d passed, %d failed, 0 skipped\n", n_run, n_unread);
  return n_unread != 0 || n_run == 0;
}
