/* Names of what is read: "view", "view@2", and the keys "view:entity" and "view@2:entity". */
#include <string.h>

#include "base/number.h"
#include "model/entity.h"
#include "query/query.h"
#include "query/query_room.h"

bool query_split_version(struct bytes text, struct bytes *view, uint32_t *number)
{
    const char *at = text.size == 0 ? NULL : memchr(text.data, '@', text.size);
    int64_t parsed;
    *view = text;
    *number = 0;
    if (at == NULL)
        return true;
    *view = bytes_of(text.data, (size_t)(at - text.data));
    struct bytes digits = bytes_after(text, view->size + 1);
    if (number_parse_int(digits, &parsed) != NUMBER_OK || parsed < 1 || parsed > UINT32_MAX)
        return false;
    *number = (uint32_t)parsed;
    return true;
}

/* Splits "view@2:entity". false: there is no ':' or the number is none. */
static bool split_key(struct bytes key, struct bytes *view, uint32_t *number, struct bytes *entity)
{
    const char *colon = memchr(key.data, ':', key.size);
    if (colon == NULL)
        return false;
    struct bytes version = bytes_of(key.data, (size_t)(colon - key.data));
    *entity = bytes_after(key, version.size + 1);
    return query_split_version(version, view, number);
}

static enum status find_version(const struct query *query, struct bytes name, uint32_t number,
                                const struct view_version **version, struct error *err)
{
    char shown[NAME_SIZE_MAX + 1];
    const struct view *view = registry_find_view(query->catalog->registry, name);
    if (view == NULL)
        return error_set(err, STATUS_NOT_FOUND, "no view '%s'; `asof list` shows the views",
                         bytes_to_text(name, shown, sizeof(shown)));
    if (number == 0 && view->active == 0)
        return error_set(err, STATUS_UNAVAILABLE,
                         "view '%.*s' is being filled from its source's log and not shown yet; "
                         "`asof list` shows how far it is",
                         BYTES_ARGS(view->name));
    *version = view_find_version(view, number);
    if (*version == NULL)
        return error_set(err, STATUS_NOT_FOUND, "view '%.*s' has no version %u",
                         BYTES_ARGS(view->name), number);
    bool is_shown = (*version)->state == VERSION_LIVE || *version == view_find_version(view, 0);
    if (!is_shown)
        return error_set(err, STATUS_UNAVAILABLE,
                         "version %u of view '%.*s' is being filled and not shown yet", number,
                         BYTES_ARGS(view->name));
    if ((*version)->lack.size > 0)
        return error_set(err, STATUS_UNAVAILABLE, "%.*s", BYTES_ARGS((*version)->lack));
    return STATUS_OK;
}

struct target query_target_of(const struct readable *readable)
{
    return (struct target){.view = readable->version->definition,
                           .version = readable->version,
                           .plan = readable->plan,
                           .readable = readable};
}

enum status query_find_view(struct query *query, struct bytes name, uint32_t number,
                            struct target *target, struct error *err)
{
    const struct view_version *version = NULL;
    enum status status = find_version(query, name, number, &version, err);
    if (status == STATUS_OK)
        *target = query_target_of(catalog_find(query->catalog, version));
    return status;
}

enum status query_find(struct query *query, struct bytes key, struct arena *arena,
                       struct target *target, struct error *err)
{
    struct bytes name;
    struct bytes entity;
    uint32_t number;
    const struct view_version *version = NULL;
    char shown[NAME_SIZE_MAX + 1];
    if (!split_key(key, &name, &number, &entity))
        return error_set(err, STATUS_NOT_FOUND,
                         "'%s' is no key: keys are view:entity or "
                         "view@2:entity",
                         bytes_to_text(key, shown, sizeof(shown)));
    enum status status = find_version(query, name, number, &version, err);
    if (status != STATUS_OK)
        return status;
    *target = query_target_of(catalog_find(query->catalog, version));
    return entity_parse(version->definition, entity, arena, &target->entity, err);
}
