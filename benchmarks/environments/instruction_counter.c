/* A plugin for QEMU 7 that counts the instructions that an emulated arm64 program executes.
 *
 * Where the program calls lseek with the descriptor MARK + n, which no program has open, the count so far is written as
 * a line "n count" to the file that the argument out=PATH names. At the end of the program it is the line "end count".
 * The interface is that of QEMU's documentation, "QEMU TCG Plugins", version 1. Debian ships no header for it. The
 * addition is not atomic, so the program must not have several threads that compute at the same time.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned int, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                               uint64_t, uint64_t, uint64_t, uint64_t));

void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

#define LSEEK_ON_AARCH64 62
#define MARK 1000000
#define MARKS 1000

int qemu_plugin_version = 1;
static uint64_t count;
static FILE *out;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &count, qemu_plugin_tb_n_insns(block));
}

static void called(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == LSEEK_ON_AARCH64 && a1 >= MARK && a1 < MARK + MARKS) {
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", a1 - MARK, count);
        fflush(out);
    }
}

static void ended(qemu_plugin_id_t id, void *nothing)
{
    (void)id, (void)nothing;
    fprintf(out, "end %" PRIu64 "\n", count);
    fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int arguments, char **argument)
{
    (void)info;
    if (arguments == 1 && strncmp(argument[0], "out=", 4) == 0)
        out = fopen(argument[0] + 4, "w");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
