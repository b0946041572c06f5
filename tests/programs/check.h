/* What the programs share that show results of system calls: a line for each expression. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>

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
            printf("line %d: not so: %s (%s)\n", __LINE__, #condition, strerrorname_np(errno));    \
            return;                                                                                \
        }                                                                                          \
    } while (0)

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

/* Runs all of them, a line each, which comes after what they had to complain of. */
static inline void run_all(const struct test *tests, size_t count)
{
    by_lines();
    for (size_t i = 0; i < count; i++) {
        tests[i].run();
        printf("%s done\n", tests[i].name);
    }
}
#endif
