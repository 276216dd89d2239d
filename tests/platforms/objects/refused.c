/* What is refused by its name; compiled once for each variant (tests/platforms/build.py). */
#include "windows.h"

#ifdef PROG_ARRAY
#define KIND BPF_MAP_TYPE_PROG_ARRAY
#elif defined(LRU)
#define KIND BPF_MAP_TYPE_LRU_HASH
#elif defined(UNKNOWN_MAP)
#define KIND 99
#endif

#ifdef KIND
SEC("maps")
struct ebpf_map_definition_in_file odd = {.type = KIND, .key_size = 4, .value_size = 4, .max_entries = 1};
#endif

#ifdef CONNECT
SEC("cgroup/connect4")
#elif defined(UNKNOWN_SECTION)
SEC("elsewhere")
#else
SEC("bind")
#endif
int program(bind_md_t *ctx)
{
#ifdef KIND
    return bpf_map_delete_elem(&odd, &(uint32_t){0}) == 0;
#else
    return ctx->protocol;
#endif
}
