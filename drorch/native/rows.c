/* The two loops of a backup that run once a row, in C: reading rows from libpq, and digesting them (docs/adr/0019).
 *
 * Everything here has an exact twin in Python, which is what counts: tests/contract/test_native_rows.py compares them. Where no
 * compiler was at hand when drorch was installed the twins work alone. No function allocates or keeps anything.
 */
#include <stdint.h>
#include <string.h>

typedef int (*get_copy_data)(void *connection, char **row, int is_asynchronous);
typedef int (*consume_input)(void *connection);
typedef void (*free_memory)(void *row);

enum { CONSUME_FAILED = -3 };

/* Append whole rows of a COPY to `into`, until fewer than `enough` of its `room` bytes are free; return the bytes that were appended.
 *
 * `status` is what PQgetCopyData said last (1: there may be more at once, 0: the server must be waited for, -1: the end, -2: an
 * error) or CONSUME_FAILED. A row that does not fit is left in `large`, of `large_bytes`, for the caller to take and free.
 */
int64_t drorch_read_rows(void *connection, get_copy_data get, consume_input consume, free_memory release, char *into,
                         int64_t room, int64_t enough, int64_t *rows, int *status, char **large, int64_t *large_bytes)
{
    int64_t used = 0, count = 0;
    int has_consumed = 0;
    *large = NULL;
    *large_bytes = 0;
    *status = 1;
    while (room - used >= enough) {
        char *row = NULL;
        int size = get(connection, &row, 1);
        if (size > 0) {
            count++;
            if (size > room - used) {
                *large = row;
                *large_bytes = size;
                break;
            }
            memcpy(into + used, row, (size_t)size);
            release(row);
            used += size;
            has_consumed = 0;
        } else if (size == 0 && !has_consumed) {
            has_consumed = 1; /* what has arrived meanwhile; it never waits, the connection is non-blocking */
            if (!consume(connection)) {
                *status = CONSUME_FAILED;
                break;
            }
        } else {
            *status = size;
            break;
        }
    }
    *rows = count;
    return used;
}

/* BLAKE3, keyed, of rows of up to one BLAKE3 chunk, eight rows side by side: one row is too short for the lanes that a processor has. */

enum { LANES = 8, BLOCK = 64, LONGEST = 1024, CHUNK_START = 1, CHUNK_END = 2, ROOT = 8, KEYED_HASH = 16 };

typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

static const uint32_t INITIAL[4] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A};
static const uint8_t ORDER[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1}, {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4}, {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

static inline uint32_t load(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Return the length of the row that begins at `next`; -1 when it is not whole. */
static inline int64_t row_length(const uint8_t *next, const uint8_t *end, int is_prefixed)
{
    if (is_prefixed) {
        if (end - next < 4) {
            return -1;
        }
        int64_t length = (int64_t)__builtin_bswap32(load(next));
        return length <= end - next - 4 ? length : -1;
    }
    const uint8_t *feed = memchr(next, '\n', (size_t)(end - next));
    return feed == NULL ? -1 : feed - next;
}

/* Add a digest, as a big-endian number, to the sum of its bucket (its first byte); sums are four limbs each, the highest first. */
static inline void add(uint64_t *sums, const uint32_t *digest)
{
    uint64_t *sum = sums + 4 * (digest[0] & 0xFF);
    unsigned carry = 0;
    for (int limb = 3; limb >= 0; limb--) {
        uint64_t part = __builtin_bswap64((uint64_t)digest[2 * limb] | (uint64_t)digest[2 * limb + 1] << 32);
        uint64_t half, whole;
        unsigned over = __builtin_add_overflow(sum[limb], part, &half);
        over |= __builtin_add_overflow(half, (uint64_t)carry, &whole);
        sum[limb] = whole;
        carry = over;
    }
}

#define TURN(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define MIX(a, b, c, d, one, other)                                                                                       \
    a += b + one, d ^= a, d = TURN(d, 16), c += d, b ^= c, b = TURN(b, 12), a += b + other, d ^= a, d = TURN(d, 8), c += d, \
        b ^= c, b = TURN(b, 7)

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
__attribute__((target_clones("avx2", "default")))
#endif
/* Digest the whole rows of `content`, which end with a line feed or, if `is_prefixed`, follow their length, u32 big-endian; return the
 * bytes that were used.
 *
 * It stops in front of a row that is longer than LONGEST, with `is_long` set, and at the end of the last whole row.
 */
int64_t drorch_digest_rows(const uint8_t *key, int is_prefixed, uint64_t *sums, const uint8_t *content, int64_t size, int64_t *rows,
                           int *is_long)
{
    const uint8_t *next = content, *end = content + size, *row[LANES];
    int64_t left[LANES], count = 0;
    int busy = 0, is_over = 0;
    uint32_t first[8];
    uint8_t short_block[LANES][BLOCK] = {{0}};
    lanes value[8], lengths = {0}, flags = {0};
    uint8_t is_busy[LANES] = {0};

    *is_long = 0;
    for (int word = 0; word < 8; word++) {
        first[word] = load(key + 4 * word);
        value[word] = (lanes){0};
    }
    for (;;) {
        const uint8_t *block[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            if (!is_busy[lane] && !is_over) {
                int64_t length = row_length(next, end, is_prefixed);
                if (length < 0 || length > LONGEST) {
                    *is_long = length >= 0;
                    is_over = 1;
                } else {
                    row[lane] = next + (is_prefixed ? 4 : 0);
                    left[lane] = length;
                    next = row[lane] + length + (is_prefixed ? 0 : 1);
                    is_busy[lane] = 1;
                    busy++;
                    count++;
                    flags[lane] = KEYED_HASH | CHUNK_START;
                    for (int word = 0; word < 8; word++) {
                        value[word][lane] = first[word];
                    }
                }
            }
            if (!is_busy[lane]) {
                block[lane] = short_block[lane]; /* of which the result is not looked at */
            } else if (left[lane] > BLOCK) {
                block[lane] = row[lane];
                lengths[lane] = BLOCK;
            } else {
                memset(short_block[lane], 0, BLOCK);
                memcpy(short_block[lane], row[lane], (size_t)left[lane]);
                block[lane] = short_block[lane];
                lengths[lane] = (uint32_t)left[lane];
                flags[lane] |= CHUNK_END | ROOT;
            }
        }
        if (busy == 0) {
            break;
        }
        lanes word[16], state[16];
        for (int at = 0; at < 16; at++) {
            for (int lane = 0; lane < LANES; lane++) {
                word[at][lane] = load(block[lane] + 4 * at);
            }
        }
        for (int at = 0; at < 8; at++) {
            state[at] = value[at];
        }
        for (int at = 0; at < 4; at++) {
            state[8 + at] = (lanes){0} + INITIAL[at];
        }
        state[12] = state[13] = (lanes){0};
        state[14] = lengths;
        state[15] = flags;
#pragma GCC unroll 7
        for (int round = 0; round < 7; round++) {
            const uint8_t *order = ORDER[round];
            MIX(state[0], state[4], state[8], state[12], word[order[0]], word[order[1]]);
            MIX(state[1], state[5], state[9], state[13], word[order[2]], word[order[3]]);
            MIX(state[2], state[6], state[10], state[14], word[order[4]], word[order[5]]);
            MIX(state[3], state[7], state[11], state[15], word[order[6]], word[order[7]]);
            MIX(state[0], state[5], state[10], state[15], word[order[8]], word[order[9]]);
            MIX(state[1], state[6], state[11], state[12], word[order[10]], word[order[11]]);
            MIX(state[2], state[7], state[8], state[13], word[order[12]], word[order[13]]);
            MIX(state[3], state[4], state[9], state[14], word[order[14]], word[order[15]]);
        }
        for (int at = 0; at < 8; at++) {
            value[at] = state[at] ^ state[at + 8];
        }
        for (int lane = 0; lane < LANES; lane++) {
            if (!is_busy[lane]) {
                continue;
            }
            if (flags[lane] & ROOT) {
                uint32_t digest[8];
                for (int at = 0; at < 8; at++) {
                    digest[at] = value[at][lane];
                }
                add(sums, digest);
                is_busy[lane] = 0;
                busy--;
            } else {
                row[lane] += BLOCK;
                left[lane] -= BLOCK;
                flags[lane] = KEYED_HASH;
            }
        }
    }
    *rows = count;
    return next - content;
}
