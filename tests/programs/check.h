/* What the programs share that show results of system calls: a line for each expression. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Prints a call, its result, and the name of its error where it has failed. */
#define CALL(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        show_result(#call, (long)(call));                                                          \
    } while (0)

/* Prints an expression and its number or its text. */
#define NUMBER(expression) printf("%s: %ld\n", #expression, (long)(expression))
#define TEXT(expression) printf("%s: %s\n", #expression, (const char *)(expression))

/* Complains where something does not hold, and ends the function, which has nothing to return. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            complain(__LINE__, #condition);                                                        \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static int complaints;

static inline void complain(int line, const char *condition)
{
    int error = errno;
    printf("line %d: not so: %s (%s)\n", line, condition, strerrorname_np(error));
    complaints++;
}

/* A test of its own: its name, and what it does. */
struct test {
    const char *name;
    void (*run)(void);
};

static inline void show_result(const char *call, long result)
{
    int error = errno;
    printf("%s = %ld%s%s\n", call, result, result < 0 ? " " : "",
        result < 0 ? strerrorname_np(error) : "");
}

/* A line leaves when it ends, so that no child has one that its parent began. */
static inline void by_lines(void)
{
    setvbuf(stdout, 0, _IOLBF, 0);
}

/* Runs each in a process of its own, which is not the system's first, and says how it ended. */
static inline int run_all(const struct test *tests, size_t count)
{
    int failed = 0;
    by_lines();
    for (size_t i = 0; i < count; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            tests[i].run();
            _exit(complaints != 0);
        }
        if (waitpid(child, &status, 0) != child)
            status = -1;
        failed += status != 0;
        printf(status ? "%s FAILED, status %x\n" : "%s ok\n", tests[i].name, (unsigned)status);
    }
    return failed != 0;
}

/* Where a test has to let others go on. */
static inline void sleep_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) && errno == EINTR) {}
}

/* Starts a process that does this and ends with its result. */
#define CHILD(pid, result)                                                                         \
    do {                                                                                           \
        if (((pid) = fork()) == 0)                                                                 \
            _exit(result);                                                                         \
    } while (0)

/* How a child ended: its exit code, or the signal, negative. */
static inline int ending(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
#endif
