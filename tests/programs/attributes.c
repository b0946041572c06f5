/* What is known of a file beside its bytes, each call with its result: permissions, the mask for
   new ones, times, and the three calls that tell. */
#include "paths.h"
#include <sys/statfs.h>
#include <sys/syscall.h>

static struct stat st;
static struct statx sx;

static void permissions(void)
{
    put("f", "text");
    NUMBER(mode("f"));
    CALL(chmod("f", 04755));
    NUMBER(mode("f"));
    CALL(chmod("f", 07777777));
    NUMBER(mode("f"));
    CALL(chmod("no", 0644));
    CALL(chmod("f", 0644));
    CALL(access("f", 8));
    CALL(access("f", R_OK | W_OK));
    CALL(access("f", X_OK));
    CALL(access("f", F_OK));
    CALL(access("no", F_OK));
    CALL(access("f/x", F_OK));
    CALL(symlink("loop", "loop"));
    CALL(access("loop", F_OK));
    CALL(faccessat(AT_FDCWD, "loop", F_OK, AT_SYMLINK_NOFOLLOW));
    CALL(umask(077));
    put("masked", "text");
    NUMBER(mode("masked"));
    CALL(mkdir("masked-directory", 0777));
    NUMBER(mode("masked-directory"));
    CALL(umask(01022));
    CALL(umask(022));
    CALL(fchmodat(AT_FDCWD, "masked", 0755, 0));
    NUMBER(mode("masked"));
    int f = open("f", O_RDONLY);
    CALL(fchmod(f, 0600));
    NUMBER(mode("f"));
    CALL(fchown(f, -1, -1));
    CALL(fchownat(f, "", getuid(), getgid(), AT_EMPTY_PATH));
    CALL(chown("no", -1, -1));
    close(f);
}

static void times(void)
{
    struct timespec times[2] = {{100, 5}, {200, 7}};
    CALL(utimensat(AT_FDCWD, "f", times, 0));
    CALL(stat("f", &st));
    NUMBER(st.st_atime);
    NUMBER(st.st_atim.tv_nsec);
    NUMBER(st.st_mtime);
    NUMBER(st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_nsec = UTIME_NOW;
    CALL(utimensat(AT_FDCWD, "f", times, 0));
    CALL(stat("f", &st));
    NUMBER(st.st_atime);
    NUMBER(st.st_mtime > 1000);
    times[1].tv_nsec = UTIME_OMIT;
    CALL(utimensat(AT_FDCWD, "f", times, 0));
    times[0].tv_nsec = 2000000000;
    CALL(utimensat(AT_FDCWD, "f", times, 0));
    CALL(utimensat(AT_FDCWD, "no", 0, 0));
    CALL(utimensat(AT_FDCWD, "f", times, 0x7000));
    /* Reading sets no time of change, writing does. */
    times[0] = times[1] = (struct timespec){300, 0};
    int f = open("f", O_RDWR);
    char byte;
    CALL(futimens(f, times));
    CALL(read(f, &byte, 1));
    CALL(fstat(f, &st));
    NUMBER(st.st_mtime);
    CALL(write(f, "x", 1));
    CALL(fstat(f, &st));
    NUMBER(st.st_mtime > 1000);
    close(f);
}

static void told(void)
{
    CALL(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx));
    NUMBER(sx.stx_size);
    NUMBER(sx.stx_mode);
    NUMBER(sx.stx_nlink);
    NUMBER((sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    CALL(syscall(SYS_statx, AT_FDCWD, "f", 0x10000000, STATX_BASIC_STATS, &sx));
    CALL(syscall(SYS_statx, AT_FDCWD, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx));
    NUMBER(S_ISDIR(sx.stx_mode));
    CALL(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    NUMBER(S_ISDIR(st.st_mode));
    CALL(fstatat(AT_FDCWD, "", &st, 0));
    CALL(fstatat(AT_FDCWD, "f", &st, 0x40000000));
    CALL(fstat(77, &st));
    CALL(lstat("loop", &st));
    NUMBER(st.st_size);
    NUMBER(st.st_mode);
    struct statfs fs;
    CALL(statfs("f", &fs));
    NUMBER(fs.f_namelen);
    NUMBER(fs.f_bavail <= fs.f_blocks);
    CALL(statfs("no", &fs));
    CALL(fstatfs(77, &fs));
}

int main(void)
{
    by_lines();
    umask(022);
    permissions();
    times();
    told();
    return 0;
}
