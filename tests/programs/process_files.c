/* Processes as descriptors: pidfd_open, pidfd_send_signal, pidfd_getfd, waitid; and unshare and
   close_range, where a process parts from what it shares. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int opened(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }

static int sent(int fd, int signal, siginfo_t *info, unsigned flags)
{
    return syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}

static int taken(int fd, int number, unsigned flags)
{
    return syscall(SYS_pidfd_getfd, fd, number, flags);
}

static int events(int fd, int ms)
{
    struct pollfd polled = {fd, POLLIN, 0};
    poll(&polled, 1, ms);
    return polled.revents;
}

static void *threads_number(void *number)
{
    *(pid_t *)number = syscall(SYS_gettid);
    sleep_ms(200);
    return 0;
}

static void refused(void)
{
    pthread_t thread;
    pid_t number = 0;
    siginfo_t info = {.si_code = SI_QUEUE, .si_signo = SIGUSR1};
    CALL(opened(0, 0));
    CALL(opened(-1, 0));
    CALL(opened(99999, 0));
    CALL(opened(getpid(), 1));
    pthread_create(&thread, 0, threads_number, &number);
    sleep_ms(50);
    CALL(opened(number, 0));
    pthread_join(thread, 0);
    int own = opened(getpid(), 0), other = open(".", O_RDONLY);
    CALL(own < 0 ? -1 : 0);
    NUMBER(fcntl(own, F_GETFD));
    CALL(sent(own, 0, 0, 0));
    CALL(sent(own, 65, 0, 0));
    CALL(sent(own, 0, 0, 77));
    CALL(sent(other, 0, 0, 0));
    CALL(sent(99, 0, 0, 0));
    CALL(sent(own, SIGUSR2, &info, 0));
    CALL(sent(own, SIGUSR1, (void *)8, 0));
    CALL(taken(own, 99, 0));
    CALL(taken(own, own, 1));
    CALL(taken(other, own, 0));
    CALL(waitid(P_PIDFD, own, &info, WEXITED));
    CALL(waitid(P_PIDFD, other, &info, WEXITED));
    CALL(waitid(P_PIDFD, 99, &info, WEXITED));
    CALL(waitid(P_PIDFD, -1, &info, WEXITED));
    CALL(waitid(P_PIDFD, own, &info, 0));
    char byte;
    CALL(read(own, &byte, 1));
    CALL(write(own, &byte, 1));
    close(own);
    close(other);
}

static void child_of(void)
{
    siginfo_t info = {0};
    int p[2];
    pipe(p);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(p[1]);
        read(p[0], &byte, 1);
        _exit(7);
    }
    int fd = opened(child, O_NONBLOCK);
    NUMBER(events(fd, 10));
    CALL(waitid(P_PIDFD, fd, &info, WEXITED));
    CALL(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
    NUMBER(info.si_pid);
    close(p[1]);
    NUMBER(events(fd, 5000));
    CALL(sent(fd, SIGKILL, 0, 0));
    CALL(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT));
    NUMBER(info.si_pid == child);
    NUMBER(info.si_status);
    NUMBER(info.si_code);
    CALL(waitid(P_PIDFD, fd, &info, WEXITED));
    CALL(waitid(P_PIDFD, fd, &info, WEXITED));
    CALL(sent(fd, 0, 0, 0));
    CALL(taken(fd, 0, 0));
    NUMBER(events(fd, 0) & POLLIN);
    CALL(opened(child, 0));
    close(fd);
    close(p[0]);
    /* Killed by its descriptor, and somebody waits for it the long way. */
    if ((child = fork()) == 0)
        for (;;)
            pause();
    fd = opened(child, 0);
    CALL(sent(fd, SIGTERM, 0, 0));
    CALL(waitid(P_PIDFD, fd, &info, WEXITED));
    NUMBER(info.si_status);
    NUMBER(info.si_code == CLD_KILLED);
    close(fd);
}

static void files_of_others(void)
{
    int p[2], back[2];
    pid_t parent = getpid();
    pipe(p);
    pid_t child = fork();
    if (child == 0) {
        /* The file is the same, with its position. */
        int file = open("here", O_RDWR | O_CREAT | O_TRUNC, 0644);
        dup2(file, 40);
        write(40, "abc", 3);
        write(p[1], "x", 1);
        for (;;)
            pause();
    }
    char byte;
    read(p[0], &byte, 1);
    int fd = opened(child, 0), mine = taken(fd, 40, 0);
    CALL(mine < 0 ? -1 : 0);
    NUMBER(fcntl(mine, F_GETFD));
    NUMBER(lseek(mine, 0, SEEK_CUR));
    sent(fd, SIGKILL, 0, 0);
    NUMBER(ending(child));
    close(fd);
    close(mine);
}

static int in_shared(void *unused)
{
    /* Its own descriptors now: what it closes stays with the other. */
    if (unshare(CLONE_FILES))
        return 1;
    close(0);
    return 0;
}

static int closes_own(void *unused) { return syscall(SYS_close_range, 3, ~0u, 2); }

static int changes_directory(void *unused) { return unshare(CLONE_FS) || chdir("/"); }

static void apart(void)
{
    static char stack[3][16384];
    CALL(unshare(0));
    CALL(unshare(CLONE_FILES | CLONE_FS));
    CALL(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
    CALL(unshare(1));
    int fd = open("here", O_RDONLY), share = CLONE_FILES | CLONE_FS | SIGCHLD;
    pid_t child = clone(in_shared, stack[1], share, 0);
    NUMBER(ending(child));
    CALL(fcntl(0, F_GETFD));
    child = clone(closes_own, stack[2], share, 0);
    NUMBER(ending(child));
    CALL(fcntl(fd, F_GETFD));
    child = clone(changes_directory, stack[3], share, 0);
    NUMBER(ending(child));
    char path[100];
    NUMBER(strcmp(getcwd(path, 100), "/") != 0);
    CALL(syscall(SYS_close_range, 5, 4, 0));
    CALL(syscall(SYS_close_range, 50, 60, 16));
    CALL(syscall(SYS_close_range, fd, fd, 4));
    CALL(fcntl(fd, F_GETFD));
    CALL(syscall(SYS_close_range, fd, ~0u, 0));
    CALL(fcntl(fd, F_GETFD));
    if (fork() == 0) {
        setuid(1000);
        CALL(unshare(CLONE_NEWNS));
        CALL(unshare(CLONE_NEWUTS));
        _exit(0);
    }
    wait(0);
}

int main(void)
{
    by_lines();
    refused();
    child_of();
    files_of_others();
    apart();
    return 0;
}
