/* Processes: fork, wait, exit codes of all kinds, memory that is not shared, orphans. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int global = 1;

static void report(const char *what, pid_t child)
{
    int status;
    pid_t got = waitpid(child, &status, 0);
    if (got != child)
        printf("%s: waited for somebody else\n", what);
    else if (WIFEXITED(status))
        printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        printf("%s: signal %d\n", what, WTERMSIG(status));
}

static pid_t start(void (*act)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        act();
        fflush(stdout);
        _exit(0);
    }
    return child;
}

static void nothing(void) {}
static void code(void) { _exit(300); }
static void killed(void) { raise(SIGKILL); }
static void terminated(void) { raise(SIGTERM); }

static void change(void)
{
    global = 2;
    printf("child has %d\n", global);
}

static void grandchildren(void)
{
    int sum = 0;
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(i * i);
        int status;
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status);
    }
    _exit(sum);
}

int main(void)
{
    report("nothing", start(nothing));
    report("code", start(code));
    report("killed", start(killed));
    report("terminated", start(terminated));
    report("change", start(change));
    printf("parent has %d\n", global);
    report("grandchildren", start(grandchildren));
    pid_t children[20];
    for (int i = 0; i < 20; i++)
        if ((children[i] = fork()) == 0)
            _exit(i);
    int sum = 0, status;
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    printf("sum of twenty %d, then %s\n", sum, strerror(errno));
    printf("no child: %d\n", waitpid(-1, &status, WNOHANG));
    return 7;
}
