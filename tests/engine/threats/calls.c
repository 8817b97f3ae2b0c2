/* System calls by which containers have reached their hosts, tried without harm. Prints the name of each that succeeds.
 *
 *   calls                    try them
 *   calls refused            print the interfaces that the kernel seems not to have
 *   calls handle PATH        print the handle of a file, for the environment variable HANDLE
 *   calls key NAME           put a key into the keyring of this user, for the environment variable KEY, and wait
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define USER_KEYRING -4
#define PROCESS_KEYRING -2
#define KEYCTL_SEARCH 10
#define KEYCTL_READ 11

struct handle {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
};

static int print_handle(const char *path) {
    struct handle handle = {.head.handle_bytes = MAX_HANDLE_SZ};
    int mount;
    if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0)) return perror(path), 1;
    printf("%d:", handle.head.handle_type);
    for (unsigned i = 0; i < handle.head.handle_bytes; i++) printf("%02x", handle.head.f_handle[i]);
    puts("");
    return 0;
}

static int add_key(const char *name) {
    if (syscall(SYS_add_key, "user", name, "reached", 7, USER_KEYRING) < 0) return perror(name), 1;
    puts("added");
    fflush(stdout);
    pause();
    return 0;
}

/* A file of the host that is not mounted here, by its handle on a file system of which something is mounted. */
static int file_handle(void) {
    struct handle handle = {0};
    const char *text = getenv("HANDLE");
    char content[7] = "";
    unsigned byte, length = 0;
    if (!text || sscanf(text, "%d:", &handle.head.handle_type) != 1) return 0;
    for (text = strchr(text, ':') + 1; sscanf(text, "%2x", &byte) == 1; text += 2) handle.head.f_handle[length++] = byte;
    handle.head.handle_bytes = length;
    int mount = open("/etc/hosts", O_RDONLY), file = open_by_handle_at(mount, &handle.head, O_RDONLY);
    return file >= 0 && read(file, content, 7) == 7 && !memcmp(content, "reached", 7);
}

/* A key of the user of the host with the same number. */
static int host_key(void) {
    char content[8] = "";
    const char *name = getenv("KEY");
    if (!name) return 0;
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, USER_KEYRING, "user", name, PROCESS_KEYRING);
    return key > 0 && syscall(SYS_keyctl, KEYCTL_READ, key, content, 8) == 7 && !memcmp(content, "reached", 7);
}

/* A module that is none: the kernel looks at it only for those who may load one. */
static int kernel_module(void) { return syscall(SYS_init_module, "none", 4L, "") && errno == ENOEXEC; }

/* Wrong flags, likewise. */
static int other_kernel(void) { return syscall(SYS_kexec_load, 0L, 0L, NULL, 0xffffL) && errno == EINVAL; }

/* A program that would run at a probe of the kernel. */
static int kernel_probe(void) {
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr program = {.prog_type = BPF_PROG_TYPE_KPROBE, .insns = (unsigned long)code, .insn_cnt = 2,
                              .license = (unsigned long)"GPL"};
    return syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof program) >= 0;
}

/* What all processes of a processor do. */
static int all_processes(void) {
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK};
    return syscall(SYS_perf_event_open, &event, -1, 0, -1, 0L) >= 0;
}

static int raw_ports(void) {
#ifdef __x86_64__
    return ioperm(0x80, 1, 1) == 0;
#else
    return 0;
#endif
}

/* The time zone that the kernel has already. */
static int clock_of_host(void) {
    struct timezone zone;
    struct timeval now;
    return !gettimeofday(&now, &zone) && !syscall(SYS_settimeofday, NULL, &zone);
}

static int print_refused(void) {
    if (syscall(SYS_keyctl, 0, USER_KEYRING, 0) < 0 && errno == ENOSYS) puts("keyrings");
    if (syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS) puts("io_uring");
    if (syscall(SYS_userfaultfd, -1) < 0 && errno == ENOSYS) puts("userfaultfd");
    return 0;
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "refused")) return print_refused();
    if (count == 3 && !strcmp(words[1], "handle")) return print_handle(words[2]);
    if (count == 3 && !strcmp(words[1], "key")) return add_key(words[2]);
    static const struct {
        const char *name;
        int (*try)(void);
    } all[] = {{"file_handle", file_handle}, {"host_key", host_key},           {"kernel_module", kernel_module},
               {"kexec", other_kernel},      {"bpf", kernel_probe},            {"perf", all_processes},
               {"raw_ports", raw_ports},     {"clock", clock_of_host}};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].try()) puts(all[i].name);
    return 0;
}
