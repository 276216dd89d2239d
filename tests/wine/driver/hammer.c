/* Threads that run one program on the same maps at once, while their maps are read: tests/vm/hammer.py's. */
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <pthread.h>
#endif

#include "driver.h"

#define MOST_THREADS 16u
#define RING_BYTES 65536u
#define CHURN 128u
#define MAPS 6u

struct worker {
    struct tr_program *program;
    struct tr_run run;
    uint64_t runs;
    uint32_t done;
};

static void work(struct worker *worker)
{
    uint64_t ns, left = worker->runs;

    for (uint32_t turn; left; left -= turn) {
        turn = left > 1000 ? 1000 : (uint32_t)left;
        tr_program_repeat(worker->program, NULL, &worker->run, turn, &ns);
    }
    __atomic_store_n(&worker->done, 1, __ATOMIC_RELEASE);
}

#ifdef _WIN32
static DWORD WINAPI thread_main(void *worker)
{
    work(worker);
    return 0;
}

static void start(struct worker *worker)
{
    need(CreateThread(NULL, 0, thread_main, worker, 0, NULL) != NULL, "no thread");
}
#else
static void *thread_main(void *worker)
{
    work(worker);
    return NULL;
}

static void start(struct worker *worker)
{
    pthread_t thread;

    need(pthread_create(&thread, NULL, thread_main, worker) == 0, "no thread");
    pthread_detach(thread);
}
#endif

/* Beside the programs: every record of 16 bytes is a word and its complement. Returns the records that are not. */
static uint64_t look(struct tr_map *ring)
{
    static uint8_t buffer[RING_BYTES];
    int64_t size = tr_ring_read(ring, buffer, sizeof buffer);
    uint64_t torn = 0, words[2];
    uint32_t length;

    for (int64_t at = 0; at < size; at += 4 + length) {
        memcpy(&length, buffer + at, 4);
        memcpy(words, buffer + at + 4, sizeof words);
        torn += length != sizeof words || (words[0] ^ words[1]) != UINT64_MAX;
    }
    return torn + (size < 0);
}

/* Beside the programs: copy a hash whose keys are below CHURN. Returns the rows whose are not. */
static uint64_t look_at_hash(const struct tr_map *map)
{
    struct tr_map_layout layout;
    struct tr_map_stats stats;
    uint64_t torn = 0, *keys, *values;
    uint32_t rows;

    tr_map_layout(map, &layout);
    tr_map_stats(map, &stats);
    keys = malloc(8 * (size_t)layout.max_entries);
    values = malloc((size_t)layout.value_size * layout.cpus * layout.max_entries);
    need(keys && values, "no memory for a map's copy");
    rows = tr_map_copy(map, keys, values, layout.max_entries);
    for (uint32_t i = 0; i < rows; i++)
        torn += keys[i] >= CHURN;
    free(keys);
    free(values);
    return torn;
}

void job_hammer(struct input *in, FILE *out)
{
    static struct worker workers[MOST_THREADS];
    struct scene scene;
    uint64_t torn = 0, runs;
    uint32_t threads, left;

    scene_read(in, &scene);
    threads = in_u32(in);
    runs = in_u64(in);
    need(threads <= MOST_THREADS && scene.program_count == 1 && scene.map_count == MAPS, "no such hammer");
    for (uint32_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){scene.programs[0], {.cpu = i, .random = i + 1}, runs, 0};
        start(&workers[i]);
    }
    do {
        torn += look(scene.maps[5]) + look_at_hash(scene.maps[2]) + look_at_hash(scene.maps[3]);
        left = threads;
        for (uint32_t i = 0; i < threads; i++)
            left -= __atomic_load_n(&workers[i].done, __ATOMIC_ACQUIRE);
    } while (left);
    torn += look(scene.maps[5]);
    fprintf(out, "torn %llu\n", (unsigned long long)torn);
    scene_print_maps(out, &scene, 2);        /* of the others the contents depend on who came first */
    scene_free(&scene);
}
