/* Mapping a file into memory.
 * May call: base, POSIX. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "gguf/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static lq_status map(lq_file *f, int fd, const char *path, lq_error *err) {
  struct stat st;
  size_t n;
  if (fstat(fd, &st) != 0) return lq_fail(err, LQ_E_IO, "cannot read '%s': %s", path, strerror(errno));
  if (S_ISDIR(st.st_mode)) return lq_fail(err, LQ_E_IO, "'%s' is a directory, not a file", path);
  if (!S_ISREG(st.st_mode)) return lq_fail(err, LQ_E_IO, "'%s' is not a regular file", path);
  if (st.st_size <= 0) return lq_fail(err, LQ_E_IO, "'%s' is empty", path);
  if (!lq_to_size((uint64_t)st.st_size, &n))
    return lq_fail(err, LQ_E_NOMEM, "'%s' has %lld bytes, more than this build can address", path, (long long)st.st_size);
  void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED && errno == ENOMEM)
    return lq_fail(err, LQ_E_NOMEM, "not enough memory: '%s' needs %.1f MB for its weights", path, (double)n / 1e6);
  if (p == MAP_FAILED) return lq_fail(err, LQ_E_IO, "cannot map '%s' (%zu bytes): %s", path, n, strerror(errno));
  *f = (lq_file){p, n, 1};
  return LQ_OK;
}

lq_status lq_file_open(lq_file *f, const char *path, lq_error *err) {
  *f = (lq_file){0};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait before it is refused */
  if (fd < 0) return lq_fail(err, LQ_E_IO, "cannot open '%s': %s", path, strerror(errno));
  lq_status s = map(f, fd, path, err);
  close(fd);
  return s;
}

void lq_file_close(lq_file *f) {
  if (f->mapped) munmap(f->bytes, (size_t)f->n);
  *f = (lq_file){0};
}
