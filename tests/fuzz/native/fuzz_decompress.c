/* libFuzzer target: compressed bytes, behind a byte that says which format and two that say how much they are to make.
   Input and output lie in memory of exactly their size, so that a byte outside is found. */
#include <stdlib.h>

#include "decompress.h"
#include "run.h"
#include "links.h"
#include "ticks.h"
#include "etw.h"
#include "etl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t room, in_size;
    uint8_t *in, *out;
    int64_t made;

    if (size < 4)
        return 0;
    room = (uint32_t)data[1] | (uint32_t)data[2] << 8 | (uint32_t)(data[0] >> 6) << 16;
    in_size = (uint32_t)size - 3;
    in = malloc(in_size);
    out = malloc((size_t)room + 1);
    memcpy(in, data + 3, in_size);
    made = tr_decompress(2 + data[0] % 3, in, in_size, out, room);
    if (made < 0 || made > (int64_t)room)
        abort();
    free(in);
    free(out);
    return 0;
}
