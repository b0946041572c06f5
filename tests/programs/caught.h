/* A handler that notes which signal came, why, and from whom. */
#ifndef CAUGHT_H
#define CAUGHT_H
#include <signal.h>

static volatile sig_atomic_t got, code, sender;

static void note(int number, siginfo_t *info, void *context)
{
    (void)context;
    got = number;
    code = info->si_code;
    sender = info->si_pid;
}

static void catch(int number, int flags)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, 0);
    got = 0;
}

#endif
