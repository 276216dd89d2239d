/* Maps and programs of a job: made, linked to this process's addresses, and written down. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define MOST_ROWS 256u                       /* of helpers, calls and fuel edges of a program */
#define ERROR_BYTES 256u

static void read_map(struct input *in, struct scene *scene)
{
    uint32_t shape[6], size;
    const uint8_t *contents;
    char error[ERROR_BYTES] = "";
    struct tr_map *map;

    for (int i = 0; i < 6; i++)
        shape[i] = in_u32(in);
    contents = in_bytes(in, &size);
    need(scene->map_count < MOST, "too many maps");
    map = tr_map_new(shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], error, sizeof error);
    need(map != NULL, error);
    need(!size || tr_map_write(map, 0, contents, size) == 0, "a map's contents cannot be written");
    scene->maps[scene->map_count++] = map;
}

/* Put an address into the lddw at a slot: its halves are the immediates of two instructions. */
static void relocate(struct input *in, const struct scene *scene, uint8_t *code, uint32_t size)
{
    uint32_t slot = in_u32(in), map = in_u32(in), values = in_u32(in), low, high;
    struct tr_map_layout layout;
    uint64_t address;

    need(map < scene->map_count && ((uint64_t)slot + 2) * 8 <= size, "a reference leads nowhere");
    tr_map_layout(scene->maps[map], &layout);
    memcpy(&low, code + 8 * slot + 4, 4);
    memcpy(&high, code + 8 * slot + 12, 4);
    address = ((uint64_t)high << 32 | low) + (values ? layout.values : (uint64_t)(uintptr_t)scene->maps[map]);
    low = (uint32_t)address;
    high = (uint32_t)(address >> 32);
    memcpy(code + 8 * slot + 4, &low, 4);
    memcpy(code + 8 * slot + 12, &high, 4);
}

static uint32_t rows_of(struct input *in)
{
    uint32_t rows = in_u32(in);

    need(rows <= MOST_ROWS, "a list is too long");
    return rows;
}

static void read_sites(struct input *in, const struct scene *scene, struct tr_image_site *sites, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = in_u32(in), map = in_u32(in);

        need(map < scene->map_count, "a call has no map");
        sites[i] = (struct tr_image_site){.slot = slot, .address = tr_map_helper_address(scene->maps[map], in_text(in))};
    }
}

static void read_helpers(struct input *in, struct tr_image_helper *helpers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        helpers[i].id = in_u32(in);
        memcpy(helpers[i].arguments, in_raw(in, sizeof helpers[i].arguments), sizeof helpers[i].arguments);
        helpers[i].address = tr_helper_address(in_text(in));
    }
}

static struct tr_image *read_image(struct input *in, const struct scene *scene, uint64_t *fuel)
{
    static uint32_t edges[MOST_ROWS];
    static struct tr_image_site sites[MOST_ROWS];
    static struct tr_image_helper helpers[MOST_ROWS];
    struct tr_image_options options = {.helpers = helpers, .sites = sites, .fuel_edges = edges};
    char error[ERROR_BYTES] = "";
    struct tr_image *image;
    uint32_t size;
    const uint8_t *linked = in_bytes(in, &size);
    uint8_t *code = malloc(size);

    need(code != NULL, "no memory for a program");
    memcpy(code, linked, size);
    *fuel = in_u64(in);
    options.fuel_edge_count = rows_of(in);
    for (uint32_t i = 0; i < options.fuel_edge_count; i++)
        edges[i] = in_u32(in);
    for (uint32_t left = in_u32(in); left; left--)
        relocate(in, scene, code, size);
    options.site_count = rows_of(in);
    read_sites(in, scene, sites, options.site_count);
    options.helper_count = rows_of(in);
    read_helpers(in, helpers, options.helper_count);
    image = tr_image_new(code, size / 8, &options, error, sizeof error);
    need(image != NULL, error);
    free(code);
    return image;
}

static void read_program(struct input *in, struct scene *scene)
{
    uint64_t fuel;
    struct tr_image *image = read_image(in, scene, &fuel);
    struct tr_program *program = tr_program_new();

    need(program && scene->program_count < MOST, "too many programs");
    program->fuel = fuel;
    tr_program_set_entry(program, tr_interpret, image);
    scene->programs[scene->program_count] = program;
    scene->images[scene->program_count++] = image;
}

void scene_read(struct input *in, struct scene *scene)
{
    *scene = (struct scene){.map_count = 0};
    for (uint32_t left = in_u32(in); left; left--)
        read_map(in, scene);
    for (uint32_t left = in_u32(in); left; left--)
        read_program(in, scene);
}

static void print_rows(FILE *out, const struct tr_map *map, const struct tr_map_layout *layout, uint32_t rows)
{
    size_t value_size = (size_t)layout->value_size * layout->cpus;
    uint8_t *keys = malloc((size_t)rows * layout->key_size + 1), *values = malloc(rows * value_size + 1);

    need(keys && values, "no memory for a map's copy");
    rows = tr_map_copy(map, keys, values, rows);
    for (uint32_t row = 0; row < rows; row++) {
        fputs("row", out);
        out_hex(out, keys + (size_t)row * layout->key_size, layout->key_size);
        out_hex(out, values + row * value_size, value_size);
        putc('\n', out);
    }
    free(keys);
    free(values);
}

static void print_records(FILE *out, struct tr_map *ring, uint32_t capacity)
{
    uint8_t *buffer = malloc(capacity);
    int64_t size = buffer ? tr_ring_read(ring, buffer, capacity) : -1;
    uint32_t length;

    need(size >= 0, "a ring buffer cannot be read");
    for (int64_t at = 0; at < size; at += 4 + length) {
        memcpy(&length, buffer + at, 4);
        fputs("record", out);
        out_hex(out, buffer + at + 4, length);
        putc('\n', out);
    }
    free(buffer);
}

void scene_print_maps(FILE *out, const struct scene *scene, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tr_map_layout layout;
        struct tr_map_stats stats;

        tr_map_layout(scene->maps[i], &layout);
        tr_map_stats(scene->maps[i], &stats);
        fprintf(out, "map %u count %llu refused %llu\n", i, (unsigned long long)stats.count,
                (unsigned long long)stats.refused);
        if (layout.kind == TR_MAP_RINGBUF)
            print_records(out, scene->maps[i], layout.max_entries);
        else
            print_rows(out, scene->maps[i], &layout, (uint32_t)stats.rows);
    }
}

void scene_print(FILE *out, const struct scene *scene)
{
    scene_print_maps(out, scene, scene->map_count);
    for (uint32_t i = 0; i < scene->program_count; i++)
        fprintf(out, "program %u runs %llu aborted %llu result %llu\n", i,
                (unsigned long long)scene->programs[i]->runs, (unsigned long long)scene->programs[i]->aborted,
                (unsigned long long)scene->programs[i]->last_result);
}

void scene_free(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->program_count; i++) {
        tr_program_free(scene->programs[i]);
        tr_image_free(scene->images[i]);
    }
    for (uint32_t i = 0; i < scene->map_count; i++)
        tr_map_free(scene->maps[i]);
}
