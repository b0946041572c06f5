/* What the programs about files share: a file made, read or asked for its mode, by its path. */
#ifndef PATHS_H
#define PATHS_H
#include "check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file with this text, and what the mask leaves of read and write for all. */
static inline void put(const char *path, const char *text)
{
    int f = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (f < 0 || write(f, text, strlen(text)) != (ssize_t)strlen(text))
        perror(path);
    close(f);
}

/* Its text, as much as fits, or why there is none; until the next call. */
static inline const char *get(const char *path)
{
    static char text[4096];
    int f = open(path, O_RDONLY);
    if (f < 0)
        return strerrorname_np(errno);
    ssize_t length = read(f, text, sizeof text - 1);
    close(f);
    text[length < 0 ? 0 : length] = 0;
    return text;
}

/* Its mode, not following a link, or the error, negative. */
static inline long mode(const char *path)
{
    struct stat status;
    return lstat(path, &status) ? -errno : (long)status.st_mode;
}
#endif
