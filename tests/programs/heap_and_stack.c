/* The two areas that grow: the heap with brk, as far as it may and there is room; the stack by
   being used, down to its limit and never next to something else. */
#include "check.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { PAGE = 4096, ALTERNATE = 65536, RW = PROT_READ | PROT_WRITE };

static char alternate[ALTERNATE];
static sigjmp_buf back;
static char *volatile address;

static void leave(int number, siginfo_t *info, void *context)
{
    (void)context;
    address = info->si_addr;
    siglongjmp(back, number);
}

static int peek(volatile char *at)
{
    int number = sigsetjmp(back, 1);
    return number ? -number : *at;
}

static int poke(volatile char *at)
{
    int number = sigsetjmp(back, 1);
    if (number)
        return -number;
    *at = 1;
    return 0;
}

/* The call itself: sets the end, or leaves it as it is, and answers where it is. */
static char *brk_to(char *end) { return (char *)syscall(SYS_brk, end); }

/* An address in the caller's frame, of which the compiler knows nothing. */
static char *frame_of(char *local)
{
    __asm__("" : "+r"(local));
    return local;
}

static char *page_of(char *at) { return (char *)((uintptr_t)at & -PAGE); }
static char *page_after(char *at) { return page_of(at + PAGE - 1); }

static void heap(void)
{
    char *start = brk_to(0);
    CHECK(start != 0);
    /* Ends are exact; pages are there up to the one that the end is in. */
    CHECK(brk_to(start + 10 * PAGE + 1) == start + 10 * PAGE + 1);
    char *end = page_after(start + 10 * PAGE + 1);
    CHECK(poke(end - 1) == 0 && peek(end) == -SIGSEGV);
    for (char *at = page_after(start); at < end; at += PAGE)
        CHECK(peek(at) == 0 && poke(at) == 0);
    /* What is given back is nought when it comes again. */
    CHECK(brk_to(start + 5 * PAGE) == start + 5 * PAGE);
    CHECK(peek(page_after(start + 5 * PAGE)) == -SIGSEGV);
    CHECK(brk_to(start + 10 * PAGE) == start + 10 * PAGE);
    CHECK(peek(page_after(start + 6 * PAGE)) == 0 && peek(page_after(start + 4 * PAGE)) == 1);
    /* Not below its beginning, not into the kernel, not around the end. */
    CHECK(brk_to((char *)PAGE) == start + 10 * PAGE);
    CHECK(brk_to((char *)-PAGE) == start + 10 * PAGE);
    CHECK(brk_to((char *)(1UL << 62)) == start + 10 * PAGE);
    /* A child has its own. */
    pid_t child;
    CHILD(child, brk_to(start + 20 * PAGE) == start + 20 * PAGE);
    CHECK(ending(child) == 1 && brk_to(0) == start + 10 * PAGE);
}

static void heap_and_others(void)
{
    char *start = page_after(brk_to(0));
    CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE);
    /* It does not grow over something else, however far behind. */
    char *wall = start + 300 * PAGE;
    CHECK(mmap(wall, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == wall);
    *wall = 7;
    CHECK(brk_to(wall + PAGE) == start + 4 * PAGE);
    CHECK(brk_to(wall + 50 * PAGE) == start + 4 * PAGE);
    CHECK(*wall == 7 && peek(start + 5 * PAGE) == -SIGSEGV);
    CHECK(munmap(wall, PAGE) == 0);
    CHECK(brk_to(wall + PAGE) == wall + PAGE);
    CHECK(*wall == 0);
    /* Holes and protections in it are kept as it goes over them. */
    CHECK(mprotect(start + PAGE, PAGE, PROT_READ) == 0 && munmap(start + 2 * PAGE, PAGE) == 0);
    CHECK(brk_to(wall + 2 * PAGE) == wall + 2 * PAGE);
    CHECK(poke(start + PAGE) == -SIGSEGV && peek(start + 2 * PAGE) == -SIGSEGV);
    CHECK(brk_to(start) == start && peek(start + PAGE) == -SIGSEGV);
    CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE && poke(start + 2 * PAGE) == 0);
}

static void heap_limit(void)
{
    struct rlimit limit = {8 << 20, 8 << 20};
    char *start = brk_to(0);
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    CHECK(brk_to(start + (16 << 20)) == start);
    CHECK(brk_to(start + (4 << 20)) == start + (4 << 20));
    CHECK(brk_to(start + (9 << 20)) == start + (4 << 20));
    errno = 0;
    CHECK(sbrk(16 << 20) == (void *)-1 && errno == ENOMEM);
}

static void handle_faults(void)
{
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGBUS, &action, 0);
}

/* How far below the caller the stack can be used, in pages, if all is as it was left. */
static long descend(long depth, long most)
{
    volatile char frame[PAGE];
    frame[0] = (char)depth;
    frame[PAGE - 1] = (char)(depth * 7);
    if (depth == most)
        return depth;
    long reached = descend(depth + 1, most);
    return frame[0] == (char)depth && frame[PAGE - 1] == (char)(depth * 7) ? reached : -1;
}

static void stack_grows(void)
{
    char local, *here = frame_of(&local);
    handle_faults();
    /* A page at a time, a far one at once, and both ways. */
    CHECK(descend(0, 1000) == 1000);
    CHECK(poke(here - (6 << 20)) == 0);
    CHECK(peek(here - (5 << 20)) == 0 && peek(here - (6 << 20)) == 1);
    CHECK(descend(0, 1200) == 1200);
}

static void stack_limit(void)
{
    char local, *here = frame_of(&local);
    struct rlimit limit;
    handle_faults();
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 8 << 20);
    CHECK(poke(here - (9 << 20)) == -SIGSEGV && address == here - (9 << 20));
    /* Not before the limit, and not behind it. */
    limit.rlim_cur = 1 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(poke(here - (1 << 19)) == 0);
    CHECK(poke(here - (1 << 20) - 16 * PAGE) == -SIGSEGV);
    /* It may be raised again, and counts at once. */
    limit.rlim_cur = 4 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(poke(here - (1 << 20) - 16 * PAGE) == 0);
    CHECK(poke(here - (3 << 20)) == 0);
    CHECK(poke(here - (4 << 20) - 16 * PAGE) == -SIGSEGV);
    limit.rlim_max = 2 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == -1 && errno == EINVAL);
}

/* With something below, the stack ends a good way above it. */
static void guard_gap(void)
{
    char local, *here = frame_of(&local);
    enum { GAP = 256 * PAGE };
    handle_faults();
    char *below = page_of(here) - (4 << 20);
    CHECK(mmap(below, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == below);
    CHECK(poke(below + 2 * PAGE) == -SIGSEGV);
    CHECK(poke(below + GAP / 2) == -SIGSEGV);
    CHECK(poke(below + GAP + 2 * PAGE) == 0);
    CHECK(poke(below + GAP / 2) == -SIGSEGV);
    CHECK(poke(below) == 0);
    CHECK(munmap(below, PAGE) == 0);
    CHECK(poke(below + GAP / 2) == 0);
}

/* A mapping that grows as the stack does. */
static void another_that_grows(void)
{
    const int grows = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN;
    handle_faults();
    char *room = mmap(0, 600 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED && munmap(room, 600 * PAGE) == 0);
    char *at = mmap(room + 590 * PAGE, PAGE, RW, grows | MAP_FIXED, -1, 0);
    CHECK(at == room + 590 * PAGE);
    CHECK(poke(at) == 0 && poke(at - PAGE) == 0 && poke(at - 20 * PAGE) == 0);
    CHECK(peek(at - 10 * PAGE) == 0 && peek(at) == 1);
    CHECK(peek(at + PAGE) == -SIGSEGV);
}

/* The kernel uses it as well: what it writes is where nothing was before. */
static void grown_by_the_kernel(void)
{
    int ends[2];
    char local, *here = frame_of(&local);
    handle_faults();
    CHECK(pipe(ends) == 0 && write(ends[1], "abc", 3) == 3);
    CHECK(read(ends[0], here - (2 << 20), 3) == 3);
    CHECK(!memcmp(here - (2 << 20), "abc", 3));
    CHECK(write(ends[1], "abc", 3) == 3);
    CHECK(read(ends[0], here - (20 << 20), 3) == -1 && errno == EFAULT);
}

int main(void)
{
    static const struct test tests[] = {
        {"heap", heap},
        {"heap and others", heap_and_others},
        {"heap limit", heap_limit},
        {"stack grows", stack_grows},
        {"stack limit", stack_limit},
        {"guard gap", guard_gap},
        {"another that grows", another_that_grows},
        {"grown by the kernel", grown_by_the_kernel},
    };
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    return run_all(tests, sizeof tests / sizeof *tests);
}
