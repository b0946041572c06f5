/* Standard input to standard output, changed; what was read goes to standard error as numbers.
   With an argument only so many lines are read. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    long lines = argc > 1 ? atol(argv[1]) : -1, seen = 0, bytes = 0;
    int byte;
    while (seen != lines && (byte = getchar()) != EOF) {
        bytes++;
        seen += byte == '\n';
        putchar(toupper(byte));
    }
    fprintf(stderr, "%ld lines, %ld bytes\n", seen, bytes);
    return feof(stdin) ? 0 : 9;
}
