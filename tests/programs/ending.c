/* Ways to end, chosen by the argument. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void bye(void) { puts("at exit"); }

static void *exiting(void *code)
{
    exit((int)(long)code);
}

static int deep(int n)
{
    volatile char frame[4096];
    frame[0] = (char)n;
    return deep(n + 1) + frame[0];
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    atexit(bye);
    printf("ending by %s\n", how);
    if (!strcmp(how, "return"))
        return 42;
    if (!strcmp(how, "exit"))
        exit(256 + 5);
    if (!strcmp(how, "_exit")) {
        fflush(stdout);
        _exit(6);
    }
    if (!strcmp(how, "thread")) {
        pthread_t thread;
        pthread_create(&thread, 0, exiting, (void *)11);
        for (;;)
            pause();
    }
    fflush(stdout);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "segv"))
        *(volatile char *)8 = 1;
    if (!strcmp(how, "text"))
        *(volatile char *)main = 1;
    if (!strcmp(how, "data")) {
        static int code = 0x00008067;
        ((void (*)(void))&code)();
    }
    if (!strcmp(how, "stack"))
        return deep(0);
    if (!strcmp(how, "illegal"))
        __asm__ volatile(".insn 4, 0x0000000b");
    if (!strcmp(how, "break"))
        __asm__ volatile("ebreak");
    if (!strcmp(how, "term"))
        kill(getpid(), SIGTERM);
    if (!strcmp(how, "kill"))
        raise(SIGKILL);
    return 1;
}
