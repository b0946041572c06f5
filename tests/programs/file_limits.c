/* Limits that end a call before it has done anything, or part of it: descriptors, and how large
   files become. */
#include "paths.h"
#include <mqueue.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static volatile int told;

static void tell(int number)
{
    told = number;
}

static void limit(int resource, rlim_t soft)
{
    struct rlimit now;
    getrlimit(resource, &now);
    now.rlim_cur = soft;
    CHECK(setrlimit(resource, &now) == 0);
}

static long size(int f)
{
    struct stat status;
    return fstat(f, &status) ? -errno : (long)status.st_size;
}

/* Without a free descriptor nothing is made, emptied or looked up. */
static void descriptors(void)
{
    put("full", "text");
    limit(RLIMIT_NOFILE, 3);
    CALL(open("made", O_RDWR | O_CREAT, 0600));
    CALL(open("full", O_RDWR | O_TRUNC));
    CALL(open("nowhere/at/all", O_RDONLY));
    CALL(open("full", O_PATH));
    CALL(mq_open("/file_limits", O_RDWR | O_CREAT, 0600, 0));
    CALL(mq_open("/none", O_RDWR));
    CALL(memfd_create("m", 0));
    limit(RLIMIT_NOFILE, 100);
    NUMBER(mode("made"));
    TEXT(get("full"));
    CALL(mq_unlink("/file_limits"));
}

static void writing(void)
{
    char bytes[100] = {0};
    struct iovec two[2] = {{bytes, 60}, {bytes, 60}};
    int f = open("grows", O_RDWR | O_CREAT | O_TRUNC, 0600);
    signal(SIGXFSZ, tell);
    limit(RLIMIT_FSIZE, 250);
    CALL(write(f, bytes, 100));
    CALL(writev(f, two, 2));
    CALL(write(f, bytes, 100));
    NUMBER(told);
    CALL(write(f, bytes, 100));
    NUMBER(told == SIGXFSZ);
    CALL(write(f, bytes, 0));
    told = 0;
    CALL(pwrite(f, bytes, 100, 249));
    CALL(pwritev(f, two, 2, 200));
    CALL(pwrite(f, bytes, 100, 250));
    CALL(pwrite(f, bytes, 1, 1L << 40));
    NUMBER(told == SIGXFSZ);
    NUMBER(size(f));
    int g = open("grows", O_WRONLY | O_APPEND);
    told = 0;
    CALL(pwrite(g, bytes, 1, 0));
    CALL(write(g, bytes, 1));
    NUMBER(told == SIGXFSZ);
    int to = open("copied", O_RDWR | O_CREAT | O_TRUNC, 0600);
    off_t from = 0;
    limit(RLIMIT_FSIZE, 70);
    CALL(sendfile(to, f, &from, 200));
    NUMBER(from);
    NUMBER(size(to));
    /* What is no file of a file system has no size. */
    int ends[2];
    limit(RLIMIT_FSIZE, 0);
    CALL(pipe(ends));
    CALL(write(ends[1], bytes, 100));
    CALL(write(open("/dev/null", O_WRONLY), bytes, 100));
}

static void sizes(void)
{
    int f = open("sized", O_RDWR | O_CREAT | O_TRUNC, 0600);
    signal(SIGXFSZ, tell);
    CALL(ftruncate(f, 9000));
    limit(RLIMIT_FSIZE, 5000);
    CALL(ftruncate(f, 9001));
    NUMBER(told == SIGXFSZ);
    told = 0;
    CALL(truncate("sized", 10000));
    NUMBER(told == SIGXFSZ);
    told = 0;
    CALL(fallocate(f, 0, 8000, 2000));
    NUMBER(told == SIGXFSZ);
    told = 0;
    /* What makes it no larger is allowed. */
    CALL(ftruncate(f, 8000));
    CALL(fallocate(f, 0, 0, 8000));
    CALL(fallocate(f, FALLOC_FL_KEEP_SIZE, 8000, 8000));
    CALL(ftruncate(f, 100));
    CALL(ftruncate(f, 5000));
    CALL(ftruncate(f, 5001));
    int m = memfd_create("m", 0);
    CALL(ftruncate(m, 5001));
    NUMBER(size(f));
}

static void unhandled(void)
{
    pid_t child;
    limit(RLIMIT_FSIZE, 10);
    CHILD(child, truncate("sized", 6000));
    NUMBER(ending(child));
}

int main(void)
{
    static const struct test TESTS[] = {
        {"descriptors", descriptors},
        {"writing", writing},
        {"sizes", sizes},
        {"unhandled", unhandled},
    };
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
