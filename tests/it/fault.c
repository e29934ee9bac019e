/* A disk that fails when told so. Preloaded into a server under test.
 *
 * The file named by FAULT_CONTROL holds "<what> <part of a path>": while it does, writes ("full": no room, "quota":
 * no more for this user, "write": an input/output error) or syncs ("sync") of files with that part in their path fail, or, where
 * the part ends with a "$", of the file whose path ends so. Reads of everything go through.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

static int told(const char *what, int fd) {
  const char *name = getenv("FAULT_CONTROL");
  char text[256] = {0}, link[64], path[4096] = {0};
  if (!name) return 0;
  int control = open(name, O_RDONLY | O_CLOEXEC);
  if (control < 0) return 0;
  ssize_t length = read(control, text, sizeof text - 1);
  close(control);
  size_t word = strlen(what);
  if (length <= (ssize_t)word || strncmp(text, what, word) || text[word] != ' ') return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, path, sizeof path - 1) < 0) return 0;
  const char *part = text + word + 1;
  size_t end = strcspn(part, "$"), whole = strlen(path);
  if (part[end]) return whole >= end && !strncmp(path + whole - end, part, end);
  return strstr(path, part) != NULL;
}

static int no_write(int fd) {
  if (told("full", fd)) return errno = ENOSPC, 1;
  if (told("quota", fd)) return errno = EDQUOT, 1;
  if (told("write", fd)) return errno = EIO, 1;
  return 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
  return no_write(fd) ? -1 : NEXT(write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
  return no_write(fd) ? -1 : NEXT(pwrite)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  return no_write(fd) ? -1 : NEXT(pwrite64)(fd, bytes, count, at);
}
int fsync(int fd) { return told("sync", fd) ? errno = EIO, -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return told("sync", fd) ? errno = EIO, -1 : NEXT(fdatasync)(fd); }
