/* The least that a program can do: print a line, and say with which words it was called. */
#include <stdio.h>

int main(int argc, char **argv)
{
    puts("hello, world");
    for (int i = 1; i < argc; i++)
        printf("%d: [%s]\n", i, argv[i]);
    return 0;
}
