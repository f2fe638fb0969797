/* Meaning: definitions as canonical JSON, to be stored and to be compared.
 *
 * 1. The text of a definition is one that its parser takes, and parses to the same definition.
 * 2. Two views have the same meaning text exactly when they give the same values: annotations, the
 *    order of features and of keys in the file, and how durations are typed play no part.
 * Thread: any. */
#ifndef ASOF_REGISTRY_MEANING_H
#define ASOF_REGISTRY_MEANING_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/time_text.h"
#include "model/definition.h"

enum annotation_choice { WITHOUT_ANNOTATIONS, WITH_ANNOTATIONS };
enum secret_choice { WITHOUT_SECRETS, WITH_SECRETS };

/* Append the definition as in a file, defaults written out. */
void source_append_definition(const struct source_definition *source, enum annotation_choice choice,
                              struct buffer *out);
void entity_append_definition(const struct entity_definition *entity, enum annotation_choice choice,
                              struct buffer *out);
void view_append_definition(const struct view_definition *view, struct buffer *out);

/* Appends what the view has taken over from its source and entity, and its features' types. */
void view_append_resolved(const struct view_definition *view, struct buffer *out);

void view_append_meaning(const struct view_definition *view, struct buffer *out);

/* Appends all annotations of the view and its features, to be compared. */
void view_append_annotations(const struct view_definition *view, struct buffer *out);

/* The features sorted by name; in the arena. */
const struct feature_definition **features_sorted(const struct view_definition *view,
                                                  struct arena *arena);

/* Appends a default as it is typed (in JSON). */
void default_append(const struct value *value, struct buffer *out);

/* Appends those that are there, as members. */
void annotations_append(const struct annotations *annotations, struct buffer *out);

/* Appends {"team": "risk"}, and {"amount": "decimal(2)"}. */
void tags_append(const struct annotations *annotations, struct buffer *out);
void fields_append(const struct field_definition *fields, size_t fields_count, struct buffer *out);

/* Appends what stands behind kafka:; passwords and the like only WITH_SECRETS, to be stored. */
void kafka_append(const struct kafka_definition *kafka, enum secret_choice choice,
                  struct buffer *out);

/* Appends the member dead_letters of a source, where it has one. */
void letters_append(const struct source_definition *source, struct buffer *out);

/* "earliest", "latest", or a time that is written into text. */
struct bytes start_text(const struct kafka_definition *kafka, char text[TIME_TEXT_SIZE]);

const char *gap_name(enum kafka_gap gap);
const char *clock_name(enum source_clock clock);
const char *durability_name(enum durability durability);

/* What was appended, copied into the arena; the buffer is emptied and freed. */
struct bytes buffer_to_arena(struct buffer *buffer, struct arena *arena);

#endif
