#include "stream/kafka_producer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "stream/kafka_properties.h"

enum { ERROR_SIZE = 256, CONF_ERROR_SIZE = 512 };

struct kafka_producer {
    char *source;       /* owned: its name, for the log */
    char *topic;        /* owned */
    rd_kafka_t *client; /* owned */
    kafka_wake_fn wake;
    void *context; /* borrowed */
    char error[ERROR_SIZE];
};

static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    const int syslog_warning = 4;
    const struct kafka_producer *producer = rd_kafka_opaque(client);
    bool is_of_consumers = strcmp(facility, "CONFWARN") == 0; /* the definition is that of one */
    enum log_level ours = level <= syslog_warning && !is_of_consumers ? LOG_WARN : LOG_DEBUG;
    log_write(ours, "source '%s', its dead letters: %s: %s", producer->source, facility, text);
}

static void set_error(struct kafka_producer *producer, const char *text)
{
    snprintf(producer->error, sizeof(producer->error), "%s", text);
}

static void error_happened(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
    (void)client, (void)error;
    set_error(opaque, reason);
}

static enum kafka_delivery delivery_of(rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return DELIVERY_DONE;
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? DELIVERY_TOO_LARGE : DELIVERY_FAILED;
}

static void settle(struct kafka_producer *producer, rd_kafka_resp_err_t error,
                   enum kafka_delivery *delivery)
{
    *delivery = delivery_of(error);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        set_error(producer, rd_kafka_err2str(error));
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    settle(opaque, message->err, message->_private);
}

static void something_happened(rd_kafka_t *client, void *opaque)
{
    const struct kafka_producer *producer = opaque;
    (void)client;
    producer->wake(producer->context);
}

enum status kafka_producer_create(struct bytes name, const struct kafka_definition *definition,
                                  struct bytes topic, kafka_wake_fn wake, void *context,
                                  struct kafka_producer **out, struct error *err)
{
    char why[CONF_ERROR_SIZE];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct kafka_producer *producer = calloc(1, sizeof(*producer));
    CHECK(producer != NULL);
    producer->source = strndup(name.data, name.size);
    producer->topic = strndup(topic.data, topic.size);
    CHECK(producer->source != NULL && producer->topic != NULL);
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set_error_cb(conf, error_happened);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    enum status status = kafka_properties_set_producer(conf, definition, err);
    if (status == STATUS_OK) {
        producer->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
        if (producer->client == NULL)
            status = error_set(err, STATUS_INVALID, "kafka: %s", why);
    }
    if (status != STATUS_OK) {
        rd_kafka_conf_destroy(conf);
        kafka_producer_destroy(&producer);
        return status;
    }
    producer->wake = wake;
    producer->context = context;
    rd_kafka_queue_t *events = rd_kafka_queue_get_main(producer->client);
    rd_kafka_queue_cb_event_enable(events, something_happened, producer);
    rd_kafka_queue_destroy(events);
    *out = producer;
    return STATUS_OK;
}

void kafka_producer_destroy(struct kafka_producer **out)
{
    struct kafka_producer *producer = *out;
    if (producer == NULL)
        return;
    if (producer->client != NULL) {
        rd_kafka_queue_t *events = rd_kafka_queue_get_main(producer->client);
        rd_kafka_queue_cb_event_enable(events, NULL, NULL);
        rd_kafka_queue_destroy(events);
        rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                             RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(producer->client);
    }
    free(producer->topic);
    free(producer->source);
    free(producer);
    *out = NULL;
}

void kafka_producer_send(struct kafka_producer *producer, const struct kafka_record *record,
                         enum kafka_delivery *delivery)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->headers_count);
    for (size_t i = 0; i < record->headers_count; i++) {
        const struct kafka_header *header = &record->headers[i];
        CHECK(rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size,
                                  header->value.data,
                                  (ssize_t)header->value.size) == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    *delivery = DELIVERY_PENDING;
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer->client, RD_KAFKA_V_TOPIC(producer->topic),
        RD_KAFKA_V_KEY(record->key.data, record->key.size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.data, record->value.size),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(delivery), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return; /* the headers are librdkafka's now */
    rd_kafka_headers_destroy(headers);
    settle(producer, error, delivery);
}

void kafka_producer_poll(struct kafka_producer *producer)
{
    rd_kafka_poll(producer->client, 0);
}

const char *kafka_producer_error(const struct kafka_producer *producer)
{
    return producer->error;
}
