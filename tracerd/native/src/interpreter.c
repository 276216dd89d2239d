/* The interpreter: threaded code where gotos can be computed, a switch elsewhere; built plain and checked. */

#include "checked.h"
#include "helpers.h"
#include "map.h"
#include "image.h"

static inline uint64_t divide64(uint64_t a, uint64_t b)
{
    if (b == 0)
        return 0;
    return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t modulo64(uint64_t a, uint64_t b)
{
    if (b == 0)
        return a;
    return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint32_t divide32(uint32_t a, uint32_t b)
{
    if (b == 0)
        return 0;
    return b == UINT32_MAX ? -a : (uint32_t)((int32_t)a / (int32_t)b);
}

static inline uint32_t modulo32(uint32_t a, uint32_t b)
{
    if (b == 0)
        return a;
    return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

#define CORE run_plain
#include "interpreter_core.h"
#undef CORE

#define CORE run_checked
#define TR_CHECKED
#include "interpreter_core.h"
#undef TR_CHECKED
#undef CORE

const tr_handler *tr_interpreter_handlers(int checked)
{
    const tr_handler *handlers = NULL;

    if (checked)
        run_checked(NULL, 0, 0, NULL, &handlers);
    else
        run_plain(NULL, 0, 0, NULL, &handlers);
    return handlers;
}

uint64_t tr_image_call(const struct tr_image *image, uint64_t r1, uint64_t r2, struct tr_run *run)
{
    return image->checked ? run_checked(image, r1, r2, run, NULL) : run_plain(image, r1, r2, run, NULL);
}

/* r2 is nothing a program may use at its entry. */
uint64_t tr_interpret(void *context, struct tr_run *run)
{
    return run_plain(run->program->image, (uint64_t)(uintptr_t)context, 0, run, NULL);
}

uint64_t tr_interpret_checked(void *context, struct tr_run *run)
{
    return run_checked(run->program->image, (uint64_t)(uintptr_t)context, 0, run, NULL);
}
