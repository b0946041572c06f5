/* What processes share that are no threads: memory, descriptors, the working directory, and what
   happens on signals, each as CLONE_x says. */
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES 65536

static char stack[STACK_BYTES] __attribute__((aligned(16)));
static volatile int number, told;
static int f;

static void tell(int signal)
{
    told = signal;
}

/* In memory that may be shared: nothing of the C library that knows threads. */
static int change(void *unused)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    (void)unused;
    number = 7;
    syscall(SYS_close, f);
    syscall(SYS_chdir, "/");
    syscall(SYS_rt_sigaction, SIGUSR1, &action, 0, 8);
    return 5;
}

static void shared(int flags)
{
    char name[4096];
    struct sigaction now;
    number = told = 0;
    signal(SIGUSR1, tell);
    mkdir("here", 0700);
    CALL(chdir("here"));
    f = open("file", O_RDWR | O_CREAT, 0600);
    pid_t child = clone(change, stack + STACK_BYTES, flags | SIGCHLD, 0);
    NUMBER(ending(child));
    NUMBER(number);
    CALL(fcntl(f, F_GETFD));
    getcwd(name, sizeof name);
    NUMBER(strcmp(name, "/") == 0);
    sigaction(SIGUSR1, 0, &now);
    NUMBER(now.sa_handler == SIG_IGN);
    raise(SIGUSR1);
    NUMBER(told == SIGUSR1);
    close(f);
}

static void kinds(void)
{
    static const struct {
        const char *name;
        int flags;
    } KINDS[] = {
        {"none", 0},
        {"memory", CLONE_VM},
        {"descriptors", CLONE_FILES},
        {"directory", CLONE_FS},
        {"signals", CLONE_VM | CLONE_SIGHAND},
        {"everything", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND},
    };
    char start[4096];
    getcwd(start, sizeof start);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        printf("%s:\n", KINDS[i].name);
        if (chdir(start))
            perror(start);
        shared(KINDS[i].flags);
    }
    CALL(clone(change, stack + STACK_BYTES, CLONE_SIGHAND | SIGCHLD, 0));
    CALL(clone(change, stack + STACK_BYTES, CLONE_THREAD | CLONE_VM, 0));
}

/* What a parent sets later its child has, too; each has its own mask and pending signals. */
static int wait_for_it(void *unused)
{
    (void)unused;
    while (!number)
        syscall(SYS_sched_yield);
    syscall(SYS_kill, syscall(SYS_getpid), SIGUSR2);
    return told;
}

static void later(void)
{
    number = told = 0;
    pid_t child =
        clone(wait_for_it, stack + STACK_BYTES, CLONE_VM | CLONE_SIGHAND | SIGCHLD, 0);
    signal(SIGUSR2, tell);
    number = 1;
    NUMBER(ending(child) == SIGUSR2);
}

/* Who executes a program has signals of its own again. */
static int start(void *path)
{
    static char *argv[] = {"clone_sharing", "child", 0}, *envp[] = {0};
    syscall(SYS_execve, path, argv, envp);
    return 99;
}

static void executing(void)
{
    struct sigaction now;
    signal(SIGUSR1, tell);
    pid_t child = clone(
        start, stack + STACK_BYTES, CLONE_VM | CLONE_SIGHAND | SIGCHLD, "/proc/self/exe");
    NUMBER(ending(child));
    sigaction(SIGUSR1, 0, &now);
    NUMBER(now.sa_handler == tell);
}

int main(int argc, char **argv)
{
    static const struct test TESTS[] = {
        {"kinds", kinds}, {"later", later}, {"executing", executing}};
    if (argc > 1 && !strcmp(argv[1], "child")) {
        struct sigaction now;
        sigaction(SIGUSR1, 0, &now);
        return now.sa_handler == SIG_DFL ? 11 : 12;
    }
    return run_all(TESTS, sizeof TESTS / sizeof *TESTS);
}
