/* futex_waitv: waiting for several words at once. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define MANY 130
#define SIZE_32 2
#define PRIVATE 128

struct wait_word {
    uint64_t expected, at;
    uint32_t flags, reserved;
};

static uint32_t words[MANY];
static struct wait_word list[MANY];

static long wait_any(void *at, unsigned count, unsigned flags, void *timeout, int clock)
{
    return syscall(SYS_futex_waitv, at, count, flags, timeout, clock);
}

static void fill(unsigned flags)
{
    for (int i = 0; i < MANY; i++) {
        words[i] = i;
        list[i] = (struct wait_word){i, (uintptr_t)&words[i], flags, 0};
    }
}

static struct timespec *in_ms(int clock, long ms)
{
    static struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return &at;
}

static void mistakes(void)
{
    struct timespec bad = {0, 1000000000}, past = {0, 0};
    fill(SIZE_32 | PRIVATE);
    CALL(wait_any(list, 0, 0, 0, 0));
    CALL(wait_any(list, 129, 0, 0, 0));
    CALL(wait_any(list, 1, 1, 0, 0));
    CALL(wait_any(0, 1, 0, 0, 0));
    CALL(wait_any((void *)8, 1, 0, 0, 0));
    CALL(wait_any(list, 1, 0, &bad, CLOCK_MONOTONIC));
    CALL(wait_any(list, 1, 0, &past, CLOCK_BOOTTIME));
    CALL(wait_any(list, 1, 0, (void *)8, CLOCK_MONOTONIC));
    CALL(wait_any(list, 128, 0, &past, CLOCK_MONOTONIC));
    CALL(wait_any(list, 2, 0, in_ms(CLOCK_REALTIME, 5), CLOCK_REALTIME));
    for (unsigned flags = 0; flags < 4; flags++) {
        list[1].flags = flags;
        printf("flags %u: ", flags);
        CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    }
    list[1].flags = SIZE_32 | 64;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    fill(SIZE_32);
    list[1].reserved = 1;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    fill(SIZE_32);
    list[1].expected = 1L << 32 | 1;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    list[1].expected = 7;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    list[1].expected = 1;
    list[1].at++;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
    list[1].at = 8;
    CALL(wait_any(list, 2, 0, &past, CLOCK_MONOTONIC));
}

static void *wake_later(void *word)
{
    sleep_ms(20);
    *(uint32_t *)word += 1000;
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
    return 0;
}

static void threads(void)
{
    pthread_t thread;
    fill(SIZE_32 | PRIVATE);
    for (int i = 0; i < 128; i += 50) {
        pthread_create(&thread, 0, wake_later, &words[i]);
        CALL(wait_any(list, 128, 0, 0, 0));
        pthread_join(thread, 0);
        CALL(wait_any(list, 128, 0, 0, 0));
        list[i].expected = words[i];
    }
    /* Nobody is left behind. */
    CALL(syscall(SYS_futex, &words[3], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 9, 0, 0, 0));
}

/* The same word more than once, and words of an object that others map elsewhere. */
static void processes(void)
{
    uint32_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fill(SIZE_32);
    list[1] = list[2] = (struct wait_word){0, (uintptr_t)&shared[5], SIZE_32, 0};
    pid_t child = fork();
    if (child == 0) {
        uint32_t *other = mremap(shared, 0, 4096, MREMAP_MAYMOVE);
        sleep_ms(20);
        long woken = syscall(SYS_futex, &other[5], FUTEX_WAKE, 9, 0, 0, 0);
        _exit(woken);
    }
    CALL(wait_any(list, 4, 0, in_ms(CLOCK_MONOTONIC, 5000), CLOCK_MONOTONIC));
    NUMBER(ending(child));
}

/* One that is requeued is woken where it has gone to. */
static void requeued(void)
{
    uint32_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fill(SIZE_32);
    list[1].at = (uintptr_t)shared;
    list[1].expected = 0;
    pid_t child = fork();
    if (child == 0) {
        sleep_ms(20);
        long moved = syscall(SYS_futex, shared, FUTEX_REQUEUE, 0, 9L, &shared[1], 0);
        long before = syscall(SYS_futex, shared, FUTEX_WAKE, 9, 0, 0, 0);
        long woken = syscall(SYS_futex, &shared[1], FUTEX_WAKE, 9, 0, 0, 0);
        _exit(moved * 16 + before * 4 + woken);
    }
    CALL(wait_any(list, 3, 0, in_ms(CLOCK_MONOTONIC, 5000), CLOCK_MONOTONIC));
    NUMBER(ending(child));
}

static void nothing(int number)
{
    (void)number;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = nothing};
    fill(SIZE_32);
    sigaction(SIGALRM, &action, 0);
    struct itimerspec soon = {{0, 0}, {0, 20000000}};
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, 0, &timer);
    timer_settime(timer, 0, &soon, 0);
    CALL(wait_any(list, 3, 0, in_ms(CLOCK_MONOTONIC, 5000), CLOCK_MONOTONIC));
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    timer_settime(timer, 0, &soon, 0);
    CALL(wait_any(list, 3, 0, in_ms(CLOCK_MONOTONIC, 60), CLOCK_MONOTONIC));
}

int main(void)
{
    static const struct test TESTS[] = {{"mistakes", mistakes}, {"threads", threads},
        {"processes", processes}, {"requeued", requeued}, {"signals", signals}};
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
