/* Signals that are sent: what a handler is told, masks, queues, waiting for them, calls that they
   interrupt and that go on after them, timers, and which registers a handler leaves alone. */
#include "check.h"
#include "caught.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>

static sigset_t only(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return set;
}

/* A process that sends this one a signal soon. */
static pid_t send_soon(int number)
{
    pid_t receiver = getpid(), child = fork();
    if (child == 0) {
        sleep_ms(20);
        _exit(kill(receiver, number) != 0);
    }
    return child;
}

static void handlers(void)
{
    struct sigaction action;
    catch(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(got == SIGUSR1 && code == SI_USER && sender == getpid());
    got = 0;
    raise(SIGUSR1);
    CHECK(got == SIGUSR1 && code == SI_TKILL);
    catch(SIGUSR1, SA_RESETHAND);
    raise(SIGUSR1);
    CHECK(got == SIGUSR1);
    sigaction(SIGUSR1, 0, &action);
    CHECK(action.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGKILL, &action, 0) == -1 && errno == EINVAL);
    CHECK(sigaction(SIGSTOP, &action, 0) == -1 && errno == EINVAL);
    CHECK(sigaction(65, &action, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_tgkill, getpid(), 999999, SIGUSR1) == -1 && errno == ESRCH);
    CHECK(syscall(SYS_tgkill, 0, 0, SIGUSR1) == -1 && errno == EINVAL);
}

static void masks(void)
{
    sigset_t set = only(SIGUSR1), old, pending;
    catch(SIGUSR1, 0);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    raise(SIGUSR1);
    CHECK(!got);
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
    /* What is ignored is not pending any more. */
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    CHECK(!sigismember(&pending, SIGUSR1));
    catch(SIGUSR1, 0);
    raise(SIGUSR1);
    CHECK(sigprocmask(SIG_SETMASK, &old, 0) == 0);
    CHECK(got == SIGUSR1);
    CHECK(sigprocmask(77, &set, 0) == -1 && errno == EINVAL);
    /* These cannot be blocked, and nobody says so. */
    set = only(SIGKILL);
    CHECK(sigprocmask(SIG_BLOCK, &set, 0) == 0);
    sigprocmask(SIG_BLOCK, 0, &old);
    CHECK(!sigismember(&old, SIGKILL));
}

static volatile int depth, deepest;
static volatile double computed;

static void nest(int number)
{
    if (++depth > deepest)
        deepest = depth;
    if (depth < 3)
        raise(number);
    volatile double x = 1;
    for (int i = 0; i < 10; i++)
        x *= 1.5;
    computed = x;
    depth--;
}

static void registers_kept(void)
{
    struct sigaction action = {.sa_handler = nest, .sa_flags = SA_NODEFER};
    sigaction(SIGUSR2, &action, 0);
    /* Temporaries of both kinds and the rounding mode are in registers while the call is made. */
    long integer, rounding;
    double number;
    __asm__ volatile("li t3, 777\n"
                     "fcvt.d.l ft5, t3\n"
                     "li t4, 3\n"
                     "fsrm t4\n"
                     "mv a0, %3\n"
                     "li a1, %4\n"
                     "li a7, %5\n"
                     "ecall\n"
                     "mv %0, t3\n"
                     "fmv.d %1, ft5\n"
                     "fsrmi %2, 0\n"
                     : "=&r"(integer), "=&f"(number), "=&r"(rounding)
                     : "r"((long)getpid()), "i"(SIGUSR2), "i"(SYS_kill)
                     : "a0", "a1", "a7", "t3", "t4", "ft5", "memory");
    CHECK(deepest == 3 && depth == 0 && computed > 57.6);
    CHECK(integer == 777 && number == 777.0 && rounding == 3);
}

/* The context that a handler gets is that which is returned to. */
static void change(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    (void)number;
    (void)info;
    interrupted->uc_mcontext.__gregs[10] = 4711;
    sigaddset(&interrupted->uc_sigmask, SIGUSR2);
}

static void changed_context(void)
{
    struct sigaction action = {.sa_sigaction = change, .sa_flags = SA_SIGINFO};
    sigset_t now;
    sigaction(SIGUSR1, &action, 0);
    register long a0 __asm__("a0") = getpid();
    register long a1 __asm__("a1") = SIGUSR1;
    register long a7 __asm__("a7") = SYS_kill;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a7) : "memory");
    CHECK(a0 == 4711);
    sigprocmask(SIG_BLOCK, 0, &now);
    CHECK(sigismember(&now, SIGUSR2));
}

static void interrupted_calls(void)
{
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    catch(SIGUSR1, 0);
    pid_t child = send_soon(SIGUSR1);
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR && got == SIGUSR1);
    CHECK(ending(child) == 0);
    /* It goes on after the handler, and gets what comes later. */
    catch(SIGUSR1, SA_RESTART);
    child = send_soon(SIGUSR1);
    pid_t writer = fork();
    if (writer == 0) {
        sleep_ms(60);
        _exit(write(ends[1], "x", 1) != 1);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && got == SIGUSR1);
    CHECK(ending(child) == 0 && ending(writer) == 0);
    /* A sleep does not, and tells what is left of it. */
    struct timespec long_time = {50, 0}, left = {0, 0};
    child = send_soon(SIGUSR1);
    CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR);
    CHECK(left.tv_sec >= 40 && left.tv_sec < 50);
    CHECK(ending(child) == 0);
}

static void queued(void)
{
    sigset_t set = only(SIGRTMIN);
    siginfo_t info;
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    for (int i = 0; i < 5; i++) {
        union sigval value = {.sival_int = i * 11};
        CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    }
    /* Of the old kind there is one, and it comes first. */
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_code == SI_USER);
    for (int i = 0; i < 5; i++) {
        CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
        CHECK(info.si_value.sival_int == i * 11 && info.si_code == SI_QUEUE);
    }
    struct timespec limit = {0, 20000000};
    CHECK(sigtimedwait(&set, &info, &limit) == -1 && errno == EAGAIN);
    limit.tv_sec = 50;
    pid_t child = send_soon(SIGUSR1);
    CHECK(sigtimedwait(&set, &info, &limit) == SIGUSR1 && info.si_pid == child);
    CHECK(ending(child) == 0);
    limit.tv_nsec = -1;
    CHECK(sigtimedwait(&set, &info, &limit) == -1 && errno == EINVAL);
}

static void suspended(void)
{
    sigset_t set = only(SIGUSR1), none, now;
    sigemptyset(&none);
    sigprocmask(SIG_BLOCK, &set, 0);
    catch(SIGUSR1, 0);
    pid_t child = send_soon(SIGUSR1);
    CHECK(sigsuspend(&none) == -1 && errno == EINTR && got == SIGUSR1);
    sigprocmask(SIG_BLOCK, 0, &now);
    CHECK(sigismember(&now, SIGUSR1));
    CHECK(ending(child) == 0);
}

static void timers(void)
{
    struct itimerval timer = {{0, 10000}, {0, 20000}}, old;
    int count = 0;
    catch(SIGALRM, 0);
    CHECK(setitimer(ITIMER_REAL, &timer, 0) == 0);
    while (count < 3)
        if (got) {
            got = 0;
            count++;
        }
    CHECK(getitimer(ITIMER_REAL, &old) == 0 && old.it_interval.tv_usec == 10000);
    memset(&timer, 0, sizeof timer);
    CHECK(setitimer(ITIMER_REAL, &timer, &old) == 0 && old.it_interval.tv_usec == 10000);
    CHECK(getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_usec == 0);
    CHECK(setitimer(77, &timer, 0) == -1 && errno == EINVAL);
    CHECK(alarm(100) == 0);
    CHECK(alarm(0) == 100);
}

int main(void)
{
    static const struct test tests[] = {
        {"handlers", handlers},
        {"masks", masks},
        {"registers kept", registers_kept},
        {"changed context", changed_context},
        {"interrupted calls", interrupted_calls},
        {"queued", queued},
        {"suspended", suspended},
        {"timers", timers},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
