// Measures how many INT8 multiply-accumulates this processor executes in a second, with operands in registers.
//
// Usage: int8_peak THREADS SECONDS. Prints one number: multiply-accumulates per second of all threads together.
//
// Each thread repeats one instruction, which multiplies bytes in pairs and adds the products of four neighbours to a
// 32-bit sum. A step needs the sum of the step before, so twelve sums take turns: the latency of the instruction is at
// most 5 cycles, and the processors that have it start two in a cycle (Arm: 3 cycles, four in a cycle). No memory is
// read, so no program can be faster with this instruction.
//
// The instruction is inline assembly. Compilers remove intrinsics whose result nobody reads, and move sums to memory.

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512VNNI__)
#include <immintrin.h>
typedef __m512i vector;
enum { BYTES = 64 };
static inline vector fill(char byte) { return _mm512_set1_epi8(byte); }
#define MULTIPLY(sum) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b))
#elif defined(__AVXVNNI__)
#include <immintrin.h>
typedef __m256i vector;
enum { BYTES = 32 };
static inline vector fill(char byte) { return _mm256_set1_epi8(byte); }
#define MULTIPLY(sum) __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b))
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
typedef int8x16_t vector;
enum { BYTES = 16 };
static inline vector fill(char byte) { return vdupq_n_s8((int8_t)byte); }
#define MULTIPLY(sum) __asm__ volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b))
#else
#error "compile for AVX-512 VNNI, AVX-VNNI or Arm's dot product"
#endif

enum { CHAINS = 12, STEPS = 100000, MAX_THREADS = 1024 };

static double limit;
static pthread_barrier_t start;
static double rates[MAX_THREADS];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *work(void *argument) {
    long index = (long)(intptr_t)argument;
    vector a = fill(3), b = fill(5);
    vector s0 = fill(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
    vector s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
    pthread_barrier_wait(&start);
    double began = now(), elapsed, blocks = 0;
    do {
        for (int step = 0; step < STEPS; step++) {
            MULTIPLY(s0); MULTIPLY(s1); MULTIPLY(s2); MULTIPLY(s3); MULTIPLY(s4); MULTIPLY(s5);
            MULTIPLY(s6); MULTIPLY(s7); MULTIPLY(s8); MULTIPLY(s9); MULTIPLY(s10); MULTIPLY(s11);
        }
        blocks++;
        elapsed = now() - began;
    } while (elapsed < limit);
    rates[index] = blocks * STEPS * CHAINS * BYTES / elapsed;
    return NULL;
}

int main(int count, char **arguments) {
    long threads = count == 3 ? atol(arguments[1]) : 0;
    limit = count == 3 ? atof(arguments[2]) : 0;
    if (threads < 1 || threads > MAX_THREADS || limit <= 0) return 2;
    pthread_t others[MAX_THREADS];
    if (pthread_barrier_init(&start, NULL, (unsigned)threads)) return 1;
    for (long index = 1; index < threads; index++) {
        if (pthread_create(&others[index], NULL, work, (void *)(intptr_t)index)) return 1;
    }
    work((void *)0);
    double total = rates[0];
    for (long index = 1; index < threads; index++) {
        pthread_join(others[index], NULL);
        total += rates[index];
    }
    printf("%.0f\n", total);
    return 0;
}
