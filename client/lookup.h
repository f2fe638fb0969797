/* Lookup: one row of an answer of GetFeatures, and how its values are shown. Thread: one at a time.
 */
#ifndef ASOF_CLIENT_LOOKUP_H
#define ASOF_CLIENT_LOOKUP_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"
#include "libasof/asof.h"
#include "model/value.h"

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
    bool is_out_of_history; /* T lies before what the view keeps: there are no values */
};

/* Takes a row of the result, all of whose columns are of one view. All is in the arena. CORRUPT:
 * the result has no such row, or is not of one view. */
MUST_USE enum status lookup_read(struct asof_result *result, size_t row, struct arena *arena,
                                 struct lookup *out, struct error *err);

/* Splits what is typed for an entity at each '|' (not at "\|") into its keys, in the arena; a
 * single key stands as it is. false: they are not keys_count. */
MUST_USE bool lookup_split_entity(const char *entity, size_t keys_count, struct arena *arena,
                                  struct asof_bytes *keys);

/* Appends the value for people: times in RFC 3339, true and false, "-" for NULL, the status where
 * the value can't be told (overflow). */
void lookup_append_text(const struct lookup_feature *feature, struct buffer *out);

/* Appends the lookup as one JSON object, without a newline. Values are typed; numbers are written
 * digit for digit as the Redis protocol does. */
void lookup_append_json(const struct lookup *lookup, struct bytes entity, struct buffer *out);

#endif
