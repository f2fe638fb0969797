/* The light frame: calls of the same methods with the same messages as over gRPC, without HTTP/2.
 * docs/rpc.md has it to the byte:
 *
 *     size u32 | call u32 | kind u8 | body          size counts what is behind it; big-endian
 *
 *     1 CALL     method u8, timeout u32 in ms (0: none), message
 *     2 CANCEL   nothing: the answer is not wanted any more
 *     3 ANSWER   message
 *     4 FAILED   code u8, as gRPC's; text in UTF-8
 *     5 MESSAGE  a further message of the request
 *     6 END      nothing: the last message of the request was sent
 *     7 PART     a message of an answer that is a stream
 *     8 DONE     nothing: the last part was sent
 *
 * It keeps no state and does no IO. Thread: any. */
#ifndef ASOF_PROTOCOL_LIGHT_H
#define ASOF_PROTOCOL_LIGHT_H

#include "base/buffer.h"

enum {
    LIGHT_MESSAGE_SIZE_MAX = 16 * 1024 * 1024,
    LIGHT_CALL_HEAD_SIZE = 14, /* of a CALL, before its message */
};

enum light_kind {
    LIGHT_CALL = 1,
    LIGHT_CANCEL = 2,
    LIGHT_ANSWER = 3,
    LIGHT_FAILED = 4,
    LIGHT_MESSAGE = 5,
    LIGHT_END = 6,
    LIGHT_PART = 7,
    LIGHT_DONE = 8,
};

struct light_frame {
    enum light_kind kind; /* CALL, CANCEL, MESSAGE or END */
    uint32_t call;        /* the peer's number of it */
    unsigned method;      /* of CALL, as the next one */
    uint32_t timeout_ms;
    struct bytes message; /* of CALL and MESSAGE; borrowed from the input */
};

enum light_result {
    LIGHT_FRAME,
    LIGHT_PARTIAL, /* call again when more has come */
    LIGHT_BROKEN,  /* no such frame: close */
};

/* Takes a frame from the front of input; consumed is its size. */
enum light_result light_parse(struct bytes input, struct light_frame *frame, size_t *consumed);

/* Append a frame to out: the ANSWER of a call, which ends it. */
void light_append_answer(uint32_t call, struct bytes message, struct buffer *out);

/* The same of a message that is appended in between; begin says what end is told. */
size_t light_begin_answer(uint32_t call, struct buffer *out);
void light_end_answer(size_t begun, struct buffer *out);

/* Append a PART of an answer that is a stream; the DONE behind the last one; FAILED, which ends a
 * call instead: code is gRPC's, text is UTF-8 for people. */
void light_append_part(uint32_t call, struct bytes message, struct buffer *out);
void light_append_done(uint32_t call, struct buffer *out);
void light_append_failure(uint32_t call, unsigned code, struct bytes text, struct buffer *out);

#endif
