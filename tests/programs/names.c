/* Names, each call with its result: directories, links of both kinds, renaming, the working
   directory, and the many ways in which these are refused. */
#include "paths.h"
#include <dirent.h>
#include <stdlib.h>
#include <sys/syscall.h>

static char buf[5000], base[4096];
static struct stat st;

static long nlink(const char *path) { return lstat(path, &st) ? -errno : (long)st.st_nlink; }
static int succeeds(int file) { return file < 0 ? -1 : close(file); }

/* The working directory, below that in which the program was started. */
static const char *here(void)
{
    if (!getcwd(buf, sizeof buf))
        return strerrorname_np(errno);
    return strncmp(buf, base, strlen(base)) ? buf : buf + strlen(base);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
    DIR *directory = opendir(path);
    char *names[100], line[300];
    size_t count = 0;
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) && count < 100) {
        snprintf(line, sizeof line, "%s/%d", entry->d_name, entry->d_type);
        names[count++] = strdup(line);
    }
    qsort(names, count, sizeof *names, by_name);
    printf("%s has", path);
    for (size_t i = 0; i < count; free(names[i++]))
        printf(" %s", names[i]);
    printf("\n");
    if (directory)
        closedir(directory);
}

static void directories(void)
{
    put("f", "text of f");
    CALL(mkdir("d", 0777));
    NUMBER(mode("d"));
    CALL(mkdir("d", 0777));
    CALL(mkdir("d/e/f", 0777));
    CALL(mkdir("d/e/", 0700));
    CALL(mkdir(".", 0700));
    CALL(mkdir("f/x", 0700));
    NUMBER(nlink("d"));
    NUMBER(mode("d/e"));
    CALL(rmdir("d"));
    CALL(rmdir("f"));
    CALL(rmdir("no"));
    CALL(rmdir("."));
    CALL(rmdir("d/.."));
    CALL(rmdir("/"));
    CALL(unlink("d"));
    CALL(unlink("no"));
    CALL(unlink("f/"));
    CALL(rmdir("d/e/"));
    NUMBER(nlink("d"));
    CALL(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR));
    CALL(unlinkat(AT_FDCWD, "f", 77));
}

static void links(void)
{
    CALL(link("f", "l"));
    NUMBER(nlink("f"));
    CALL(link("f", "l"));
    CALL(link("d", "l2"));
    CALL(link("no", "l2"));
    CALL(unlink("l"));
    NUMBER(nlink("f"));
    CALL(link("f", "l3/"));
    CALL(symlink("f", "s"));
    TEXT(get("s"));
    NUMBER(mode("s"));
    CALL(readlink("s", buf, 100));
    CALL(readlink("f", buf, 10));
    CALL(readlink("no", buf, 10));
    CALL(symlink("", "s2"));
    CALL(symlink("x", "s"));
    CALL(symlink("loop", "loop"));
    CALL(open("loop", O_RDONLY));
    CALL(open("s", O_RDONLY | O_NOFOLLOW));
    int f = open("s", O_PATH | O_NOFOLLOW);
    CALL(fstat(f, &st));
    NUMBER(st.st_mode);
    CALL(readlinkat(f, "", buf, 10));
    close(f);
    CALL(symlink("d", "sd"));
    CALL(succeeds(open("sd/", O_RDONLY)));
    CALL(lstat("sd/", &st));
    NUMBER(S_ISDIR(st.st_mode));
    CALL(rmdir("sd/"));
    CALL(unlink("sd/"));
    CALL(mkdir("sd", 0700));
    CALL(symlink("made", "dangling"));
    put("dangling", "through");
    TEXT(get("made"));
    CALL(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
    CALL(link("s", "ls"));
    NUMBER(mode("ls"));
    CALL(linkat(AT_FDCWD, "s", AT_FDCWD, "lf", AT_SYMLINK_FOLLOW));
    NUMBER(mode("lf"));
}

static void lengths(void)
{
    char name[300];
    memset(name, 'a', sizeof name);
    name[256] = 0;
    CALL(open(name, O_CREAT | O_RDWR, 0600));
    name[255] = 0;
    CALL(succeeds(open(name, O_CREAT | O_RDWR, 0600)));
    CALL(unlink(name));
    memset(buf, '/', sizeof buf);
    buf[sizeof buf - 1] = 0;
    CALL(open(buf, O_RDONLY));
    CALL(chdir(buf));
    buf[4095] = 0;
    CALL(succeeds(open(buf, O_RDONLY)));
    CALL(stat("", &st));
}

static void renaming(void)
{
    list(".");
    CALL(rename("f", "f2"));
    TEXT(get("f"));
    CALL(rename("no", "x"));
    CALL(rename("f2", "d"));
    CALL(rename("d", "f2"));
    CALL(rename("d", "d/x"));
    CALL(rename("f2", "d/f3"));
    list("d");
    TEXT(get("d/f3"));
    CALL(rename("d/f3", "f"));
    CALL(mkdir("d2", 0700));
    CALL(rename("d2", "d"));
    NUMBER(mode("d"));
    CALL(mkdir("full", 0700));
    CALL(mkdir("full/in", 0700));
    CALL(rename("d", "full"));
    CALL(rename("full/in", "full"));
    CALL(renameat2(AT_FDCWD, "f", AT_FDCWD, "made", RENAME_NOREPLACE));
    CALL(renameat2(AT_FDCWD, "f", AT_FDCWD, "full", RENAME_EXCHANGE));
    NUMBER(mode("f"));
    NUMBER(mode("full"));
    CALL(renameat2(AT_FDCWD, "f", AT_FDCWD, "full", RENAME_EXCHANGE));
    CALL(renameat2(AT_FDCWD, "f", AT_FDCWD, "no", RENAME_EXCHANGE));
    CALL(renameat2(AT_FDCWD, "f", AT_FDCWD, "no", 99));
    CALL(rename("f", "f"));
    CALL(rename("f", "nf/"));
    CALL(rename("d/.", "x"));
    CALL(rename("..", "x"));
    CALL(rename(".", "q"));
    CALL(link("f", "same"));
    CALL(rename("f", "same"));
    NUMBER(nlink("f"));
}

static void working_directory(void)
{
    CALL(mkdir("cw", 0755));
    CALL(chdir("cw"));
    CALL(syscall(SYS_getcwd, buf, 3));
    TEXT(here());
    CALL(rename("../cw", "../cw2"));
    TEXT(here());
    CALL(rmdir("../cw2"));
    TEXT(here());
    CALL(open("x", O_CREAT | O_RDWR, 0600));
    list(".");
    CALL(chdir(".."));
    TEXT(here());
    CALL(chdir("f"));
    CALL(chdir("no"));
    int directory = open("full", O_RDONLY), file = open("f", O_RDONLY);
    CALL(fchdir(directory));
    TEXT(here());
    CALL(succeeds(openat(directory, "../f", O_RDONLY)));
    CALL(chdir(".."));
    CALL(openat(99, "f", O_RDONLY));
    CALL(succeeds(openat(99, "/", O_RDONLY)));
    CALL(openat(file, "x", O_RDONLY));
    CALL(fchdir(file));
    CALL(syscall(SYS_getdents64, directory, buf, 10));
    CALL(syscall(SYS_getdents64, file, buf, 1000));
    close(directory);
    close(file);
}

/* Entries that go while they are read are each seen once. */
static void many(void)
{
    char name[16];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many%d", i);
        put(name, "");
    }
    int count = 0;
    DIR *directory = opendir(".");
    struct dirent *entry;
    while ((entry = readdir(directory)))
        if (!strncmp(entry->d_name, "many", 4)) {
            count++;
            unlink(entry->d_name);
        }
    NUMBER(count);
    closedir(directory);
    list(".");
}

int main(void)
{
    by_lines();
    umask(022);
    if (mkdir("work", 0755) || chdir("work") || !getcwd(base, sizeof base))
        return 1;
    directories();
    links();
    lengths();
    renaming();
    working_directory();
    many();
    return 0;
}
