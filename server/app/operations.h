/* Operations: what those who run a server ask of it, as both doors do it: the parsing of what they
 * type, the work where it is more than one call of a room, and the JSON of the answer.
 *
 * Thread: that of the query or of the stream that is given. */
#ifndef ASOF_APP_OPERATIONS_H
#define ASOF_APP_OPERATIONS_H

#include "query/columns.h"
#include "stream/stream.h"

enum {
    OPERATIONS_DIFF_ENTITIES_MAX = 64,    /* of one diff */
    OPERATIONS_ENTITIES_MAX = 1000,       /* of one list of entities */
    OPERATIONS_FILLS_MAX = 1000,          /* that are told */
    OPERATIONS_LETTERS_PRESET = 100,      /* of a list of dead letters */
    OPERATIONS_LETTERS_MAX = 1000,        /* the same, at most */
    OPERATIONS_LETTERS_CHANGED_MAX = 500, /* of one call, so that it is some milliseconds */
};

/* Splits "view@2". INVALID: it is no version of a view. */
MUST_USE enum status operations_parse_version(struct bytes text, struct bytes *view,
                                              uint32_t *number, struct error *err);

/* Digits with a sign at most: number_parse_int takes more, as 1e3. */
bool operations_is_integer(struct bytes text);

/* `now`, RFC 3339 or microseconds since 1970. INVALID: err says so. */
MUST_USE enum status operations_parse_moment(struct bytes text, struct moment *out,
                                             struct error *err);

/* {"changes":[...]}: what a plan says, with what new versions are filled from. */
void operations_append_changes(struct stream *stream, const struct registry_plan *plan,
                               struct buffer *json);

/* From which moment records are read again: a moment as above, or `earliest`. */
MUST_USE enum status operations_parse_replay(struct bytes text, int64_t *from_us,
                                             struct error *err);

/* [{"view":...,"version":...,"events_done":...,"events_total":...}]: what is being filled. */
void operations_append_fills(const struct stream *stream, struct arena *arena, struct buffer *json);

/* How two versions answer differently, for some entities. */
struct operations_diff {
    struct bytes left; /* "view@1" */
    struct bytes right;
    const struct bytes *entities; /* entities_count of them, as they are typed */
    size_t entities_count;
    struct moment moment; /* of now, the same T for both, where they have a clock */
};

/* Appends {"at":T or null,"diff":{...}}. Reads between query_begin and query_end; pins the query
 * where it is not pinned. INVALID: no versions, not 1 to OPERATIONS_DIFF_ENTITIES_MAX entities, and
 * as view_diff_add. CANCELLED: the query's patience ended. Else as query_find and view_diff_add. */
MUST_USE enum status operations_append_diff(struct query *query, const struct operations_diff *diff,
                                            struct arena *arena, struct buffer *json,
                                            struct error *err);

/* {"done":...,"failed":...,"last":...,"has_more":...}: what came of a change of dead letters. */
void operations_append_letter_result(const struct letter_result *result, struct buffer *json);

#endif
