/* Many processes on the same files: named pipes opened from both sides, lines appended at once,
   names made and taken from each other, one file written through mappings and through calls. */
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 4, LINES = 200, ROUNDS = 100, LENGTH = 65536 };

static int all_failed(void)
{
    int status, failed = 0;
    while (wait(&status) > 0)
        failed += status != 0;
    return failed;
}

/* Both sides wait for each other, again and again. */
static int meetings(void)
{
    int wrong = mkfifo("fifo", 0600);
    for (int i = 0; i < 60; i++) {
        if (fork() == 0) {
            int writer = open("fifo", O_WRONLY);
            _exit(writer < 0 || write(writer, "x", 1) != 1);
        }
        char byte = 0;
        int reader = open("fifo", O_RDONLY);
        wrong += read(reader, &byte, 1) != 1 || byte != 'x';
        close(reader);
        wrong += all_failed();
    }
    return wrong;
}

static void append(int number)
{
    char line[32];
    int f = open("lines", O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (int i = 0; i < LINES; i++) {
        int length = snprintf(line, sizeof line, "%d:%d\n", number, i);
        if (write(f, line, (size_t)length) != length)
            _exit(1);
    }
    close(f);
}

/* Any of these may fail, as others do the same. */
static void confuse(int number)
{
    char a[16], b[16];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(a, sizeof a, "r%d", (i * 7 + number) % 5);
        snprintf(b, sizeof b, "r%d", (i * 3 + number) % 5);
        close(open(a, O_CREAT | O_RDWR, 0600));
        rename(a, b);
        unlink(a);
        link(b, a);
        mkdir("directory", 0700);
        rename("directory", "other");
        rmdir("other");
        rmdir("directory");
    }
}

/* Lines that are there; those of one process must be in their order. */
static int appended(void)
{
    for (int i = 0; i < CROWD; i++)
        if (fork() == 0) {
            append(i);
            confuse(i);
            _exit(0);
        }
    if (all_failed())
        return -1;
    FILE *stream = fopen("lines", "r");
    int lines = 0, who, line, next[CROWD] = {0};
    while (fscanf(stream, "%d:%d\n", &who, &line) == 2 && who < CROWD && next[who]++ == line)
        lines++;
    fclose(stream);
    return lines;
}

/* Every fourth byte is of one process, written in one of two ways. */
static int mapped(void)
{
    int f = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0600), wrong = ftruncate(f, LENGTH);
    for (int i = 0; i < CROWD; i++)
        if (fork() == 0) {
            unsigned char *map = mmap(0, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
            unsigned char own = (unsigned char)(i + 1);
            for (int at = i; at < LENGTH; at += CROWD)
                if (at & 24)
                    map[at] = own;
                else if (pwrite(f, &own, 1, at) != 1)
                    _exit(1);
            _exit(0);
        }
    wrong += all_failed();
    unsigned char *map = mmap(0, LENGTH, PROT_READ, MAP_SHARED, f, 0);
    for (int at = 0; at < LENGTH; at++)
        wrong += map[at] != at % CROWD + 1;
    return wrong;
}

int main(void)
{
    by_lines();
    NUMBER(meetings());
    NUMBER(appended());
    NUMBER(mapped());
    return 0;
}
