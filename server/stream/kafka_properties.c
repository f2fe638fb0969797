#include "stream/kafka_properties.h"

#include <stdlib.h>

#include "base/check.h"
#include "stream/kafka.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum { PROPERTY_ERROR_SIZE = 512 };

static bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What exactly once stands on, and what would run code of others in this process. */
static const char *property_refusal(const char *name)
{
    static const char *const ours[] = {
        "metadata.broker.list", "bootstrap.servers",  "group.id",
        "group.instance.id",    "enable.auto.commit", "enable.auto.offset.store",
        "auto.offset.reset",    "isolation.level",    "enable.partition.eof",
        "auto.commit.enable",   "log.queue",          "enabled_events",
    };
    static const char *const dangerous[] = {
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.location",
        "builtin.features",
    };
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return "is set by asof (brokers, group, start and on_gap are keys of their own)";
    for (size_t i = 0; i < COUNT_OF(dangerous); i++)
        if (strcmp(name, dangerous[i]) == 0)
            return "is not taken from definitions, as it would run other programs or libraries";
    return text_starts_with(name, "test.") ? "is for tests of librdkafka itself" : NULL;
}

static enum status property_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                struct error *err)
{
    char why[PROPERTY_ERROR_SIZE];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "property '%s': %s", name, why);
}

enum status kafka_check_property(struct bytes name, struct bytes value, struct error *err)
{
    char *name_text = strndup(name.data, name.size);
    char *value_text = strndup(value.data, value.size);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(name_text != NULL && value_text != NULL);
    const char *refusal = property_refusal(name_text);
    enum status status =
        refusal != NULL ? error_set(err, STATUS_INVALID, "property '%s' %s", name_text, refusal)
                        : property_set(conf, name_text, value_text, err);
    rd_kafka_conf_destroy(conf);
    free(name_text);
    free(value_text);
    return status;
}

static enum status set_bytes(rd_kafka_conf_t *conf, const char *name, struct bytes value,
                             struct error *err)
{
    char *text = strndup(value.data, value.size);
    CHECK(text != NULL);
    enum status status = property_set(conf, name, text, err);
    free(text);
    return status;
}

struct preset {
    const char *name;
    const char *value;
};

static enum status set_presets(rd_kafka_conf_t *conf, const struct preset *presets, size_t count,
                               struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = property_set(conf, presets[i].name, presets[i].value, err);
    return status;
}

/* What is said of every client of the source's brokers. */
static enum status set_common(rd_kafka_conf_t *conf, const struct kafka_definition *definition,
                              struct error *err)
{
    static const struct preset presets[] = {
        {"client.id", "asof"},
        {"check.crcs", "true"},
        {"socket.keepalive.enable", "true"},
        {"reconnect.backoff.max.ms", "1000"},
        {"log.connection.close", "false"},
    };
    enum status status = set_presets(conf, presets, COUNT_OF(presets), err);
    for (size_t i = 0; i < definition->properties_count && status == STATUS_OK; i++) {
        const struct bytes *property = &definition->properties[2 * i];
        char name[PROPERTY_ERROR_SIZE];
        status = set_bytes(conf, bytes_to_text(property[0], name, sizeof(name)), property[1], err);
    }
    return status == STATUS_OK ? set_bytes(conf, "bootstrap.servers", definition->brokers, err)
                               : status;
}

enum status kafka_properties_set(rd_kafka_conf_t *conf, const struct kafka_definition *definition,
                                 struct error *err)
{
    static const struct preset fixed[] = {
        {"enable.auto.commit", "false"},  {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},   {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"}, {"allow.auto.create.topics", "false"},
    };
    enum status status = set_common(conf, definition, err);
    if (status == STATUS_OK)
        status = set_presets(conf, fixed, COUNT_OF(fixed), err);
    struct bytes group = definition->group.size > 0 ? definition->group : bytes_of_text("asof");
    return status == STATUS_OK ? set_bytes(conf, "group.id", group, err) : status;
}

/* Not an idempotent producer: what was not delivered is sent again by who keeps it, and this
 * release's stops for good after some errors. */
enum status kafka_properties_set_producer(rd_kafka_conf_t *conf,
                                          const struct kafka_definition *definition,
                                          struct error *err)
{
    static const struct preset fixed[] = {
        {"acks", "all"},
        {"enable.idempotence", "false"},
        {"linger.ms", "5"},
        {"message.timeout.ms", "5000"},
        {"batch.size", "65536"},
        {"message.max.bytes", "4000000"}, /* what the topic takes is less, and its broker says so */
    };
    enum status status = set_common(conf, definition, err);
    return status == STATUS_OK ? set_presets(conf, fixed, COUNT_OF(fixed), err) : status;
}
