/* Making a hash map whole again from its elements alone, when its file is opened.

   Its last writer may have been killed between any two instructions, and the bytes may be anybody's. So nothing in the
   file leads us: chains, tags, the free stack and the count are made anew, locks are open, and a number of slots beyond
   the end is cut. What counts is an element's version: odd, it holds a key. hash.c stores in this order, each thread
   dies after some store, and all stores before it are in the file (the kernel keeps its pages, and the compiler may not
   move a store behind one that releases):

   insert   a slot is taken         not on the stack, its version even: it is free again here.
            hash, key, value        still even: as above, whatever is half written.
            version becomes odd     the key and its value are whole. Not in the chain yet; here it is put there, as if
                                    the insert had come to its end. The bucket's lock was held, so nobody else had
                                    inserted the same key.
            head, count             made anew.
   update   words of the value      a word is old or new, never half; a value of many words may have both, as for a
                                    reader beside a running program. The key stays.
   delete   out of the chain        its version is odd still: the key is back, as if the delete had not begun. Nobody was
                                    told otherwise, and the lock kept others from inserting the key again.
            version becomes even    deleted; the slot is free here, wherever the stack was.

   After a loss of power any page may be older than another, so a key can be there twice: the first slot keeps it. */

#include "hash.h"
#include "hash_parts.h"

/* The chains that are searched were made here, so their links can be followed. */
static int holds(const struct tr_map *map, const struct tr_bucket *bucket, uint32_t tag, const uint8_t *key)
{
    for (uint32_t slot = bucket->head; !(slot & TR_CHAIN_END);) {
        const struct tr_element *element = tr_element_at(map, slot);

        if (element->hash == tag && tr_same_key(element->key, key, map->key_size))
            return 1;
        slot = element->next;
    }
    return 0;
}

/* Put an element into its chain; 0 if its key is there already. */
static int chain(const struct tr_map *map, uint32_t slot, struct tr_element *element)
{
    uint64_t hash = tr_hash_key(element->key, map->key_size, map->seed);
    struct tr_bucket *bucket = &map->buckets[(uint32_t)hash & map->bucket_mask];
    uint32_t tag = (uint32_t)(hash >> 32);

    if (holds(map, bucket, tag, element->key))
        return 0;
    element->hash = tag;
    element->next = bucket->head;
    bucket->head = slot;
    return 1;
}

/* Elements stay in their slots, and free slots are taken from the lowest on: what follows depends on the file alone. */
void tr_hash_repair(struct tr_map *map, struct tr_map_repaired *repaired)
{
    struct tr_map_header *h = map->header;
    uint64_t live = 0;
    uint32_t first_free = TR_NO_SLOT;
    uint32_t *last_free = &first_free;

    tr_hash_format(map);
    if (h->used > map->max_entries)
        h->used = map->max_entries;
    for (uint32_t slot = 0; slot < h->used; slot++) {
        struct tr_element *element = tr_element_at(map, slot);

        if (element->version & 1) {
            if (chain(map, slot, element)) {
                live++;
                continue;
            }
            element->version++;
            repaired->duplicates++;
        }
        *last_free = slot;
        last_free = &element->next;
    }
    *last_free = TR_NO_SLOT;
    h->free_list = first_free;
    repaired->miscounted = h->count > live ? h->count - live : live - h->count;
    h->count = live;
}
