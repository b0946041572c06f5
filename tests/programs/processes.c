/* Processes in all their relations: many children, orphans, groups and sessions, what a parent can
   wait for and what it is told, stopping and going on. */
#include "check.h"
#include "caught.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int pause_for_ever(void)
{
    while (pause() == -1) {}
    return 0;
}

static void waiting(void)
{
    pid_t child;
    int status, count = 0;
    for (int i = 0; i < 20; i++) {
        CHILD(child, i);
        CHECK(ending(child) == i);
    }
    CHECK(wait(&status) == -1 && errno == ECHILD);
    for (int i = 0; i < 50; i++)
        CHILD(child, 0);
    while (wait(&status) > 0)
        count++;
    CHECK(count == 50);
}

static void orphans(void)
{
    int ends[2];
    pid_t child, parent = 0;
    CHECK(pipe(ends) == 0);
    if ((child = fork()) == 0) {
        pid_t old = getpid();
        if (fork() == 0) {
            while (getppid() == old)
                sleep_ms(1);
            parent = getppid();
            _exit(write(ends[1], &parent, sizeof parent) != sizeof parent);
        }
        _exit(0);
    }
    CHECK(ending(child) == 0);
    CHECK(read(ends[0], &parent, sizeof parent) == sizeof parent);
    /* It has gone to one that is not this. */
    CHECK(parent > 0 && parent != child && parent != getpid());
}

static void killing(void)
{
    pid_t child;
    int ends[2], status;
    char byte;
    CHILD(child, pause_for_ever());
    CHECK(kill(child, 0) == 0);
    CHECK(kill(child, SIGTERM) == 0);
    CHECK(ending(child) == -SIGTERM);
    CHECK(kill(child, 0) == -1 && errno == ESRCH);
    /* One that runs all the time, and does not want to end. */
    CHECK(pipe(ends) == 0);
    if ((child = fork()) == 0) {
        signal(SIGTERM, SIG_IGN);
        write(ends[1], "r", 1);
        for (;;) {}
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(kill(child, SIGTERM) == 0);
    sleep_ms(10);
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(ending(child) == -SIGKILL);
    CHECK(kill(-99999, 0) == -1 && errno == ESRCH);
    CHECK(kill(getpid(), 99) == -1 && errno == EINVAL);
}

static void waitid_tells(void)
{
    siginfo_t info;
    pid_t child;
    CHILD(child, 5);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_status == 5 && info.si_code == CLD_EXITED);
    CHECK(info.si_signo == SIGCHLD);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == -1 && errno == ECHILD);
    CHECK(waitid(P_ALL, 0, &info, 0) == -1 && errno == EINVAL);
    CHECK(waitid(77, 0, &info, WEXITED) == -1 && errno == EINVAL);
    CHILD(child, pause_for_ever());
    info.si_pid = 77;
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    kill(child, SIGKILL);
    CHECK(waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED) == 0);
    CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL);
}

static void usage(void)
{
    struct rusage usage;
    pid_t child = fork();
    if (child == 0) {
        for (volatile int i = 0; i < 3000000; i++) {}
        _exit(0);
    }
    CHECK(wait4(child, 0, 0, &usage) == child);
    CHECK(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec > 100);
    CHECK(usage.ru_minflt > 0 && usage.ru_maxrss > 0);
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0 && usage.ru_maxrss > 0);
    CHECK(getrusage(77, &usage) == -1 && errno == EINVAL);
}

static void groups(void)
{
    pid_t leader, member;
    int status;
    CHILD(leader, pause_for_ever());
    CHECK(setpgid(leader, leader) == 0 && getpgid(leader) == leader);
    if ((member = fork()) == 0) {
        setpgid(0, leader);
        pause_for_ever();
    }
    while (getpgid(member) != leader)
        sleep_ms(1);
    CHECK(kill(-leader, SIGTERM) == 0);
    CHECK(waitpid(-leader, &status, 0) > 0);
    CHECK(waitpid(-leader, &status, 0) > 0);
    CHECK(waitpid(-leader, &status, 0) == -1 && errno == ECHILD);
    if ((leader = fork()) == 0) {
        pid_t session = setsid();
        int same = session == getpid() && getsid(0) == session && getpgrp() == session;
        _exit(!same || setsid() != -1 || errno != EPERM || setpgid(0, 0) != -1);
    }
    CHECK(ending(leader) == 0);
    CHECK(setpgid(0, -1) == -1 && errno == EINVAL);
    CHECK(setpgid(99999, 0) == -1 && errno == ESRCH);
    CHECK(getpgid(99999) == -1 && errno == ESRCH);
}

/* A stopped member of a group that loses its last link to the session gets SIGHUP and SIGCONT. */
static void orphaned_group(void)
{
    int ends[2];
    char byte = 0;
    CHECK(pipe(ends) == 0);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            catch(SIGHUP, 0);
            write(ends[1], "r", 1);
            raise(SIGSTOP);
            _exit(write(ends[1], got == SIGHUP ? "h" : "n", 1) != 1);
        }
        waitpid(child, 0, WUNTRACED);
        _exit(0);
    }
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'r');
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'h');
    CHECK(ending(leader) == 0);
}

static void told_of_children(void)
{
    int status;
    pid_t child;
    catch(SIGCHLD, 0);
    CHILD(child, 3);
    while (!got)
        sleep_ms(1);
    CHECK(got == SIGCHLD && code == CLD_EXITED && sender == child);
    CHECK(ending(child) == 3);
    catch(SIGCHLD, 0);
    CHILD(child, raise(SIGSTOP));
    while (!got)
        sleep_ms(1);
    CHECK(code == CLD_STOPPED && sender == child);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    while (code != CLD_CONTINUED && code != CLD_EXITED)
        sleep_ms(1);
    CHECK(ending(child) == 0);
    /* Children that nobody wants to hear of leave nothing behind. */
    signal(SIGCHLD, SIG_IGN);
    CHILD(child, 0);
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
}

static void stopping(void)
{
    int ends[2], status;
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t child;
    CHILD(child, read(ends[0], &byte, 1) == 1 ? 7 : 1);
    sleep_ms(10);
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(ending(child) == 7);
    /* A sleep goes on after a stop. */
    struct timespec pause = {0, 50000000};
    CHILD(child, nanosleep(&pause, 0) == 0 ? 9 : 1);
    sleep_ms(10);
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGCONT);
    CHECK(ending(child) == 9);
    /* What is stopped can be killed. */
    CHILD(child, pause_for_ever());
    kill(child, SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    kill(child, SIGKILL);
    CHECK(ending(child) == -SIGKILL);
}

/* A process that wants to go with its parent does: its end of the pipe is closed then. */
static void with_the_parent(void)
{
    int ends[2];
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            write(ends[1], "r", 1);
            pause_for_ever();
        }
        _exit(read(ends[0], &byte, 1) != 1);
    }
    close(ends[1]);
    CHECK(ending(child) == 0);
    CHECK(read(ends[0], &byte, 1) == 0);
}

/* Many at once, and signals at any moment. */
static void churn(void)
{
    for (int round = 0; round < 8; round++) {
        pid_t children[16], child;
        int status, count = 0;
        for (int i = 0; i < 16; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                for (int j = 0; j < i; j++) {
                    CHILD(child, 0);
                    waitpid(child, 0, 0);
                }
                _exit(i & 1 ? pause_for_ever() : 0);
            }
        }
        for (int i = 1; i < 16; i += 2)
            kill(children[i], i & 2 ? SIGKILL : SIGTERM);
        while (wait(&status) > 0)
            count++;
        CHECK(count == 16);
    }
}

static void *forking(void *unused)
{
    for (int i = 0; i < 20; i++) {
        pid_t child;
        CHILD(child, i);
        if (ending(child) != i)
            return "wrong";
    }
    return unused;
}

static void forking_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, forking, 0);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(result == 0);
    }
}

int main(void)
{
    static const struct test tests[] = {
        {"waiting", waiting},
        {"orphans", orphans},
        {"killing", killing},
        {"waitid", waitid_tells},
        {"usage", usage},
        {"groups", groups},
        {"orphaned group", orphaned_group},
        {"told of children", told_of_children},
        {"stopping", stopping},
        {"with the parent", with_the_parent},
        {"churn", churn},
        {"forking threads", forking_threads},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
