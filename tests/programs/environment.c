/* What a program is told of itself: arguments, environment, directory, limits, name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("%d arguments\n", argc - 1);
    for (int i = 1; i < argc; i++)
        printf("%d %zu [%s]\n", i, strlen(argv[i]), argv[i]);
    const char *names[] = {"SET_HERE", "WITH_EQUALS", "EMPTY", "NOT_SET"};
    for (int i = 0; i < 4; i++) {
        const char *value = getenv(names[i]);
        printf("%s=%s\n", names[i], value ? value : "(none)");
    }
    setenv("SET_HERE", "changed", 1);
    unsetenv("EMPTY");
    printf("%s %d\n", getenv("SET_HERE"), getenv("EMPTY") == 0);
    printf("page %ld, secure %lu\n", sysconf(_SC_PAGESIZE), getauxval(AT_SECURE));
    printf("random %d, phdr %d\n", getauxval(AT_RANDOM) != 0, getauxval(AT_PHDR) != 0);
    printf("%d\n", chdir("/tmp"));
    char *directory = getcwd(0, 0);
    printf("in %s\n", directory);
    return argc;
}
