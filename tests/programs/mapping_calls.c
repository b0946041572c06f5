/* Mappings next to each other, over each other and in the gaps between: what is replaced, split,
   moved or refused, and what is in the pages afterwards. */
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { PAGE = 4096, ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS, RW = PROT_READ | PROT_WRITE };

static sigjmp_buf back;

static void leave(int number) { siglongjmp(back, number); }

static char *map(size_t pages) { return mmap(0, pages * PAGE, RW, ANONYMOUS, -1, 0); }

static char *map_at(char *at, size_t pages, int flags)
{
    return mmap(at, pages * PAGE, RW, ANONYMOUS | flags, -1, 0);
}

/* Pages with their number, from one on. */
static char *numbered(size_t pages)
{
    char *at = map(pages);
    for (size_t i = 0; i < pages; i++)
        at[i * PAGE] = (char)(i + 1);
    return at;
}

/* What is in a page's first byte, or minus the signal for looking. */
static int peek(char *at)
{
    int number = sigsetjmp(back, 1);
    return number ? -number : *(volatile char *)at;
}

/* What is in so many pages is what these say, where -1 is a page that is not there. */
static int shows(char *at, const signed char *expected, int pages)
{
    for (int i = 0; i < pages; i++) {
        int seen = peek(at + i * PAGE);
        if (seen != (expected[i] < 0 ? -SIGSEGV : expected[i])) {
            printf("page %d has %d\n", i, seen);
            return 0;
        }
    }
    return 1;
}

#define SHOWS(at, ...)                                                                             \
    shows(at, (signed char[]){__VA_ARGS__}, sizeof((signed char[]){__VA_ARGS__}))

static void gaps(void)
{
    char *at = numbered(8);
    CHECK(munmap(at + 2 * PAGE, 2 * PAGE) == 0);
    CHECK(SHOWS(at, 1, 2, -1, -1, 5, 6, 7, 8));
    /* Nothing there any more, which is no mistake. */
    CHECK(munmap(at + 2 * PAGE, 2 * PAGE) == 0);
    CHECK(munmap(at + PAGE, 4 * PAGE) == 0);
    CHECK(SHOWS(at, 1, -1, -1, -1, -1, 6, 7, 8));
    /* A hint for a gap is followed, one for what is taken is not. */
    CHECK(map_at(at + PAGE, 2, 0) == at + PAGE);
    CHECK(SHOWS(at, 1, 0, 0, -1, -1, 6, 7, 8));
    char *other = map_at(at, 1, 0);
    CHECK(other != MAP_FAILED && (other < at || other >= at + 8 * PAGE || other == at + 3 * PAGE
        || other == at + 4 * PAGE));
    CHECK(peek(at) == 1);
    /* What is too long for the gap goes elsewhere. */
    other = map_at(at + 3 * PAGE, 3, 0);
    CHECK(other != MAP_FAILED && other != at + 3 * PAGE && peek(at + 5 * PAGE) == 6);
    CHECK(munmap(at, 8 * PAGE) == 0);
    CHECK(SHOWS(at, -1, -1, -1));
}

static void overlaps(void)
{
    char *at = numbered(8);
    CHECK(map_at(at + 2 * PAGE, 3, MAP_FIXED) == at + 2 * PAGE);
    CHECK(SHOWS(at, 1, 2, 0, 0, 0, 6, 7, 8));
    /* Over the ends of two, and the gap between. */
    CHECK(munmap(at + 3 * PAGE, PAGE) == 0);
    CHECK(map_at(at + PAGE, 4, MAP_FIXED) == at + PAGE);
    CHECK(SHOWS(at, 1, 0, 0, 0, 0, 6, 7, 8));
    /* A file over memory, and memory over the file again. */
    int f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(pwrite(f, "\41", 1, 0) == 1 && pwrite(f, "\42", 1, PAGE) == 1);
    CHECK(mmap(at + 4 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, f, 0) == at + 4 * PAGE);
    CHECK(SHOWS(at, 1, 0, 0, 0, 33, 34, 7, 8));
    CHECK(map_at(at + 5 * PAGE, 1, MAP_FIXED) == at + 5 * PAGE);
    CHECK(SHOWS(at, 1, 0, 0, 0, 33, 0, 7, 8));
    /* From behind its beginning. */
    CHECK(mmap(at, PAGE, RW, MAP_PRIVATE | MAP_FIXED, f, PAGE) == at);
    at[0] = 44;
    char byte;
    CHECK(pread(f, &byte, 1, PAGE) == 1 && byte == 34);
    CHECK(munmap(at, 8 * PAGE) == 0);
}

static void without_replacing(void)
{
    char *at = numbered(4);
    const int careful = MAP_FIXED_NOREPLACE;
    CHECK(map_at(at, 1, careful) == MAP_FAILED && errno == EEXIST);
    CHECK(map_at(at + 3 * PAGE, 2, careful) == MAP_FAILED && errno == EEXIST);
    CHECK(munmap(at + PAGE, 2 * PAGE) == 0);
    CHECK(map_at(at + PAGE, 3, careful) == MAP_FAILED && errno == EEXIST);
    CHECK(map_at(at, 4, careful) == MAP_FAILED && errno == EEXIST);
    CHECK(map_at(at + PAGE, 2, careful) == at + PAGE);
    CHECK(map_at(at + PAGE, 2, careful) == MAP_FAILED && errno == EEXIST);
    CHECK(map_at(at + 1, 1, careful) == MAP_FAILED && errno == EINVAL);
    CHECK(SHOWS(at, 1, 0, 0, 4));
}

static void refused(void)
{
    char *at = map(2);
    int reader = open("file", O_RDONLY | O_CREAT, 0600), writer = open("file", O_WRONLY);
    CHECK(mmap(0, 0, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(0, PAGE, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(at + 1, PAGE, RW, ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(syscall(SYS_mmap, 0, PAGE, RW, MAP_PRIVATE, reader, 1) == -1 && errno == EINVAL);
    CHECK(mmap(0, PAGE, RW, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
    CHECK(mmap(0, PAGE, RW, MAP_SHARED, reader, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, writer, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mmap(0, 1UL << 62, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    char *shared = mmap(0, PAGE, PROT_READ, MAP_SHARED, reader, 0);
    CHECK(mprotect(shared, PAGE, RW) == -1 && errno == EACCES);
    CHECK(mprotect(at + 1, PAGE, RW) == -1 && errno == EINVAL);
    CHECK(mprotect(at, 0, RW) == 0);
    CHECK(munmap(at + 1, PAGE) == -1 && errno == EINVAL);
    CHECK(munmap(at, 0) == -1 && errno == EINVAL);
    CHECK(munmap((char *)(1UL << 63), PAGE) == -1 && errno == EINVAL);
    CHECK(munmap(at + PAGE, PAGE) == 0);
    CHECK(mprotect(at, 2 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
    CHECK(madvise(at, 2 * PAGE, MADV_DONTNEED) == -1 && errno == ENOMEM);
    CHECK(madvise(at, PAGE, 7777) == -1 && errno == EINVAL);
    CHECK(madvise(at + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
    CHECK(msync(at, 2 * PAGE, MS_SYNC) == -1 && errno == ENOMEM);
    CHECK(msync(at, PAGE, MS_SYNC | MS_ASYNC) == -1 && errno == EINVAL);
}

static void *remap(char *at, size_t from, size_t to, int flags, char *target)
{
    return (void *)syscall(SYS_mremap, at, from * PAGE, to * PAGE, flags, target);
}

static void growing(void)
{
    char *at = numbered(8);
    CHECK(munmap(at + 3 * PAGE, 2 * PAGE) == 0);
    /* Into the gap, and no further. */
    CHECK(remap(at, 3, 5, 0, 0) == at);
    CHECK(SHOWS(at, 1, 2, 3, 0, 0, 6, 7, 8));
    CHECK(remap(at, 5, 6, 0, 0) == MAP_FAILED && errno == ENOMEM);
    at[4 * PAGE] = 55;
    char *moved = remap(at, 5, 20, MREMAP_MAYMOVE, 0);
    CHECK(moved != MAP_FAILED && moved != at);
    CHECK(SHOWS(moved, 1, 2, 3, 0, 55, 0, 0) && peek(moved + 19 * PAGE) == 0);
    CHECK(SHOWS(at, -1, -1, -1, -1, -1, 6, 7, 8));
    /* Smaller again, in place; the rest is gone. */
    CHECK(remap(moved, 20, 2, 0, 0) == moved);
    CHECK(SHOWS(moved, 1, 2, -1, -1, -1));
    CHECK(remap(moved, 2, 2, 0, 0) == moved);
    /* A part of one in the middle. */
    char *part = remap(at + 6 * PAGE, 1, 2, MREMAP_MAYMOVE, 0);
    CHECK(part != MAP_FAILED && SHOWS(part, 7, 0));
    CHECK(SHOWS(at + 5 * PAGE, 6, -1, 8));
}

static void moving(void)
{
    char *from = numbered(4), *to = numbered(6);
    const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
    CHECK(remap(from, 4, 4, fixed, to + PAGE) == to + PAGE);
    CHECK(SHOWS(to, 1, 1, 2, 3, 4, 6));
    CHECK(SHOWS(from, -1, -1, -1, -1));
    /* Shrinking and growing on the way. */
    CHECK(remap(to + PAGE, 4, 2, fixed, from) == from);
    CHECK(SHOWS(from, 1, 2, -1, -1) && SHOWS(to, 1, -1, -1, -1, -1, 6));
    CHECK(remap(from, 2, 3, fixed, to + PAGE) == to + PAGE);
    CHECK(SHOWS(to, 1, 1, 2, 0, -1, 6));
    /* What was moved is what a child has, too. */
    to[2 * PAGE] = 77;
    pid_t child;
    CHILD(child, peek(to + 2 * PAGE) + peek(to + PAGE));
    CHECK(ending(child) == 78);
    /* The old place stays, and is empty. */
    char *twin = remap(to, 1, 1, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    CHECK(twin != MAP_FAILED && peek(twin) == 1 && peek(to) == 0);
    /* Refused. */
    CHECK(remap(to, 2, 2, MREMAP_FIXED, from) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to, 2, 2, fixed, to + PAGE) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to, 2, 2, fixed, from + 1) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to + 1, 1, 2, MREMAP_MAYMOVE, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to, 1, 0, MREMAP_MAYMOVE, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to, 1, 1, 77, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(remap(to, 0, 1, MREMAP_MAYMOVE, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(munmap(from, 4 * PAGE) == 0);
    CHECK(remap(from, 1, 2, MREMAP_MAYMOVE, 0) == MAP_FAILED && errno == EFAULT);
    CHECK(remap(to + 3 * PAGE, 3, 9, MREMAP_MAYMOVE, 0) == MAP_FAILED && errno == EFAULT);
}

/* Each other page protected otherwise, and all made one again. */
static void splitting(void)
{
    enum { PAGES = 256 };
    char *at = map(PAGES);
    memset(at, 3, PAGES * PAGE);
    for (int i = 0; i < PAGES; i += 2)
        CHECK(mprotect(at + i * PAGE, PAGE, PROT_NONE) == 0);
    int hidden = 0, seen = 0;
    for (int i = 0; i < PAGES; i++) {
        hidden += peek(at + i * PAGE) == -SIGSEGV;
        seen += peek(at + i * PAGE) == 3;
    }
    CHECK(hidden == PAGES / 2 && seen == PAGES / 2);
    CHECK(mprotect(at, PAGES * PAGE, PROT_READ) == 0);
    for (int i = 0; i < PAGES; i++)
        CHECK(peek(at + i * PAGE) == 3);
    for (int i = 1; i < PAGES; i += 2)
        CHECK(munmap(at + i * PAGE, PAGE) == 0);
    CHECK(peek(at) == 3 && peek(at + PAGE) == -SIGSEGV && peek(at + (PAGES - 2) * PAGE) == 3);
    CHECK(munmap(at, PAGES * PAGE) == 0 && peek(at) == -SIGSEGV);
}

static void limits(void)
{
    struct rlimit old, limit;
    CHECK(getrlimit(RLIMIT_AS, &old) == 0 && old.rlim_cur == RLIM_INFINITY);
    limit = (struct rlimit){64 << 20, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(mmap(0, 128 << 20, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    char *at = mmap(0, 32 << 20, RW, ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    CHECK(mmap(0, 40 << 20, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mremap(at, 32 << 20, 128 << 20, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
    CHECK(munmap(at, 32 << 20) == 0);
    CHECK((at = mmap(0, 40 << 20, RW, ANONYMOUS, -1, 0)) != MAP_FAILED);
    /* Over what is there it needs no more. */
    CHECK(mmap(at, 40 << 20, RW, ANONYMOUS | MAP_FIXED, -1, 0) == at);
    pid_t child;
    CHILD(child, mmap(0, 40 << 20, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(ending(child) == 1);
    CHECK(setrlimit(RLIMIT_AS, &old) == 0);
    CHECK(mmap(0, 40 << 20, PROT_NONE, ANONYMOUS, -1, 0) != MAP_FAILED);
    /* Of data, that is what is private and may be written. */
    limit.rlim_cur = 16 << 20;
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHECK(mmap(0, 17 << 20, RW, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    CHECK(mmap(0, 17 << 20, PROT_READ, ANONYMOUS, -1, 0) != MAP_FAILED);
    CHECK(mmap(0, 17 << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    limit = (struct rlimit){RLIM_INFINITY, 1 << 20};
    CHECK(setrlimit(RLIMIT_AS, &limit) == -1 && errno == EINVAL);
}

int main(void)
{
    static const struct test tests[] = {
        {"gaps", gaps},
        {"overlaps", overlaps},
        {"without replacing", without_replacing},
        {"refused", refused},
        {"growing", growing},
        {"moving", moving},
        {"splitting", splitting},
        {"limits", limits},
    };
    signal(SIGSEGV, leave);
    return run_all(tests, sizeof tests / sizeof *tests);
}
