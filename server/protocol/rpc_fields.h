/* Fields of the messages of RPC: what rpc_message.c and the like read requests by. Values are
 * borrowed from the message; lists are in the arena. Only the files of protocol/ include it.
 * Thread: any. */
#ifndef ASOF_PROTOCOL_RPC_FIELDS_H
#define ASOF_PROTOCOL_RPC_FIELDS_H

#include "base/arena.h"
#include "base/status.h"
#include "model/columns.h"

/* INVALID: "the bytes are no WHAT". */
enum status rpc_refuse_broken(const char *what, struct error *err);

/* LIMIT: a request has at most so many. */
enum status rpc_refuse_many(const char *what, size_t count_max, size_t count, struct error *err);

/* Counts the fields of that number that are bytes. false: the bytes are no message. */
MUST_USE bool rpc_count_fields(struct bytes message, uint32_t number, size_t *count);

/* Collects them; they were counted. */
void rpc_take_fields(struct bytes message, uint32_t number, struct bytes *out);

/* Both, with a limit. INVALID, LIMIT: err. */
MUST_USE enum status rpc_take_texts(struct bytes message, uint32_t number, const char *what,
                                    size_t count_max, struct arena *arena, const struct bytes **out,
                                    size_t *count, struct error *err);

/* Integers, packed or not. */
MUST_USE enum status rpc_take_numbers(struct bytes message, uint32_t number, bool is_zigzag,
                                      size_t rows_max, struct arena *arena, const int64_t **out,
                                      size_t *count, struct error *err);

/* The last field of that number, of a whole message; 0 or empty: there is none. */
uint64_t rpc_take_integer(struct bytes message, uint32_t number);
struct bytes rpc_take_text(struct bytes message, uint32_t number);

/* Each a RequestColumn or an EventColumn, which have the same fields. */
MUST_USE enum status rpc_take_columns(struct bytes message, uint32_t number, size_t columns_max,
                                      size_t count_max, struct arena *arena,
                                      const struct value_column **out, size_t *count,
                                      struct error *err);

/* INVALID: "column 'NAME' WHAT". */
enum status rpc_refuse_column(const struct value_column *column, const char *what,
                              struct error *err);

#endif
