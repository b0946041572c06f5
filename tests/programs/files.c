/* Files and directories: making, writing, seeking, listing, renaming, links, errors. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
    DIR *directory = opendir(path);
    char *names[64];
    size_t count = 0;
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) && count < 64)
        names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, by_name);
    printf("%s:", path);
    for (size_t i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
    if (directory)
        closedir(directory);
}

int main(void)
{
    umask(022);
    char directory[] = "/tmp/files-XXXXXX";
    if (!mkdtemp(directory) || chdir(directory))
        return 1;
    say("mkdir", mkdir("d", 0755));
    say("mkdir again", mkdir("d", 0755));
    int file = open("d/f", O_RDWR | O_CREAT | O_EXCL, 0644);
    say("create again", open("d/f", O_RDWR | O_CREAT | O_EXCL, 0644));
    struct iovec pieces[] = {{"one ", 4}, {"two ", 4}, {"three", 5}};
    say("writev", writev(file, pieces, 3));
    say("seek", lseek(file, -5, SEEK_END));
    char text[32] = "";
    say("read", read(file, text, 31));
    printf("[%s]\n", text);
    say("far", lseek(file, 100000, SEEK_SET));
    say("write", write(file, "!", 1));
    struct stat status;
    say("stat", fstat(file, &status));
    printf("size %ld mode %o links %ld\n", (long)status.st_size, status.st_mode,
        (long)status.st_nlink);
    say("truncate", ftruncate(file, 7));
    say("link", link("d/f", "hard"));
    say("symlink", symlink("d/f", "soft"));
    say("readlink", readlink("soft", text, sizeof text));
    say("stat", stat("soft", &status));
    printf("size %ld links %ld\n", (long)status.st_size, (long)status.st_nlink);
    say("lstat", lstat("soft", &status));
    printf("is a link %d\n", S_ISLNK(status.st_mode));
    list(".");
    say("rename", rename("hard", "d/moved"));
    list("d");
    say("rmdir", rmdir("d"));
    say("unlink", unlink("d/f"));
    say("dangling", open("soft", O_RDONLY));
    say("access", access("d/moved", R_OK));
    say("chmod", chmod("d/moved", 0400));
    say("stat", stat("d/moved", &status));
    printf("mode %o\n", status.st_mode);
    say("directory", open("d", O_WRONLY));
    say("below a file", open("d/moved/x", O_RDONLY));
    say("closed", write(77, "x", 1));
    FILE *stream = fopen("stream", "w+");
    for (int i = 0; i < 3000; i++)
        fprintf(stream, "line %d\n", i);
    say("position", ftell(stream));
    rewind(stream);
    int sum = 0, number;
    while (fscanf(stream, "line %d\n", &number) == 1)
        sum += number;
    say("sum", sum);
    return 0;
}
