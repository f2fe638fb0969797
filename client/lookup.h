/* Lookup: one answer of ASOF.GET, and the types of a view's features, so that values can be shown
 * as what they are. Thread: one at a time. */
#ifndef ASOF_CLIENT_LOOKUP_H
#define ASOF_CLIENT_LOOKUP_H

#include "base/arena.h"
#include "base/buffer.h"
#include "tree.h"
#include "model/value.h"

struct redisReply;

struct lookup_feature {
    struct bytes name;
    struct bytes value; /* as the Redis protocol writes it; empty where is_null */
    struct bytes status;
    struct type type;
    bool is_null;
};

struct lookup {
    struct bytes view; /* "card_payments@2" */
    int64_t at_us;
    bool has_event_time; /* false: the entity has no event by then */
    int64_t event_time_us;
    const struct lookup_feature *features;
    size_t features_count;
};

/* Takes a reply of ASOF.GET apart. Texts are borrowed from reply, the rest is in the arena.
 * description is what ASOF.DESCRIBE says of the view. CORRUPT: not such a reply. */
MUST_USE enum status lookup_read(const struct redisReply *reply, yajl_val description,
                                 struct arena *arena, struct lookup *out, struct error *err);

/* Appends the value for people: times in RFC 3339, true and false, "-" for NULL, the status where
 * the value can't be told (overflow). */
void lookup_append_text(const struct lookup_feature *feature, struct buffer *out);

/* Appends the lookup as one JSON object, without a newline. Values are typed; numbers are written
 * digit for digit as the server did. */
void lookup_append_json(const struct lookup *lookup, struct bytes entity, struct buffer *out);

/* The type of a feature in the description; a string where it has none such. */
struct type lookup_type(yajl_val description, struct bytes feature);

#endif
