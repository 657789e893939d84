// sandbox.c - see sandbox.h.

#include "query/server/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "index/base/bytes.h"
#include "index/base/log.h"

static unsigned held; // pieces in place; written before threads start

// The leak check traces its own process, which is refused from here on.
#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECK
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECK
#endif
#endif
#ifdef HAS_LEAK_CHECK
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return held != 0;
}
#endif

// ------------------------------------------------------------- Landlock
//
// Numbers of the kernel's interface, also where its header is older.

enum {
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_NET = 4,
    ABI_IOCTL = 5,
    ABI_SCOPE = 6,
    NET_TCP = 3,        // bind and connect
    SCOPE_ALL = 3,      // abstract Unix sockets and signals
    FS_BITS_FIRST = 13, // accesses of the first version: bits 0 to 12
};

// struct landlock_ruleset_attr as of ABI_SCOPE; older kernels take less of it.
struct ruleset {
    uint64_t fs, net, scoped;
};

static size_t ruleset_len(int abi)
{
    if (abi >= ABI_SCOPE) return sizeof(struct ruleset);
    return abi >= ABI_NET ? offsetof(struct ruleset, scoped)
                          : offsetof(struct ruleset, net);
}

static struct ruleset everything(int abi)
{
    unsigned bits = FS_BITS_FIRST;

    if (abi >= ABI_REFER) bits++;
    if (abi >= ABI_TRUNCATE) bits++;
    if (abi >= ABI_IOCTL) bits++;
    return (struct ruleset){
        .fs = (UINT64_C(1) << bits) - 1,
        .net = abi >= ABI_NET ? NET_TCP : 0,
        .scoped = abi >= ABI_SCOPE ? SCOPE_ALL : 0,
    };
}

static bool allow_path(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    bool ok;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) return false;
    ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                 &rule, 0) == 0;
    (void)close(rule.parent_fd);
    return ok;
}

// Puts it in place; 0, or the errno that stands in the way.
static int enter_landlock(const char *dir)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset all;
    int fd, error = 0;

    if (abi < 1) return errno;
    all = everything(abi);
    fd = (int)syscall(SYS_landlock_create_ruleset, &all, ruleset_len(abi), 0);
    if (fd < 0) return errno;
    // /dev/null is what a descriptor is held in reserve with.
    (void)allow_path(fd, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE);
    if (!allow_path(fd, dir,
                    LANDLOCK_ACCESS_FS_READ_FILE |
                        LANDLOCK_ACCESS_FS_READ_DIR) ||
        syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
        error = errno;
    }
    (void)close(fd);
    return error;
}

// ------------------------------------------------------------- seccomp

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

enum { FILTER_LEN_MAX = 512, WORD = BPF_LD | BPF_W | BPF_ABS };

struct filter {
    struct sock_filter code[FILTER_LEN_MAX];
    unsigned short len;
};

static void emit(struct filter *f, struct sock_filter instruction)
{
    assert(f->len < FILTER_LEN_MAX);
    f->code[f->len++] = instruction;
}

static void emit_return(struct filter *f, uint32_t action)
{
    emit(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void load_number(struct filter *f)
{
    emit(f,
         (struct sock_filter)BPF_STMT(WORD, offsetof(struct seccomp_data, nr)));
}

// Skips `instructions` unless the value loaded is `value`.
static void unless_skip(struct filter *f, uint32_t value, uint8_t instructions)
{
    emit(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0,
                                         instructions));
}

static void answer_with(struct filter *f, long number, uint32_t action)
{
    unless_skip(f, (uint32_t)number, 1);
    emit_return(f, action);
}

static void refuse(struct filter *f, long number, int error)
{
    answer_with(f, number, SECCOMP_RET_ERRNO | (uint32_t)error);
}

// Allows a call where the bits of `mask` in an argument are `value`; pointers
// and what is above 32 bits cannot be asked for.
static void allow_if(struct filter *f, long number, unsigned argument,
                     uint32_t mask, uint32_t value)
{
    uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) +
                             argument * sizeof(uint64_t));

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    at += sizeof(uint32_t);
#endif
    unless_skip(f, (uint32_t)number, 5);
    emit(f, (struct sock_filter)BPF_STMT(WORD, at));
    emit(f, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
    unless_skip(f, value, 1);
    emit_return(f, SECCOMP_RET_ALLOW);
    load_number(f);
}

static void begin(struct filter *f)
{
    f->len = 0;
#ifdef THIS_ARCH
    emit(f, (struct sock_filter)BPF_STMT(WORD,
                                         offsetof(struct seccomp_data, arch)));
    unless_skip(f, THIS_ARCH, 1);
    emit(f, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
    emit_return(f, SECCOMP_RET_ERRNO | EPERM);
#endif
    load_number(f);
}

// What a thread at work needs, the frequent first.
static const long always[] = {
    SYS_io_uring_enter,
    SYS_futex,
    SYS_write,
    SYS_read,
    SYS_pread64,
    SYS_preadv,
    SYS_preadv2,
    SYS_readv,
    SYS_writev,
    SYS_lseek,
    SYS_close,
    SYS_close_range,
    // Files, as far as Landlock lets them be opened.
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_fstatfs,
    SYS_statfs,
    SYS_getdents64,
    SYS_fadvise64,
    SYS_faccessat,
    SYS_faccessat2,
    // Memory: malloc, LMDB's mapping, the sanitizers.
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_mincore,
    SYS_brk,
    // Sockets that are there.
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    SYS_shutdown,
    // Signals, time, ends.
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getrandom,
    // Who am I, and how much may I.
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    // Only these begin a thread; sandbox_seal() takes them away.
    SYS_io_uring_setup,
    SYS_io_uring_register,
    SYS_eventfd2,
    SYS_seccomp,
    SYS_set_robust_list,
#ifdef SYS_rseq
    SYS_rseq,
#endif
// What only older architectures have.
#ifdef SYS_stat
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_time,
#endif
};

static const long only_to_start[] = {
    SYS_io_uring_setup, SYS_io_uring_register, SYS_eventfd2, SYS_seccomp,
    SYS_clone,
};

static void allow_files(struct filter *f)
{
    static const uint32_t commands[] = {F_GETFD,  F_SETFD,        F_GETFL,
                                        F_SETFL,  F_GETLK,        F_SETLK,
                                        F_SETLKW, F_DUPFD_CLOEXEC};
    const uint32_t writes = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;

    allow_if(f, SYS_openat, 2, writes, O_RDONLY);
#ifdef SYS_open
    allow_if(f, SYS_open, 1, writes, O_RDONLY);
#endif
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        allow_if(f, SYS_fcntl, 1, UINT32_MAX, commands[i]);
    }
    // To a peer only: everything here is connected.
    allow_if(f, SYS_sendto, 4, UINT32_MAX, 0);
    allow_if(f, SYS_mmap, 2, PROT_EXEC, 0);
    allow_if(f, SYS_mprotect, 2, PROT_EXEC, 0);
}

static void allow_process(struct filter *f)
{
    const uint32_t self = (uint32_t)getpid();

    allow_if(f, SYS_kill, 0, UINT32_MAX, self);
    allow_if(f, SYS_tgkill, 0, UINT32_MAX, self);
    allow_if(f, SYS_prlimit64, 0, UINT32_MAX, 0);
    allow_if(f, SYS_clone, 0, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD);
    // Its flags lie in memory, where a filter does not see them; told that
    // there is none, libraries take clone.
    refuse(f, SYS_clone3, ENOSYS);
}

static int install(struct filter *f, unsigned flags)
{
    struct sock_fprog program = {.len = f->len, .filter = f->code};

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0
               ? 0
               : errno;
}

static int enter_seccomp(void)
{
    struct filter filter;

#ifndef THIS_ARCH
    return ENOSYS; // numbers of this architecture were never tried
#endif
    begin(&filter);
    for (size_t i = 0; i < COUNT_OF(always); i++) {
        answer_with(&filter, always[i], SECCOMP_RET_ALLOW);
    }
    allow_files(&filter);
    allow_process(&filter);
    emit_return(&filter, SECCOMP_RET_ERRNO | EPERM);
    return install(&filter, SECCOMP_FILTER_FLAG_TSYNC);
}

// ------------------------------------------------------------- both

unsigned sandbox_enter(const char *dir)
{
    int landlock, seccomp;

    assert(held == 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_line(LOG_WARNING,
                 "not confined: this kernel cannot forbid new privileges: %s",
                 strerror(errno));
        return 0;
    }
    landlock = enter_landlock(dir);
    if (landlock == 0) held |= SANDBOX_LANDLOCK;
    seccomp = enter_seccomp();
    if (seccomp == 0) held |= SANDBOX_SECCOMP;
    if (landlock != 0) {
        log_line(LOG_WARNING,
                 "confined in part: no Landlock here (%s): files of this user "
                 "can be read",
                 strerror(landlock));
    }
    if (seccomp != 0) {
        log_line(LOG_WARNING,
                 "confined in part: no seccomp filter here (%s): all system "
                 "calls are possible",
                 strerror(seccomp));
    }
    return held;
}

void sandbox_seal(void)
{
    struct filter filter;

    if ((held & SANDBOX_SECCOMP) == 0) return;
    begin(&filter);
    for (size_t i = 0; i < COUNT_OF(only_to_start); i++) {
        refuse(&filter, only_to_start[i], EPERM);
    }
    emit_return(&filter, SECCOMP_RET_ALLOW);
    // Memory alone can be short here; the first filter stands all the same.
    (void)install(&filter, 0);
}
