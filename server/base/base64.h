/* Base64: bytes as text for JSON (RFC 4648, with padding). Thread: any. */
#ifndef ASOF_BASE_BASE64_H
#define ASOF_BASE_BASE64_H

#include "base/buffer.h"

void base64_append(struct bytes bytes, struct buffer *out);

#endif
