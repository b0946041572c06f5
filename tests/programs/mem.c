/* Counts in memory of its own, a number a step, as the programs do that show what an address
   space is. Arguments: how far to count, and the milliseconds between two steps. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 5;
    long pause_ms = argc > 2 ? atol(argv[2]) : 1;
    int *p = malloc(sizeof *p);
    if (!p)
        return 1;
    for (*p = 0; *p < steps;) {
        struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        nanosleep(&pause, 0);
        ++*p;
        printf("p: %d\n", *p);
    }
    /* Large and small pieces, written and read again. */
    unsigned long sum = 0;
    for (size_t size = 1; size < 8 << 20; size = size * 3 + 1) {
        unsigned char *piece = malloc(size);
        if (!piece)
            return 2;
        for (size_t i = 0; i < size; i += 61)
            piece[i] = (unsigned char)(i * 31 + size);
        piece = realloc(piece, size * 2);
        for (size_t i = 0; i < size; i += 61)
            sum = sum * 131 + piece[i];
        free(piece);
    }
    unsigned char *zeros = calloc(1 << 20, 3);
    for (size_t i = 0; i < 3 << 20; i++)
        sum += zeros[i];
    printf("sum %lx\n", sum);
    return 0;
}
