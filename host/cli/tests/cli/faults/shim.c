/* Lets the system calls that a journal is written with fail. Loaded into the daemon with LD_PRELOAD.
 *
 * The file that PLUGBUS_TEST_FAULTS names says which, in two words:
 *   write CODE   no write gets through
 *   short CODE   half of a write gets through, and the rest of it does not
 *   sync CODE    writes get through, and no sync does
 * CODE is the errno. An empty file, or none: all is well. Only the database and its log are meant, and not the index of the
 * log, which is shared memory by another name.
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

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int of_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    if (bytes < 0) return 0;
    path[bytes] = 0;
    return strstr(path, "journal.db") != NULL && strstr(path, "-shm") == NULL;
}

/* The errno that a kind of call fails with now; 0 where it does not. */
static int fault(const char *kind, int fd) {
    const char *path = getenv("PLUGBUS_TEST_FAULTS");
    char text[64], word[16];
    int code = 0, saved = errno;
    int file = path && of_journal(fd) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t bytes = read(file, text, sizeof text - 1);
        close(file);
        text[bytes > 0 ? bytes : 0] = 0;
        if (sscanf(text, "%15s %d", word, &code) != 2 || strcmp(word, kind)) code = 0;
    }
    errno = saved;
    return code;
}

/* Set once half of a write got through. */
static __thread int halved;

/* How much of a write may get through: all, half, or with a negative number nothing. */
static ssize_t allowed(int fd, size_t bytes) {
    int code = fault("write", fd);
    if (!code && (code = fault("short", fd)) && !halved && bytes > 1) {
        halved = 1;
        return (ssize_t)(bytes / 2);
    }
    halved = 0;
    if (!code) return (ssize_t)bytes;
    errno = code;
    return -1;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t some = allowed(fd, bytes);
    return some < 0 ? -1 : real(fd, data, (size_t)some);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    ssize_t some = allowed(fd, bytes);
    return some < 0 ? -1 : real(fd, data, (size_t)some, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    ssize_t some = allowed(fd, bytes);
    return some < 0 ? -1 : real(fd, data, (size_t)some, offset);
}

static int synced(int fd) {
    int code = fault("sync", fd);
    if (code) errno = code;
    return !code;
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd) ? real(fd) : -1;
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd) ? real(fd) : -1;
}
