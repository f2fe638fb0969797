/* A document in docs/ that is written from a table. */
#ifndef ASOF_UNIT_DOCUMENT_H
#define ASOF_UNIT_DOCUMENT_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

enum { DOCUMENT_SIZE_MAX = 1 << 16 };

/* Asserts that the file is what is expected; with ASOF_WRITE_DOCS=1 it is written anew. */
static inline void assert_document(const char *path, const struct buffer *expected)
{
    struct buffer found = {0};
    bool is_writing = getenv("ASOF_WRITE_DOCS") != NULL;
    FILE *file = fopen(path, is_writing ? "w+" : "r");
    assert_non_null(file);
    if (is_writing) {
        fwrite(buffer_bytes(expected).data, 1, expected->size, file);
        rewind(file);
    }
    size_t size = fread(buffer_reserve(&found, DOCUMENT_SIZE_MAX), 1, DOCUMENT_SIZE_MAX, file);
    buffer_added(&found, size);
    fclose(file);
    assert_true(bytes_equal(buffer_bytes(&found), buffer_bytes(expected)));
    buffer_fini(&found);
}

#endif
