#include "model/reference.h"

#include "base/number.h"

static const struct bytes request_prefix = {"request.", 8};

struct bytes request_reference_name(struct bytes text)
{
    if (!bytes_start_with(text, request_prefix))
        return (struct bytes){0};
    struct bytes name = bytes_after(text, request_prefix.size);
    return name_is_valid(name) ? name : (struct bytes){0};
}

/* Takes "@2" off the end of name. false: there is an '@' without a number of a version. */
static bool take_version(struct bytes *name, uint32_t *version)
{
    int64_t number = 0;
    const char *at = name->size == 0 ? NULL : memchr(name->data, '@', name->size);
    *version = 0;
    if (at == NULL)
        return true;
    struct bytes digits = bytes_after(*name, (size_t)(at - name->data) + 1);
    if (number_parse_int(digits, &number) != NUMBER_OK || number < 1 || number > UINT32_MAX ||
        digits.data[0] == '0')
        return false;
    *version = (uint32_t)number;
    name->size = (size_t)(at - name->data);
    return true;
}

bool feature_reference_parse(struct bytes text, struct feature_reference *out)
{
    const char *point = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    if (point == NULL)
        return false;
    *out = (struct feature_reference){.view = bytes_of(text.data, (size_t)(point - text.data))};
    out->feature = bytes_after(text, out->view.size + 1);
    return take_version(&out->view, &out->version) && name_is_valid(out->view) &&
           name_is_valid(out->feature);
}

void feature_reference_append(const struct feature_reference *reference, struct buffer *out)
{
    buffer_append(out, reference->view);
    if (reference->version > 0)
        buffer_format(out, "@%u", reference->version);
    buffer_append_byte(out, '.');
    buffer_append(out, reference->feature);
}
