/* Addresses where nothing may be read or written, as every argument that is one, of every system
   call that takes one. A line for each argument says what the call answers to an address where
   nothing is, and which other addresses have another answer. The table of calls is in
   bad_addresses.h. */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "bad_addresses.h"

enum { PAGE = 4096 };

struct place {
    const char *name;
    unsigned long address;
    /* May it be read? Then it is none for calls that only read. */
    enum { NOTHING, READABLE } allows;
};

/* The first is the one that the others are compared with. */
enum { HOLE, PLACES = 11, CROSSING = PLACES - 1 };
static struct place places[PLACES];

static unsigned long map(int protection)
{
    void *at = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 'x', PAGE);
    mprotect(at, PAGE, protection);
    return (unsigned long)at;
}

/* The page behind the end of a file. */
static unsigned long behind_a_file(void)
{
    int f = open("short", O_RDWR | O_CREAT, 0600);
    if (ftruncate(f, PAGE))
        perror("short");
    char *at = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    close(f);
    return (unsigned long)at + PAGE;
}

/* A page with nothing behind it: its end. */
static unsigned long edge(void)
{
    char *at = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 'x', PAGE);
    munmap(at + PAGE, PAGE);
    return (unsigned long)at + PAGE;
}

static void find_places(void)
{
    unsigned long hole = map(PROT_READ);
    munmap((void *)hole, PAGE);
    const struct place all[PLACES] = {
        {"hole", hole, NOTHING},
        {"null", 0, NOTHING},
        {"first page", 0x808, NOTHING},
        {"not reachable", 1UL << 62, NOTHING},
        {"kernel", 0xffffffff80200000, NOTHING},
        {"last bytes", -8UL, NOTHING},
        {"no access", map(PROT_NONE), NOTHING},
        {"only executable", map(PROT_EXEC), NOTHING},
        {"only readable", map(PROT_READ), READABLE},
        {"behind a file", behind_a_file(), NOTHING},
        {"crossing", edge(), NOTHING},
    };
    memcpy(places, all, sizeof all);
}

/* What a call answers: an error's name, or whether it is nothing or something. */
static const char *answer(const struct call *call, unsigned long address)
{
    long arguments[6];
    memcpy(arguments, call->arguments, sizeof arguments);
    arguments[call->bad] = (long)address;
    if (call->before)
        call->before();
    errno = 0;
    long result = syscall(call->number, arguments[0], arguments[1], arguments[2], arguments[3],
        arguments[4], arguments[5]);
    return result < 0 ? strerrorname_np(errno) : result ? "more" : "0";
}

static void try(const struct call *call)
{
    const char *usual = 0;
    printf("%s %d:", call->name, call->bad);
    for (int i = 0; i < PLACES; i++) {
        unsigned long address = places[i].address;
        if (call->access == READS && places[i].allows == READABLE)
            continue;
        if (i == CROSSING) {
            /* The second half of what is at the address is not there; a word is not cut in two. */
            if (call->bytes < 8)
                continue;
            memset((void *)(address - PAGE), 'x', PAGE);
            address -= call->bytes / 2;
        }
        const char *now = answer(call, address);
        if (i == HOLE)
            printf(" %s", usual = now);
        else if (strcmp(now, usual))
            printf(", %s %s", places[i].name, now);
    }
    printf("\n");
}

int main(void)
{
    by_lines();
    find_places();
    prepare();
    const struct call *calls;
    for (size_t i = 0, count = all_calls(&calls); i < count; i++)
        try(&calls[i]);
    finish();
    return 0;
}
