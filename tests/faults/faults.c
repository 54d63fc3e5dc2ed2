/* Lets the system fail a process: built as a shared library and put before libc with LD_PRELOAD.
 *
 * The file that PLUGBUS_FAULTS names says how, read anew at each call: its first line is what fails, its second the end of
 * the names of the files for which it does. What fails: "sync" (EIO), "write" (EIO), "full" (ENOSPC), "short" (every other
 * write writes half of it, the one after that ENOSPC). Anything else, or no file: nothing fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* What is to fail for this file; empty where nothing is. */
static void fault(int fd, char *what, size_t size) {
    what[0] = 0;
    const char *control = getenv("PLUGBUS_FAULTS");
    if (!control) return;
    int file = open(control, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    char text[256];
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return;
    text[length] = 0;
    char *end = strchr(text, '\n');
    if (!end) return;
    *end = 0;
    char *suffix = end + 1;
    suffix[strcspn(suffix, "\n")] = 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    if (bytes < 0) return;
    path[bytes] = 0;
    size_t suffix_bytes = strlen(suffix);
    if ((size_t)bytes < suffix_bytes || strcmp(path + bytes - suffix_bytes, suffix) != 0) return;
    snprintf(what, size, "%s", text);
}

static int sync_fails(int fd) {
    char what[32];
    fault(fd, what, sizeof what);
    if (strcmp(what, "sync") != 0) return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return sync_fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return sync_fails(fd) ? -1 : real(fd);
}

/* How many bytes may be written; -1 where the write fails. */
static ssize_t allowed(int fd, size_t count) {
    static int halves;
    char what[32];
    fault(fd, what, sizeof what);
    if (strcmp(what, "write") == 0) {
        errno = EIO;
        return -1;
    }
    if (strcmp(what, "full") == 0 || (strcmp(what, "short") == 0 && halves++ % 2 == 1)) {
        errno = ENOSPC;
        return -1;
    }
    return strcmp(what, "short") == 0 ? (ssize_t)(count / 2) : (ssize_t)count;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    ssize_t may = allowed(fd, count);
    return may < 0 ? -1 : real(fd, bytes, (size_t)may, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    ssize_t may = allowed(fd, count);
    return may < 0 ? -1 : real(fd, bytes, (size_t)may, offset);
}
