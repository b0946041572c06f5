/* The call below all locks, and what else is between the threads of a process: signals for one or
   for any, stopping all, ending all, whoever does it. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int word, other;
static atomic_int woken, about_to_wait;

static long futex(int *at, int op, int value, const void *limit, int *second, unsigned third)
{
    return syscall(SYS_futex, at, op, value, limit, second, third);
}

static void refused(void)
{
    struct timespec limit = {0, 10000000}, wrong = {0, 1000000000};
    CHECK(futex(&word, FUTEX_WAIT, 1, 0, 0, 0) == -1 && errno == EAGAIN);
    CHECK(futex(&word, FUTEX_WAIT, 0, &limit, 0, 0) == -1 && errno == ETIMEDOUT);
    CHECK(futex(&word, FUTEX_WAIT, 0, &wrong, 0, 0) == -1 && errno == EINVAL);
    CHECK(futex((int *)((char *)&word + 1), FUTEX_WAIT, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(futex((int *)((char *)&word + 1), FUTEX_WAKE, 1, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(futex((int *)0x1000, FUTEX_WAIT, 0, 0, 0, 0) == -1 && errno == EFAULT);
    CHECK(futex(&word, FUTEX_WAIT_BITSET, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(futex(&word, FUTEX_WAKE_BITSET, 1, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(futex(&word, 77, 0, 0, 0, 0) == -1 && errno == ENOSYS);
    CHECK(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 1) == -1 && errno == EAGAIN);
    CHECK(futex(&word, FUTEX_WAKE, 1, 0, 0, 0) == 0);
}

static void *wait_here(void *unused)
{
    about_to_wait++;
    futex(&word, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    woken++;
    return unused;
}

static void *wait_for_bit(void *bit)
{
    about_to_wait++;
    futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, 0, 0, (unsigned)(long)bit);
    woken++;
    return 0;
}

static void until(atomic_int *count, int value)
{
    while (*count < value)
        sleep_ms(1);
}

/* So many are about to wait, and then do. */
static void until_waiting(int count)
{
    until(&about_to_wait, count);
    sleep_ms(100);
}

static void moved(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, wait_here, 0);
    until_waiting(4);
    /* One wakes, two wait elsewhere, one where it did. */
    CHECK(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, 0) == 3);
    until(&woken, 1);
    CHECK(futex(&other, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0) == 2);
    other = 5;
    CHECK(futex(&word, FUTEX_WAKE_OP_PRIVATE, 10, (void *)10, &other,
              FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)) == 1);
    CHECK(other == 8);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], 0);
    CHECK(woken == 4);
}

static void by_bits(void)
{
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, wait_for_bit, (void *)(i + 1));
    until_waiting(2);
    CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 4) == 0);
    CHECK(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 2) == 1);
    pthread_join(threads[1], 0);
    CHECK(woken == 1);
    CHECK(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0) == 1);
    pthread_join(threads[0], 0);
}

/* A word is the page that it is in, wherever that is mapped; private words are not shared. */
static void between_processes(void)
{
    int *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *again = mremap(page, 0, 4096, MREMAP_MAYMOVE);
    CHECK(again != MAP_FAILED && again != page);
    pid_t child;
    CHILD(child, futex(page, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 5 : 6);
    int count = 0;
    while ((count = (int)futex(again, FUTEX_WAKE, 1, 0, 0, 0)) == 0)
        sleep_ms(1);
    CHECK(count == 1 && ending(child) == 5);
    static int own;
    CHILD(child, futex(&own, FUTEX_WAIT, 0, &(struct timespec){0, 40000000}, 0, 0) == 0);
    sleep_ms(10);
    CHECK(futex(&own, FUTEX_WAKE, 1, 0, 0, 0) == 0);
    CHECK(ending(child) == 0);
}

static volatile sig_atomic_t handled_by;

static void note_thread(int number)
{
    (void)number;
    handled_by = gettid();
}

static void *be_there(void *tid)
{
    *(atomic_int *)tid = gettid();
    while (!handled_by)
        sleep_ms(1);
    return 0;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = note_thread};
    atomic_int tid = 0;
    pthread_t thread;
    sigset_t set;
    sigaction(SIGUSR1, &action, 0);
    pthread_create(&thread, 0, be_there, &tid);
    until(&tid, 1);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, 0);
    CHECK(handled_by == tid);
    /* One for the process goes to a thread that does not block it. */
    tid = handled_by = 0;
    pthread_create(&thread, 0, be_there, &tid);
    until(&tid, 1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    kill(getpid(), SIGUSR1);
    pthread_join(thread, 0);
    CHECK(handled_by == tid);
}

static void *sleep_for_ever(void *unused)
{
    while (pause() == -1) {}
    return unused;
}

static void *count_for_ever(void *at)
{
    for (;;)
        ++*(atomic_int *)at;
}

static void stopped_together(void)
{
    atomic_int *count = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, 0, sleep_for_ever, 0);
        count_for_ever(count);
    }
    int status;
    until(count, 1);
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    int now = *count;
    sleep_ms(20);
    CHECK(*count == now);
    kill(child, SIGCONT);
    while (*count == now)
        sleep_ms(1);
    kill(child, SIGKILL);
    CHECK(ending(child) == -SIGKILL);
}

static atomic_int spins;

/* A process with a thread that sleeps and one that runs. */
static pid_t two_threads(void (*then)(void))
{
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, 0, sleep_for_ever, 0);
        pthread_create(&thread, 0, count_for_ever, &spins);
        until(&spins, 1);
        then();
    }
    return child;
}

static void leave_all(void) { _exit(42); }
static void leave_alone(void) { pthread_exit(0); }
static void stay(void) { sleep_for_ever(0); }

static void ended_together(void)
{
    int status;
    CHECK(ending(two_threads(leave_all)) == 42);
    pid_t child = two_threads(stay);
    sleep_ms(10);
    kill(child, SIGTERM);
    CHECK(ending(child) == -SIGTERM);
    /* The process goes on without its first thread. */
    child = two_threads(leave_alone);
    sleep_ms(20);
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    kill(child, SIGKILL);
    CHECK(ending(child) == -SIGKILL);
}

int main(void)
{
    static const struct test tests[] = {
        {"refused", refused},
        {"moved", moved},
        {"by bits", by_bits},
        {"between processes", between_processes},
        {"signals", signals},
        {"stopped together", stopped_together},
        {"ended together", ended_together},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
