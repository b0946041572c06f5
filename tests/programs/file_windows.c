/* remap_file_pages: parts of a shared mapping that show other pages of the file. */
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096L
#define PAGES 8

static char *map(int prot, int flags, int f)
{
    char *at = mmap(0, PAGES * PAGE, prot, flags, f, 0);
    return at == MAP_FAILED ? 0 : at;
}

static long window(char *at, long size, long prot, long first, long flags)
{
    return syscall(SYS_remap_file_pages, at, size, prot, first, flags);
}

/* What each page says its number is. */
static void show(const char *at)
{
    for (int page = 0; page < PAGES; page++)
        printf(" %c", at[page * PAGE]);
    puts("");
}

static void number(char *at)
{
    for (int page = 0; page < PAGES; page++)
        at[page * PAGE] = '0' + page;
}

static void turns(char *at)
{
    show(at);
    CALL(window(at, PAGE, 0, 7, 0));
    CALL(window(at + 2 * PAGE, 2 * PAGE, 0, 0, MAP_NONBLOCK));
    show(at);
    /* Sizes and addresses are cut down to pages; parts of parts move, too. */
    CALL(window(at + 3 * PAGE + 5, PAGE + 77, 0, 4, 0));
    CALL(window(at + 4 * PAGE, 4 * PAGE, 0, 0, 0));
    show(at);
    at[4 * PAGE] = 'x';
    show(at);
    CALL(window(at, PAGES * PAGE, 0, 0, 0));
    show(at);
}

static void files(void)
{
    int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CALL(ftruncate(f, PAGES * PAGE));
    char *at = map(PROT_READ | PROT_WRITE, MAP_SHARED, f), *same = map(PROT_READ, MAP_SHARED, f);
    number(at);
    turns(at);
    show(same);
    CALL(window(same, PAGE, 0, 3, 0));
    show(same);
    CALL(mprotect(same, PAGE, PROT_READ | PROT_WRITE));
    CALL(window(same, 2 * PAGE, 0, 3, 0));
}

static void nameless(void)
{
    char *at = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    number(at);
    turns(at);
}

static void mistakes(void)
{
    char *at = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    char *own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CALL(window(at, PAGE, PROT_READ, 1, 0));
    CALL(window(at, 0, 0, 1, 0));
    CALL(window(at, PAGE - 1, 0, 1, 0));
    CALL(window(at, -PAGE, 0, 1, 0));
    CALL(window(at, PAGE, 0, -1L, 0));
    CALL(window(at, 2 * PAGE, 0, 1L << 60, 0));
    CALL(window(own, PAGE, 0, 1, 0));
    CALL(window(0, PAGE, 0, 1, 0));
    CALL(munmap(at + 2 * PAGE, PAGE));
    CALL(window(at, 4 * PAGE, 0, 1, 0));
    CALL(window(at + 2 * PAGE, PAGE, 0, 1, 0));
    CALL(window(at, 2 * PAGE, 0, 1, 0));
}

int main(void)
{
    static const struct test TESTS[] = {
        {"files", files}, {"nameless", nameless}, {"mistakes", mistakes}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
