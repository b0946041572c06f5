/* Pipes: a pipeline of three processes, more bytes than a pipe holds, poll, descriptors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 300000 };

static void produce(int to)
{
    char block[777];
    for (int sent = 0; sent < BYTES;) {
        int len = BYTES - sent < (int)sizeof block ? BYTES - sent : (int)sizeof block;
        for (int i = 0; i < len; i++)
            block[i] = (char)((sent + i) * 7 % 251);
        int put = (int)write(to, block, (size_t)len);
        if (put < 0)
            _exit(1);
        sent += put;
    }
    _exit(0);
}

static void filter(int from, int to)
{
    char block[1000];
    ssize_t len;
    while ((len = read(from, block, sizeof block)) > 0) {
        for (int i = 0; i < len; i++)
            block[i] ^= 0x55;
        if (write(to, block, (size_t)len) != len)
            _exit(1);
    }
    _exit(0);
}

int main(void)
{
    int first[2], second[2];
    if (pipe(first) || pipe2(second, O_CLOEXEC))
        return 1;
    fflush(stdout);
    if (fork() == 0) {
        close(first[0]);
        produce(first[1]);
    }
    close(first[1]);
    if (fork() == 0) {
        close(second[0]);
        filter(first[0], second[1]);
    }
    close(first[0]);
    close(second[1]);
    unsigned long sum = 0, total = 0;
    unsigned char block[4096];
    ssize_t len;
    while ((len = read(second[0], block, sizeof block)) > 0) {
        for (int i = 0; i < len; i++)
            sum = sum * 33 + block[i];
        total += (unsigned long)len;
    }
    printf("%lu bytes, sum %lx\n", total, sum);
    while (wait(0) > 0) {}

    int ends[2];
    if (pipe(ends))
        return 1;
    struct pollfd polled = {ends[0], POLLIN, 0};
    printf("empty: %d\n", poll(&polled, 1, 0));
    if (write(ends[1], "abc", 3) != 3)
        return 1;
    printf("full: %d %x\n", poll(&polled, 1, 1000), polled.revents);
    int copy = dup(ends[0]);
    char text[8] = "";
    printf("copy reads %zd", read(copy, text, sizeof text));
    printf(" %s\n", text);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    printf("nothing there: %zd\n", read(ends[0], text, 1));
    close(ends[1]);
    printf("end: %zd, %d %x\n", read(copy, text, 1), poll(&polled, 1, 0), polled.revents);
    fflush(stdout);
    dup2(1, 40);
    dprintf(40, "through a copy\n");
    return 0;
}
