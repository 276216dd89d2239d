/* A fuzz target's input, taken piece by piece; what is promised of it ends the target when it is not so. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

static inline void check(bool promise)
{
    if (!promise)
        abort();
}

/* Copy as many bytes of the input, or what is left of it, into memory of exactly their size. */
static inline uint8_t *take(struct input *in, size_t bytes, uint16_t *taken)
{
    size_t left = (size_t)(in->end - in->at);
    uint8_t *copy;

    *taken = (uint16_t)(bytes < left ? bytes : left);
    copy = malloc(*taken ? *taken : 1);
    check(copy != NULL);
    if (*taken)
        memcpy(copy, in->at, *taken);
    in->at += *taken;
    return copy;
}

#endif
