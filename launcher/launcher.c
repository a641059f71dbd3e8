// What a container starts as `tazpod-entrypoint`: it becomes PID 1's program, `tazpod` in its own directory. Where a passphrase was
// given it first has the worker loaded that will unlock with it: that is another Node, which takes as long to be up as PID 1's
// and would have to wait for it. In C, because it is to be gone before a Node could have begun, and without the C library, whose
// start would take five times as long as all of this (0.25 ms). It decides nothing: what it starts waits for PID 1 to say who it is and
// to hand it the passphrase, or ends with PID 1's end of their connection.

#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>

enum { OWN_FAILURE = 125, STANDARD_ERROR = 2, CONTROL = 3, PASSPHRASE = 4, LONGEST_PATH = 4096 };

#define PROGRAM "tazpod"
#define STANDBY "TAZPOD_STANDBY"

// syscall(2): four arguments, a fifth that is 0 (prctl(2) looks at it), and a negative errno as the result of a failure.
static long call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long fourth __asm__("r10") = d, fifth __asm__("r8") = 0;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = 0;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
#else
#error "no system calls for this architecture"
#endif
}

static size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

static char *append(char *end, const char *text) {
  while ((*end = *text++) != '\0') end++;
  return end;
}

static char *append_number(char *end, long number) {
  if (number >= 10) end = append_number(end, number / 10);
  *end++ = (char)('0' + number % 10);
  *end = '\0';
  return end;
}

static void say(const char *text) {
  call(__NR_write, STANDARD_ERROR, (long)text, (long)length_of(text), 0);
}

static __attribute__((noreturn)) void end(int status) {
  for (;;) call(__NR_exit_group, status, 0, 0, 0);
}

// The value of a variable, of an entry of the environment that has its name; else NULL.
static const char *value_in(const char *entry, const char *name) {
  while (*name != '\0' && *entry == *name) entry++, name++;
  return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

// An empty variable counts as not set, as for PID 1.
static const char *value_of(char *const *environment, const char *name) {
  for (; *environment != NULL; environment++) {
    const char *value = value_in(*environment, name);
    if (value != NULL) return *value == '\0' ? NULL : value;
  }
  return NULL;
}

static void take_out(char **environment, const char *name) {
  char **kept = environment;
  for (; *environment != NULL; environment++)
    if (value_in(*environment, name) == NULL) *kept++ = *environment;
  *kept = NULL;
}

static int is_equal(const char *one, const char *other) {
  while (*one != '\0' && *one == *other) one++, other++;
  return *one == *other;
}

static int is_to_unlock(char *const *environment) {
  const char *mode = value_of(environment, "TAZPOD_UNLOCK");
  if (mode != NULL && !is_equal(mode, "auto") && !is_equal(mode, "required")) return 0;
  return value_of(environment, "TAZPOD_PASSPHRASE") != NULL || value_of(environment, "TAZPOD_PASSPHRASE_FILE") != NULL;
}

// What the operator's processes have to do without: entrypoint/capabilities.ts, confineChildren.
static void confine(void) {
  call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0);
  if (call(__NR_prctl, PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0) != 0) call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
}

// Default dispositions, and an empty mask: all zero for rt_sigaction(2) and rt_sigprocmask(2), whose sets have 8 bytes.
static void reset_signals(void) {
  static const long zero[4];
  for (int number = 1; number <= 64; number++) call(__NR_rt_sigaction, number, (long)zero, 0, 8);
  call(__NR_rt_sigprocmask, SIG_SETMASK, (long)zero, 0, 8);
}

static void place(int descriptor, int target) {
  if (descriptor != target && call(__NR_dup3, descriptor, target, 0, 0) != target) end(OWN_FAILURE);
}

// As entrypoint/worker.ts starts one: a session of its own, messages on standard error, nothing else of the container's.
// PASSPHRASE is a place for what PID 1 hands over.
static void become_worker(const char *program, char **environment, int connection) {
  static char *const words[] = {PROGRAM,     "unlock",         "--quiet",           "--progress",
                                "--standby", "--control-fd=3", "--passphrase-fd=4", NULL};
  long null = call(__NR_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0);
  if (null < 0) end(OWN_FAILURE);
  place((int)null, 0);
  place(STANDARD_ERROR, 1);
  place(connection, CONTROL);
  place(0, PASSPHRASE);
  if (call(__NR_close_range, PASSPHRASE + 1, ~0U, 0, 0) != 0) end(OWN_FAILURE);
  call(__NR_setsid, 0, 0, 0, 0);
  reset_signals();
  confine();
  take_out(environment, "TAZPOD_PASSPHRASE");
  take_out(environment, "TAZPOD_PASSPHRASE_FILE");
  call(__NR_execve, (long)program, (long)words, (long)environment, 0);
  end(OWN_FAILURE);
}

// Starts it, and writes where PID 1 finds it as an entry of the environment; 0 where PID 1 has to start one itself.
static int start_worker(const char *program, char **environment, char *entry) {
  int pair[2];
  if (call(__NR_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)pair) != 0) return 0;
  // Above the standard streams, which may be closed.
  long own = call(__NR_fcntl, pair[0], F_DUPFD, CONTROL, 0);
  long other = call(__NR_fcntl, pair[1], F_DUPFD, PASSPHRASE + 1, 0);
  call(__NR_close, pair[0], 0, 0, 0);
  call(__NR_close, pair[1], 0, 0, 0);
  if (own < 0 || other < 0) return 0;
  long worker = call(__NR_clone, SIGCHLD, 0, 0, 0);
  if (worker == 0) become_worker(program, environment, (int)other);
  call(__NR_close, other, 0, 0, 0);
  if (worker < 0) {
    call(__NR_close, own, 0, 0, 0);
    return 0;
  }
  append_number(append(append_number(append(entry, STANDBY "="), worker), ","), own);
  return 1;
}

// Makes the path of the program beside this one.
static int find_program(char *path) {
  long length = call(__NR_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)path, LONGEST_PATH - sizeof PROGRAM);
  while (length > 0 && path[length - 1] != '/') length--;
  if (length <= 0) return 0;
  append(path + length, PROGRAM);
  return 1;
}

// The stack as execve(2) leaves it: the number of arguments, the arguments, the environment.
static __attribute__((noreturn, used)) void start(char **stack) {
  char **arguments = stack + 1, **environment = arguments + (size_t)stack[0] + 1;
  char program[LONGEST_PATH];
  if (!find_program(program)) {
    say("tazpod-entrypoint: cannot tell where it lies: is /proc mounted?\n");
    end(OWN_FAILURE);
  }

  // Nobody else is to say it.
  take_out(environment, STANDBY);
  size_t entries = 0;
  while (environment[entries] != NULL) entries++;
  char entry[64];
  char *extended[entries + 2];
  for (size_t index = 0; index < entries; index++) extended[index] = environment[index];
  extended[entries] = is_to_unlock(environment) && start_worker(program, environment, entry) ? entry : NULL;
  extended[entries + 1] = NULL;

  long failure = call(__NR_execve, (long)program, (long)arguments, (long)extended, 0);
  say("tazpod-entrypoint: cannot run ");
  say(program);
  say(failure == -ENOENT ? ", which belongs beside it: it is not there\n" : ", which belongs beside it\n");
  end(OWN_FAILURE);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\nmov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, 0\nmov x0, sp\nbl start\n");
#endif
