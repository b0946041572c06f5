/* How large pipes may be, and how much all of a user's: /proc/sys/fs/pipe-*. */
#include "paths.h"
#include <stdlib.h>
#include <sys/resource.h>

#define SIZE_FILE "/proc/sys/fs/pipe-max-size"
#define SOFT_FILE "/proc/sys/fs/pipe-user-pages-soft"
#define HARD_FILE "/proc/sys/fs/pipe-user-pages-hard"

static long store(const char *path, const char *text)
{
    int f = open(path, O_WRONLY);
    long result = f < 0 ? -1 : write(f, text, strlen(text));
    int error = errno;
    close(f);
    errno = error;
    return result;
}

static long size(int f)
{
    return fcntl(f, F_GETPIPE_SZ);
}

static void sizes(void)
{
    int ends[2];
    TEXT(get(SIZE_FILE));
    CALL(pipe(ends));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 21));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 5000));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, -1));
    CALL(seteuid(77));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, (1 << 20) + 1));
    CALL(seteuid(0));
    for (const char **text = (const char *[]){"5000", "0", "-1", "x", "1", "131072", 0}; *text; text++) {
        printf("store %s: ", *text);
        CALL(store(SIZE_FILE, *text));
        TEXT(get(SIZE_FILE));
    }
    CALL(seteuid(77));
    /* What it has already it keeps. */
    NUMBER(size(ends[0]));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 19));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20));
    CALL(fcntl(ends[0], F_SETPIPE_SZ, 1 << 17));
    CALL(store(SIZE_FILE, "8192"));
    CALL(seteuid(0));
    CALL(store(SIZE_FILE, "8192"));
    CALL(pipe(ends));
    NUMBER(size(ends[0]));
    CALL(seteuid(77));
    CALL(pipe(ends));
    NUMBER(size(ends[0]));
    CALL(seteuid(0));
    CALL(store(SIZE_FILE, "1048576"));
}

static void users(void)
{
    int all[8][2], more[2];
    TEXT(get(SOFT_FILE));
    TEXT(get(HARD_FILE));
    CALL(store(SOFT_FILE, "64"));
    CALL(setreuid(77, 77) ? -1 : setuid(77));
    for (int i = 0; i < 8; i++) {
        CALL(pipe(all[i]));
        NUMBER(size(all[i][1]));
    }
    CALL(fcntl(all[7][0], F_SETPIPE_SZ, 1 << 14));
    CALL(fcntl(all[7][0], F_SETPIPE_SZ, 1 << 12));
    CALL(fcntl(all[0][0], F_SETPIPE_SZ, 1 << 12));
    CALL(close(all[1][0]) + close(all[1][1]));
    CALL(pipe(more));
    NUMBER(size(more[0]));
    CALL(fcntl(more[0], F_SETPIPE_SZ, 1 << 18));
}

static void hard(void)
{
    int all[8][2];
    CALL(store(SOFT_FILE, "0"));
    CALL(store(HARD_FILE, "40"));
    CALL(setreuid(78, 78));
    for (int i = 0; i < 4; i++)
        CALL(pipe(all[i]));
    CALL(mkfifo("fifo", 0600));
    CALL(fcntl(all[0][0], F_SETPIPE_SZ, 1 << 18));
    CALL(fcntl(all[0][0], F_SETPIPE_SZ, 1 << 12));
    CALL(pipe(all[4]));
}

static void again(void)
{
    int ends[2];
    CALL(store(SOFT_FILE, "16384"));
    CALL(store(HARD_FILE, "0"));
    CALL(setreuid(78, 78));
    CALL(pipe(ends));
    NUMBER(size(ends[0]));
}

int main(void)
{
    static const struct test TESTS[] = {
        {"sizes", sizes}, {"users", users}, {"hard", hard}, {"again", again}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
