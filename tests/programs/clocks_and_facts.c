/* Clocks and what they measure, and what a system says of itself and of a process: names, limits,
   processors, identities, randomness; as far as it is the same everywhere. */
#include "paths.h"
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>

static long ns_between(struct timespec from, struct timespec to)
{
    return (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec;
}

static void clocks(void)
{
    struct timespec before, after, bad = {0, 1000000000};
    struct timeval day;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    sleep_ms(20);
    CHECK(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    CHECK(ns_between(before, after) >= 20000000);
    for (int i = 0; i < 1000; i++) {
        before = after;
        clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK(ns_between(before, after) >= 0);
    }
    CHECK(gettimeofday(&day, 0) == 0 && day.tv_usec >= 0 && day.tv_usec < 1000000);
    CHECK(clock_getres(CLOCK_MONOTONIC, &after) == 0 && after.tv_sec == 0);
    CHECK(clock_gettime(77, &after) == -1 && errno == EINVAL);
    CHECK(nanosleep(&bad, 0) == -1 && errno == EINVAL);
    bad.tv_nsec = -1;
    CHECK(nanosleep(&bad, 0) == -1 && errno == EINVAL);
    clock_gettime(CLOCK_MONOTONIC, &before);
    before.tv_nsec += 20000000;
    before.tv_sec += before.tv_nsec / 1000000000;
    before.tv_nsec %= 1000000000;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &before, 0) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(ns_between(before, after) >= 0);
    /* What is past is no reason to wait. */
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &before, 0) == 0);
}

static void time_used(void)
{
    struct timespec start, end, thread;
    struct tms ticks;
    struct rusage usage;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start) == 0);
    for (volatile int i = 0; i < 1000000; i++) {}
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end) == 0 && ns_between(start, end) > 1000);
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &thread) == 0 && thread.tv_nsec > 1000);
    CHECK(times(&ticks) != -1);
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 0);
}

static void facts(void)
{
    struct utsname names;
    struct sysinfo info;
    cpu_set_t processors;
    char text[16];
    CHECK(uname(&names) == 0 && !strcmp(names.sysname, "Linux"));
    CHECK(!strcmp(names.machine, "riscv64"));
    CHECK(sysinfo(&info) == 0 && info.procs > 0 && info.mem_unit > 0);
    CHECK(info.totalram > 0 && info.freeram > 0 && info.freeram <= info.totalram);
    CHECK(sched_getaffinity(0, sizeof processors, &processors) == 0);
    CHECK(CPU_COUNT(&processors) >= 1);
    CHECK(sched_yield() == 0);
    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_CLKTCK) == 100);
    CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0);
    CHECK(prctl(PR_GET_NAME, text) == 0 && !strcmp(text, "a name that is "));
    CHECK(prctl(77777, 0, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(syscall(9999) == -1 && errno == ENOSYS);
}

static void limits(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 8 << 20);
    CHECK(getrlimit(77, &limit) == -1 && errno == EINVAL);
    limit = (struct rlimit){2, 1};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == -1 && errno == EINVAL);
    limit = (struct rlimit){10, 10};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = 0, next;
    while ((next = dup(0)) >= 0)
        last = next;
    CHECK(errno == EMFILE && last == 9);
    CHECK(prlimit(getpid(), RLIMIT_NOFILE, 0, &limit) == 0 && limit.rlim_max == 10);
    CHECK(getpriority(PRIO_PROCESS, 0) == 0);
}

static void randomness(void)
{
    unsigned char bytes[2][64] = {0};
    int zeros = 0;
    CHECK(getentropy(bytes[0], 64) == 0 && getrandom(bytes[1], 64, 0) == 64);
    CHECK(memcmp(bytes[0], bytes[1], 64));
    for (int i = 0; i < 64; i++)
        zeros += bytes[0][i] == 0;
    CHECK(zeros < 16);
    CHECK(getrandom(bytes[0], 64, 0x7700) == -1 && errno == EINVAL);
}

/* Who gives up being the superuser does not become it again, and may do less. */
static void identities(void)
{
    uid_t real, effective, saved;
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, 0) || setgid(5) || setuid(7) || getuid() != 7 || geteuid() != 7)
            _exit(1);
        if (setuid(0) != -1 || errno != EPERM || setgid(0) != -1 || errno != EPERM)
            _exit(2);
        if (kill(getppid(), 0) != -1 || errno != EPERM)
            _exit(3);
        _exit(sethostname("x", 1) == -1 && errno == EPERM ? 0 : 4);
    }
    CHECK(ending(child) == 0);
    CHECK(getresuid(&real, &effective, &saved) == 0 && real == 0 && effective == 0 && saved == 0);
    /* For a while, and back. */
    CHECK(seteuid(7) == 0 && geteuid() == 7 && getuid() == 0);
    CHECK(setuid(8) == -1 && errno == EPERM);
    CHECK(seteuid(0) == 0 && geteuid() == 0);
}

/* What uname says of a domain is what /proc does, and is changed there, too. */
static void domain(void)
{
    struct utsname names;
    int f = open("/proc/sys/kernel/domainname", O_WRONLY);
    CHECK(setdomainname("example", 7) == 0 && uname(&names) == 0);
    TEXT(names.domainname);
    TEXT(get("/proc/sys/kernel/domainname"));
    CHECK(write(f, "other\n", 6) == 6 && uname(&names) == 0);
    TEXT(names.domainname);
    CHECK(setdomainname("", 0) == 0 && uname(&names) == 0);
    CHECK(names.domainname[0] == 0);
    CHECK(!strcmp(get("/proc/sys/kernel/domainname"), "\n"));
}

int main(void)
{
    static const struct test tests[] = {
        {"clocks", clocks},
        {"time used", time_used},
        {"facts", facts},
        {"limits", limits},
        {"randomness", randomness},
        {"identities", identities},
        {"domain", domain},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
