/* Signals: handlers with their facts, masks, alternate stacks, interrupted calls, timers. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, last_code;
static void *volatile address;
static sigjmp_buf back;

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    count++;
    last = number;
    last_code = info->si_code;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    last = number;
    last_code = info->si_code;
    address = info->si_addr;
    siglongjmp(back, 1);
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, 0))
        perror("sigaction");
}

int main(void)
{
    handle(SIGUSR1, on_signal, 0);
    handle(SIGALRM, on_signal, 0);
    raise(SIGUSR1);
    kill(getpid(), SIGUSR1);
    printf("handled %d, last %d\n", count, last);

    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: %d, pending %d\n", count, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, 0);
    printf("unblocked: %d\n", count);

    struct itimerval timer = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &timer, 0);
    int woken = pause();
    printf("pause %d %s, last %d\n", woken, strerror(errno), last);
    int ends[2];
    char byte;
    if (pipe(ends))
        return 1;
    setitimer(ITIMER_REAL, &timer, 0);
    ssize_t got = read(ends[0], &byte, 1);
    printf("read %zd %s\n", got, strerror(errno));

    handle(SIGSEGV, on_fault, SA_ONSTACK);
    stack_t stack = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
    sigaltstack(&stack, 0);
    if (!sigsetjmp(back, 1))
        *(volatile int *)16 = 1;
    printf("fault %d code %d at %p\n", last, last_code, address);
    char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(back, 1))
        page[5] = 1;
    printf("fault %d code %d at page + %d\n", last, last_code, (int)((char *)address - page));

    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    got = write(ends[1], "x", 1);
    printf("write %zd %s\n", got, strerror(errno));
    signal(SIGUSR1, SIG_DFL);
    fflush(stdout);
    raise(SIGUSR1);
    return 0;
}
