/* Files and mappings of them against a model: random stores, calls to and from the mappings
   themselves, pages given back, mappings made anew; four processes at once, each with a file. */
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 200000, PIECE = 9000, STEPS = 800 };

static unsigned state;
static unsigned char model[LENGTH], piece[PIECE];

/* The file, its mapping for both, its mapping for reading, and memory of no file. */
static int file;
static unsigned char *both, *readable, *anonymous;

static unsigned any(unsigned below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static unsigned char *map(int protection, int flags, int of)
{
    return mmap(0, LENGTH, protection, flags, of, 0);
}

static void store(unsigned at, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        model[at + i] = both[at + i] = (unsigned char)any(256);
}

static int by_call(unsigned at, unsigned length)
{
    for (unsigned i = 0; i < length; i++)
        piece[i] = (unsigned char)any(256);
    memcpy(model + at, piece, length);
    return pwrite(file, piece, length, at) == (ssize_t)length;
}

static int read_back(unsigned at, unsigned length)
{
    return pread(file, piece, length, at) == (ssize_t)length && !memcmp(piece, model + at, length);
}

/* From the file into its own mapping, or from the mapping into the file. */
static int onto_itself(unsigned to, unsigned from, unsigned length)
{
    if (to < from + length && from < to + length)
        return 1;
    memcpy(model + to, model + from, length);
    ssize_t got = any(2) ? pread(file, both + to, length, from)
                         : pwrite(file, both + from, length, to);
    return got == (ssize_t)length;
}

static int into_fresh(unsigned to, unsigned from, unsigned length)
{
    int same = pread(file, anonymous + to, length, from) == (ssize_t)length
        && !memcmp(anonymous + to, model + from, length);
    return same && !madvise(anonymous, LENGTH, MADV_DONTNEED) && anonymous[to] == 0;
}

static int mapped_anew(unsigned at, unsigned length)
{
    munmap(readable, LENGTH);
    readable = map(PROT_READ, MAP_SHARED, file);
    return pwrite(file, readable + at, length, at) == (ssize_t)length;
}

static int step(void)
{
    unsigned length = 1 + any(PIECE), a = any(LENGTH - length), b = any(LENGTH - length);
    switch (any(8)) {
    case 0:
        store(a, length);
        return 1;
    case 1:
        return by_call(a, length);
    case 2:
        return read_back(a, length);
    case 3:
    case 4:
        return onto_itself(a, b, length);
    case 5:
        return !memcmp(readable + a, model + a, length);
    case 6:
        return !madvise(both, LENGTH, MADV_DONTNEED) && into_fresh(a, b, length);
    default:
        return mapped_anew(a, length);
    }
}

/* The first step that went wrong, 0 if none did. */
static int run(int number)
{
    char name[16];
    state = (unsigned)number;
    snprintf(name, sizeof name, "f%d", number);
    file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(file, LENGTH))
        return 1;
    both = map(PROT_READ | PROT_WRITE, MAP_SHARED, file);
    readable = map(PROT_READ, MAP_SHARED, file);
    anonymous = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (int i = 1; i <= STEPS; i++)
        if (!step())
            return i;
    return memcmp(both, model, LENGTH) ? STEPS + 1 : 0;
}

int main(void)
{
    by_lines();
    for (int i = 1; i <= 4; i++)
        if (fork() == 0) {
            int wrong = run(i);
            if (wrong)
                printf("file %d: wrong at step %d\n", i, wrong);
            _exit(wrong != 0);
        }
    int status, failed = 0;
    while (wait(&status) > 0)
        failed += status != 0;
    NUMBER(failed);
    return 0;
}
