/* Exposition: metrics in Prometheus' text format 0.0.4. A family is a head and its values behind
 * it. Names and names of labels are our own; texts of help and values of labels are escaped.
 * Thread: any. */
#ifndef ASOF_ADMIN_EXPOSITION_H
#define ASOF_ADMIN_EXPOSITION_H

#include "base/buffer.h"
#include "base/metric.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* "counter", "gauge", "histogram" */
const char *metric_kind_name(enum metric_kind kind);

/* What tells the values of a family apart; NULL: there is only one. */
struct metric_label {
    const char *name;
    struct bytes value;
};

void exposition_head(struct buffer *out, const char *name, enum metric_kind kind, const char *help);
void exposition_integer(struct buffer *out, const char *name, const struct metric_label *label,
                        uint64_t value);
void exposition_double(struct buffer *out, const char *name, const struct metric_label *label,
                       double value);
void exposition_histogram(struct buffer *out, const char *name, const struct metric_label *label,
                          const struct histogram *histogram);

#endif
