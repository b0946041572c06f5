/* Starting another program, here always this one: arguments, environment, what the new one inherits
   and what it does not, from threads, from a child that borrows memory, and what cannot be started.
   */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const self = "/proc/self/exe";

/* What the new program does, by its first argument. */
static int started(int argc, char **argv, char **envp)
{
    if (!strcmp(argv[1], "exit"))
        return atoi(argv[2]);
    if (!strcmp(argv[1], "arguments")) {
        int same = argc == 5 && !strcmp(argv[0], "x") && !strcmp(argv[2], "one") && !*argv[3];
        same = same && !strcmp(argv[4], "three") && !strcmp(envp[0], "A=B");
        return !(same && !strcmp(envp[1], "C=") && !envp[2]);
    }
    if (!strcmp(argv[1], "signals")) {
        struct sigaction ignored, caught;
        sigset_t blocked;
        sigaction(SIGUSR1, 0, &ignored);
        sigaction(SIGUSR2, 0, &caught);
        sigprocmask(SIG_BLOCK, 0, &blocked);
        int same = ignored.sa_handler == SIG_IGN && caught.sa_handler == SIG_DFL;
        return !(same && sigismember(&blocked, SIGHUP) && !sigismember(&blocked, SIGINT));
    }
    if (!strcmp(argv[1], "files")) {
        int kept = fcntl(atoi(argv[2]), F_GETFD) == 0;
        return !(kept && fcntl(atoi(argv[3]), F_GETFD) == -1 && errno == EBADF);
    }
    return 99;
}

/* How a child ends that starts this program so. */
static int start(char *const argv[], char *const envp[])
{
    pid_t child = fork();
    if (child == 0) {
        execve(self, argv, envp);
        _exit(98);
    }
    return ending(child);
}

static void arguments(void)
{
    char *argv[] = {"x", "arguments", "one", "", "three", 0}, *envp[] = {"A=B", "C=", 0};
    CHECK(start(argv, envp) == 0);
    envp[1] = "C=D";
    CHECK(start(argv, envp) == 1);
}

static void inheritance(void)
{
    sigset_t hangup;
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, _exit);
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hangup, 0);
    CHECK(start((char *[]){"x", "signals", 0}, (char *[]){0}) == 0);
    char kept[16], closed[16];
    snprintf(kept, sizeof kept, "%d", open("/dev/null", O_RDONLY));
    snprintf(closed, sizeof closed, "%d", open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(start((char *[]){"x", "files", kept, closed, 0}, (char *[]){0}) == 0);
    CHECK(start((char *[]){"x", "files", kept, kept, 0}, (char *[]){0}) == 1);
}

static void write_file(const char *path, const char *text, size_t length)
{
    int f = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);
    if (write(f, text, length) != (ssize_t)length)
        perror(path);
    close(f);
}

static void refused(void)
{
    char *argv[] = {"x", 0, 0};
    size_t large = 200000;
    CHECK(execve("/nonexistent", argv, 0) == -1 && errno == ENOENT);
    CHECK(execve("", argv, 0) == -1 && errno == ENOENT);
    CHECK(execve("/", argv, 0) == -1 && errno == EACCES);
    CHECK(execve("/dev/null", argv, 0) == -1 && errno == EACCES);
    CHECK(execve(self, (char **)8, 0) == -1 && errno == EFAULT);
    CHECK(execve(self, argv, (char **)8) == -1 && errno == EFAULT);
    argv[1] = (char *)8;
    CHECK(execve(self, argv, 0) == -1 && errno == EFAULT);
    argv[1] = memset(calloc(large, 1), 'x', large - 1);
    CHECK(execve(self, argv, 0) == -1 && errno == E2BIG);
    argv[1] = 0;
    write_file("garbage", "\177ELFgarbage", 11);
    CHECK(execve("garbage", argv, 0) == -1 && errno == ENOEXEC);
    write_file("nothing", "", 0);
    CHECK(execve("nothing", argv, 0) == -1 && errno == ENOEXEC);
    write_file("plain", "text", 4);
    CHECK(chmod("plain", 0644) == 0);
    CHECK(execve("plain", argv, 0) == -1 && errno == EACCES);
    CHECK(execve("plain/x", argv, 0) == -1 && errno == ENOTDIR);
}

static void scripts(void)
{
    char *argv[] = {"script", "45", 0};
    pid_t child = fork();
    if (child == 0) {
        /* The interpreter gets its own argument, the script's path, and then the rest. */
        char text[64];
        write_file("44", text, (size_t)snprintf(text, sizeof text, "#! %s exit  \n55\n", self));
        execve("44", argv, 0);
        _exit(98);
    }
    CHECK(ending(child) == 44);
    write_file("loop", "#!loop\n", 7);
    CHECK(execve("loop", argv, 0) == -1 && errno == ELOOP);
    write_file("lost", "#!/nonexistent\n", 15);
    CHECK(execve("lost", argv, 0) == -1 && errno == ENOENT);
    write_file("empty", "#!\n", 3);
    CHECK(execve("empty", argv, 0) == -1 && errno == ENOEXEC);
}

static char *const exit_33[] = {"x", "exit", "33", 0};

static void *replace(void *unused)
{
    execv(self, exit_33);
    return unused;
}

static void *count_for_ever(void *at)
{
    for (;;)
        ++*(volatile int *)at;
    return 0;
}

/* Whichever thread starts the program, it is the only one then, and the process is the same. */
static void with_threads(void)
{
    static volatile int count;
    for (int first = 0; first < 2; first++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            pthread_create(&thread, 0, count_for_ever, (void *)&count);
            while (!count) {}
            if (first)
                replace(0);
            pthread_create(&thread, 0, replace, 0);
            for (;;)
                pause();
        }
        CHECK(ending(child) == 33);
    }
}

static void borrowed_memory(void)
{
    volatile int value = 0;
    pid_t child = vfork();
    if (child == 0) {
        value = 7;
        _exit(3);
    }
    CHECK(value == 7 && ending(child) == 3);
    child = vfork();
    if (child == 0) {
        execv(self, exit_33);
        _exit(98);
    }
    CHECK(ending(child) == 33);
}

/* Again and again, several at a time. */
static void storm(void)
{
    for (int round = 0; round < 8; round++) {
        pid_t children[8];
        for (int i = 0; i < 8; i++)
            if ((children[i] = fork()) == 0) {
                execv(self, exit_33);
                _exit(98);
            }
        for (int i = 0; i < 8; i++)
            CHECK(ending(children[i]) == 33);
    }
}

int main(int argc, char **argv, char **envp)
{
    static const struct test tests[] = {
        {"arguments", arguments},
        {"inheritance", inheritance},
        {"refused", refused},
        {"scripts", scripts},
        {"with threads", with_threads},
        {"borrowed memory", borrowed_memory},
        {"storm", storm},
    };
    if (argc > 1)
        return started(argc, argv, envp);
    return run_all(tests, sizeof tests / sizeof *tests);
}
