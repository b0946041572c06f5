/* Pages that many processes have in common until one of them writes: hundreds of children of one,
   trees of children's children, writes by the kernel on a process's behalf, pages given back,
   shared ones between; each process must see what it alone has written. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { PAGE = 4096, CHILDREN = 300, PAGES = 64 };

static unsigned char *map(size_t pages, int flags)
{
    return mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

static unsigned char *filled(size_t pages, int value)
{
    return memset(map(pages, MAP_PRIVATE), value, pages * PAGE);
}

static int all_are(const unsigned char *at, int value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (at[i] != value)
            return 0;
    return 1;
}

/* All there at once, and then two of three write their number into the page of all. */
static void three_hundred(void)
{
    int gate[2], done[2], sum = 0, wrong = 0;
    unsigned char *page = filled(2, 7), byte;
    CHECK(pipe(gate) == 0 && pipe(done) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        if (child == 0) {
            close(gate[1]);
            byte = (unsigned char)i;
            int same = read(gate[0], &byte, 1) == 0 && all_are(page, 7, 2 * PAGE);
            if (i % 3)
                memset(page, byte, PAGE);
            same = same && all_are(page, i % 3 ? byte : 7, PAGE) && all_are(page + PAGE, 7, PAGE);
            _exit(write(done[1], &byte, 1) != 1 || !same);
        }
        if (child < 0)
            printf("only %d children: %s\n", i, strerrorname_np(errno));
        CHECK(child > 0);
    }
    close(gate[1]);
    close(done[1]);
    while (read(done[0], &byte, 1) == 1)
        sum += byte;
    for (int status, i = 0; i < CHILDREN && wait(&status) > 0; i++)
        wrong += status != 0;
    CHECK(wrong == 0 && sum == 255 * 256 / 2 + 43 * 44 / 2);
    CHECK(all_are(page, 7, 2 * PAGE));
}

/* Each of them writes what its path from the root says, and looks what its children left of it. */
static int grow(unsigned char *pages, int depth, int path)
{
    pages[depth * PAGE + 5] = (unsigned char)path;
    pid_t children[3];
    for (int i = 0; depth < 4 && i < 3; i++)
        if ((children[i] = fork()) == 0)
            _exit(grow(pages, depth + 1, path * 3 + i + 1));
    int wrong = 0, expected = path;
    for (int i = 0; depth < 4 && i < 3; i++)
        wrong += ending(children[i]) != 0;
    for (int at = depth; at >= 0; at--, expected = (expected - 1) / 3)
        wrong += pages[at * PAGE + 5] != (unsigned char)expected;
    for (int at = depth + 1; at < 5; at++)
        wrong += pages[at * PAGE + 5] != 9;
    return wrong != 0;
}

static void tree(void)
{
    CHECK(grow(filled(5, 9), 0, 0) == 0);
}

/* A chain: each is the child of the one before, which ends at once, so that pages change hands. */
static void chain(void)
{
    int ends[2];
    unsigned char *pages = filled(PAGES, 1), last = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int generation = 2; generation < 40; generation++) {
            pages[generation * PAGE] = (unsigned char)generation;
            if (fork() != 0)
                _exit(0);
        }
        int wrong = pages[0] != 1;
        for (int i = 2; i < 40; i++)
            wrong += pages[i * PAGE] != i || pages[i * PAGE + 1] != 1;
        last = wrong ? 1 : 99;
        _exit(write(ends[1], &last, 1) != 1);
    }
    close(ends[1]);
    CHECK(ending(child) == 0);
    CHECK(read(ends[0], &last, 1) == 1 && last == 99);
    CHECK(all_are(pages, 1, PAGES * PAGE));
}

/* The kernel writes into pages that are shared with a child: only the writer sees it. */
static void by_system_calls(void)
{
    int ends[2], go[2], f = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unsigned char *pages = filled(6, 3), byte;
    CHECK(pipe(ends) == 0 && pipe(go) == 0);
    CHECK(write(f, "0123456789", 10) == 10);
    pid_t child = fork();
    if (child == 0) {
        close(go[1]);
        _exit(read(go[0], &byte, 1) != 0 || !all_are(pages, 3, 6 * PAGE));
    }
    CHECK(write(ends[1], "pipe", 4) == 4 && read(ends[0], pages + PAGE - 2, 4) == 4);
    CHECK(pread(f, pages + 2 * PAGE - 3, 6, 2) == 6);
    struct iovec parts[2] = {{pages + 3 * PAGE, 2}, {pages + 4 * PAGE, 3}};
    CHECK(preadv(f, parts, 2, 5) == 5);
    CHECK(fstat(f, (struct stat *)(pages + 5 * PAGE)) == 0);
    CHECK(!memcmp(pages + PAGE - 2, "pipe", 4) && !memcmp(pages + 2 * PAGE - 3, "234567", 6));
    CHECK(!memcmp(pages + 3 * PAGE, "56\3", 3) && !memcmp(pages + 4 * PAGE, "789\3", 4));
    CHECK(((struct stat *)(pages + 5 * PAGE))->st_size == 10);
    close(go[1]);
    CHECK(ending(child) == 0);
}

/* What the kernel reads for a child is what the child has, not what its parent has made of it. */
static void read_by_system_calls(void)
{
    int ends[2];
    unsigned char *pages = filled(2, 'a'), got[2 * PAGE];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        pages[PAGE] = 'c';
        _exit(write(ends[1], pages, 2 * PAGE) != 2 * PAGE);
    }
    memset(pages, 'p', PAGE);
    CHECK(ending(child) == 0);
    CHECK(read(ends[0], got, sizeof got) == sizeof got);
    CHECK(all_are(got, 'a', PAGE) && got[PAGE] == 'c' && all_are(got + PAGE + 1, 'a', PAGE - 1));
    CHECK(all_are(pages, 'p', PAGE) && all_are(pages + PAGE, 'a', PAGE));
}

/* Protections and pages given back are one's own, too; pages never written are nought for all. */
static void changed_apart(void)
{
    unsigned char *pages = filled(4, 5), *fresh = map(2, MAP_PRIVATE);
    int zero = fresh[PAGE];
    pid_t child = fork();
    if (child == 0) {
        int same = !madvise(pages, PAGE, MADV_DONTNEED) && all_are(pages, 0, PAGE);
        same = same && !munmap(pages + PAGE, PAGE) && !mprotect(pages + 2 * PAGE, PAGE, PROT_READ);
        fresh[PAGE]++;
        same = same && fresh[PAGE] == 1 && fresh[0] == 0;
        unsigned char *moved = mremap(pages + 3 * PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
        moved[0] = 6;
        _exit(!(same && all_are(moved + 1, 5, PAGE - 1) && all_are(moved + PAGE, 0, 2 * PAGE)));
    }
    CHECK(ending(child) == 0 && zero == 0);
    CHECK(all_are(pages, 5, 4 * PAGE) && all_are(fresh, 0, 2 * PAGE));
    memset(pages, 8, 4 * PAGE);
    CHECK(all_are(pages, 8, 4 * PAGE));
}

/* Shared memory stays shared, down to children's children, beside private pages. */
static void shared_between(void)
{
    unsigned char *both = map(2, MAP_SHARED), *own = filled(1, 1);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        if (child == 0) {
            pid_t grandchild = fork();
            if (grandchild == 0) {
                __atomic_fetch_add(&both[PAGE], 1, __ATOMIC_RELAXED);
                own[0]++;
                _exit(own[0] != 2);
            }
            __atomic_fetch_add(&both[0], 1, __ATOMIC_RELAXED);
            _exit(ending(grandchild) != 0 || own[0] != 1);
        }
        CHECK(ending(child) == 0);
    }
    CHECK(both[0] == 10 && both[PAGE] == 10 && own[0] == 1);
}

static volatile int stop;
static unsigned char *written;

/* Writes all pages again and again; a page that is lost to a child would show another round. */
static void *write_on(void *unused)
{
    long round = 0;
    (void)unused;
    for (; !stop; round++) {
        for (int i = 0; i < PAGES; i++)
            *(volatile long *)(written + i * PAGE) = round;
        for (int i = 0; i < PAGES; i++)
            if (*(volatile long *)(written + i * PAGE) != round)
                return "lost";
    }
    return 0;
}

/* Children are made while threads write: each gets pages that do not change any more. */
static void while_written(void)
{
    pthread_t thread;
    void *result;
    written = map(PAGES, MAP_PRIVATE);
    CHECK(pthread_create(&thread, 0, write_on, 0) == 0);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            long sums[2] = {0, 0};
            for (int time = 0; time < 2; time++) {
                for (int page = 0; page < PAGES; page++)
                    sums[time] += *(volatile long *)(written + page * PAGE) * (page + 1);
                sleep_ms(1);
            }
            _exit(sums[0] != sums[1]);
        }
        CHECK(ending(child) == 0);
    }
    stop = 1;
    CHECK(pthread_join(thread, &result) == 0 && result == 0);
}

int main(void)
{
    static const struct test tests[] = {
        {"three hundred", three_hundred},
        {"tree", tree},
        {"chain", chain},
        {"by system calls", by_system_calls},
        {"read by system calls", read_by_system_calls},
        {"changed apart", changed_apart},
        {"shared between", shared_between},
        {"while written", while_written},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
