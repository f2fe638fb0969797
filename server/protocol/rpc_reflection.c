/* The files lie here as the FileDescriptorSet that protoc made of them; few and small, they are
 * searched from the front. */
#include "protocol/rpc_reflection.h"

#include "protocol/grpc.h"
#include "protocol/protobuf.h"

static const unsigned char descriptor_set[] = {
#include <asof/descriptors.inc>
};

/* Fields of descriptor.proto. */
enum {
    SET_FILE = 1,
    FILE_NAME = 1,
    FILE_PACKAGE = 2,
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    NAMED_NAME = 1, /* of a message, an enum, a service */
};

/* Fields of reflection.proto. */
enum {
    REQUEST_BY_NAME = 3,
    REQUEST_BY_SYMBOL = 4,
    REQUEST_LIST = 7,
    ANSWER_REQUEST = 2,
    ANSWER_FILES = 4,
    ANSWER_SERVICES = 6,
    ANSWER_ERROR = 7,
    FILES_FILE = 1,
    SERVICES_SERVICE = 1,
    SERVICE_NAME = 1,
    ERROR_CODE = 1,
    ERROR_TEXT = 2,
};

/* Takes the next field of that number; false: there is no more. */
static bool next_of(struct bytes *left, uint32_t number, struct bytes *out)
{
    struct protobuf_field field;
    while (protobuf_next(left, &field) == PROTOBUF_FIELD)
        if (field.number == number && field.wire == PROTOBUF_BYTES) {
            *out = field.bytes;
            return true;
        }
    return false;
}

static struct bytes first_of(struct bytes message, uint32_t number)
{
    struct bytes found = {0};
    (void)next_of(&message, number, &found);
    return found;
}

/* Whether symbol is "package.name", or something within that. */
static bool symbol_is_of(struct bytes symbol, struct bytes package, struct bytes name)
{
    size_t size = package.size + 1 + name.size;
    if (symbol.size < size || !bytes_start_with(symbol, package) ||
        symbol.data[package.size] != '.' ||
        !bytes_start_with(bytes_after(symbol, package.size + 1), name))
        return false;
    return symbol.size == size || symbol.data[size] == '.';
}

static bool file_has_symbol(struct bytes file, struct bytes symbol)
{
    static const uint32_t kinds[] = {FILE_MESSAGE, FILE_ENUM, FILE_SERVICE};
    struct bytes package = first_of(file, FILE_PACKAGE);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct bytes left = file;
        struct bytes named;
        while (next_of(&left, kinds[i], &named))
            if (symbol_is_of(symbol, package, first_of(named, NAMED_NAME)))
                return true;
    }
    return false;
}

/* Appends the file of that name, or that has the symbol; false: there is none. */
static bool append_file(const struct protobuf_field *wanted, struct buffer *out)
{
    struct bytes left = bytes_of(descriptor_set, sizeof(descriptor_set));
    struct bytes file;
    while (next_of(&left, SET_FILE, &file)) {
        bool is_it = wanted->number == REQUEST_BY_NAME
                         ? bytes_equal(first_of(file, FILE_NAME), wanted->bytes)
                         : file_has_symbol(file, wanted->bytes);
        if (!is_it)
            continue;
        protobuf_append_item(out, FILES_FILE, file);
        return true;
    }
    return false;
}

static void append_service(struct bytes package, struct bytes name, struct buffer *out)
{
    size_t name_size = package.size + 1 + name.size;
    size_t tag_size = 1;
    protobuf_append_tag(out, SERVICES_SERVICE, PROTOBUF_BYTES);
    varint_append(out, tag_size + protobuf_varint_size(name_size) + name_size);
    protobuf_append_tag(out, SERVICE_NAME, PROTOBUF_BYTES);
    varint_append(out, name_size);
    buffer_append(out, package);
    buffer_append_byte(out, '.');
    buffer_append(out, name);
}

static void append_services(struct buffer *out)
{
    struct bytes left = bytes_of(descriptor_set, sizeof(descriptor_set));
    struct bytes file;
    while (next_of(&left, SET_FILE, &file)) {
        struct bytes in_file = file;
        struct bytes service;
        while (next_of(&in_file, FILE_SERVICE, &service))
            append_service(first_of(file, FILE_PACKAGE), first_of(service, NAMED_NAME), out);
    }
}

enum status rpc_reflection_answer(struct bytes request, struct buffer *scratch, struct buffer *out,
                                  struct error *err)
{
    struct bytes left = request;
    struct protobuf_field field;
    struct protobuf_field wanted = {0};
    enum protobuf_result result;
    while ((result = protobuf_next(&left, &field)) == PROTOBUF_FIELD)
        if (field.number >= REQUEST_BY_NAME && field.wire == PROTOBUF_BYTES)
            wanted = field;
    if (result == PROTOBUF_BROKEN)
        return error_set(err, STATUS_INVALID, "the bytes are no ServerReflectionRequest");

    uint32_t number = ANSWER_FILES;
    scratch->start = scratch->size = 0;
    if (wanted.number == REQUEST_LIST) {
        number = ANSWER_SERVICES;
        append_services(scratch);
    } else if ((wanted.number != REQUEST_BY_NAME && wanted.number != REQUEST_BY_SYMBOL) ||
               !append_file(&wanted, scratch)) {
        number = ANSWER_ERROR;
        protobuf_append_integer(scratch, ERROR_CODE, GRPC_NOT_FOUND);
        protobuf_append_bytes(scratch, ERROR_TEXT, bytes_of_text("nothing of that name"));
    }
    protobuf_append_item(out, ANSWER_REQUEST, request);
    protobuf_append_item(out, number, buffer_bytes(scratch));
    return STATUS_OK;
}
