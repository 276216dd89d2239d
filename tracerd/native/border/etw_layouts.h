/* Schemas of ETW events: which fields a payload has, in order. Made once, looked up by what an event's header says.
   A schema may come from an untrusted event or file: all of it is checked when it is prepared. */

struct tr_etw_schemas;

/* How a value lies in the payload. */
#define TR_ETW_INT8 1
#define TR_ETW_UINT8 2
#define TR_ETW_INT16 3
#define TR_ETW_UINT16 4
#define TR_ETW_INT32 5
#define TR_ETW_UINT32 6
#define TR_ETW_INT64 7
#define TR_ETW_UINT64 8
#define TR_ETW_FLOAT 9
#define TR_ETW_DOUBLE 10
#define TR_ETW_POINTER 11            /* 4 or 8 bytes, as the event says */
#define TR_ETW_GUID 12
#define TR_ETW_FILETIME 13
#define TR_ETW_SYSTEMTIME 14
#define TR_ETW_SID 15
#define TR_ETW_WBEM_SID 16           /* u32 0, or two pointers and a SID */
#define TR_ETW_UTF16 17              /* these three have a length */
#define TR_ETW_ANSI 18
#define TR_ETW_BYTES 19
#define TR_ETW_STRUCT 20             /* the `members` fields behind it */
#define TR_ETW_TYPES 21

/* How a value is shown, where not as its type says. */
#define TR_ETW_HEX 1
#define TR_ETW_BOOL 2
#define TR_ETW_PORT 3                /* big endian */
#define TR_ETW_IPV4 4
#define TR_ETW_IPV6 5
#define TR_ETW_SOCKADDR 6
#define TR_ETW_CHAR 7
#define TR_ETW_TIME 8                /* a FILETIME in an integer */
#define TR_ETW_SHOWS 9

/* How long a text or bytes are (lengths), and how many values a field has (counts). */
#define TR_ETW_ONE 0                 /* counts only: no array */
#define TR_ETW_ZERO 1                /* lengths only: up to a zero or the payload's end */
#define TR_ETW_FIXED 2               /* `length`, `count`: characters of UTF-16, bytes of others, values */
#define TR_ETW_FIELD 3               /* the same, but that number is in the field of that index */
#define TR_ETW_COUNTED 4             /* a u16 lies before: bytes of a length, values of a count */
#define TR_ETW_REST 5                /* all that is left */
#define TR_ETW_HOLE 6                /* lengths only: 4 bytes where pointers have 8, none where they have 4 */

#define TR_ETW_MAX_FIELDS 1024
#define TR_ETW_MAX_DEPTH 8           /* of structs in structs */
#define TR_ETW_NO_OFFSET 0xffff
#define TR_ETW_BY_NAME 0x80000000    /* a program's number of a field: below TR_ETW_MAX_FIELDS its place in the schema */

struct tr_etw_field {
    uint32_t name;                   /* where it begins in the schema's texts */
    uint16_t name_bytes;
    uint8_t type;
    uint8_t show;
    uint8_t length_kind;
    uint8_t count_kind;
    uint16_t length;
    uint16_t count;
    uint16_t members;                /* of a struct: all fields that lie in it, those of its structs included */
    uint16_t map;                    /* number of its value map, from 1; 0: none */
    /* Set when it is prepared. */
    uint16_t offset32;               /* in the payload, with pointers of 4 bytes; TR_ETW_NO_OFFSET: it varies */
    uint16_t offset64;
    uint16_t same;                   /* fields before it, beside it, that have its name */
    uint8_t referenced;              /* its value is a length or a count of others */
    uint8_t depth;                   /* structs around it */
    uint32_t id;                     /* how programs name it: TR_ETW_BY_NAME | FNV-1a; 0: in a repeated struct */
};

/* A row of a value map: the value, or with `bit` all bits of it, has this name. */
struct tr_etw_label {
    uint16_t map;
    uint16_t bit;
    uint32_t value;
    uint32_t text;                   /* in the schema's texts */
    uint32_t text_bytes;
};

/* A schema to prepare; everything is copied. Texts are UTF-8, without zeros at their ends. */
struct tr_etw_layout {
    const struct tr_etw_field *fields;
    const struct tr_etw_label *labels;
    const char *texts;
    uint32_t field_count;
    uint32_t label_count;
    uint32_t text_bytes;
    uint32_t name;                   /* the event's */
    uint32_t name_bytes;
};

#define TR_ETW_BY_ID 0               /* manifest events: provider, id, version */
#define TR_ETW_BY_CLASS 1            /* classic events: class GUID, opcode, version */
#define TR_ETW_BY_GROUP 2            /* kernel events by hook: the group is provider[0] */

struct tr_etw_schema_key {
    uint8_t provider[16];
    uint16_t number;                 /* id or opcode */
    uint8_t version;
    uint8_t space;                   /* TR_ETW_BY_* */
};

struct tr_etw_schemas *tr_etw_schemas_new(void);
void tr_etw_schemas_free(struct tr_etw_schemas *schemas);

/* Name a provider; key's number and version count for nothing. Returns 0, or -1 without memory. */
int32_t tr_etw_schemas_name(struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key, const char *name,
                            uint32_t name_bytes);

/* Prepare a schema. What is there already by that key stays. Returns 0, -1 without memory, -2 for one that makes no
   sense (a reference to a field that is not read before it, a struct larger than its schema …). */
int32_t tr_etw_schemas_add(struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key,
                           const struct tr_etw_layout *layout);
uint32_t tr_etw_schemas_count(const struct tr_etw_schemas *schemas);

/* A prepared schema's fields, for whoever prepares programs or columns. `layout` points into it. Returns 0 or -1. */
int32_t tr_etw_schemas_get(const struct tr_etw_schemas *schemas, const struct tr_etw_schema_key *key,
                           struct tr_etw_layout *layout);
