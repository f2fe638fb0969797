/* Monitor: gathers what the rooms tell of themselves, for INFO and for the HTTP door, whose pages
 * it serves: /healthz, /readyz, /metrics.
 *
 * Thread: main, where a function says nothing else. */
#ifndef ASOF_APP_MONITOR_H
#define ASOF_APP_MONITOR_H

#include "app/figures.h"
#include "app/options.h"
#include "app/worker.h"

struct monitor;

/* Owned by the caller. */
struct monitor *monitor_create(void);

/* Behind monitor_stop, before the rooms that it was opened with. Accepts NULL and leaves NULL
 * behind. */
void monitor_destroy(struct monitor **monitor);

/* Definitions changed; their sources' times live as long as the stream. Thread: the stream's. */
void monitor_note_definitions(struct monitor *monitor, struct stream *stream,
                              const struct registry *registry);

/* What it looks at; all borrowed. */
struct monitor_rooms {
    struct storage *storage;
    struct writer *writer;
    struct export *export;
    struct worker *const *workers;
    size_t workers_count;
};

/* Listens on the port of options (borrowed), unless that is off. INVALID, UNAVAILABLE: as
 * network_listen. */
MUST_USE enum status monitor_open(struct monitor *monitor, const struct monitor_rooms *rooms,
                                  const struct server_options *options, struct error *err);

/* Serves on a thread of its own; says that the server is not ready any more; ends. */
void monitor_start(struct monitor *monitor);
void monitor_note_stopping(struct monitor *monitor);
void monitor_stop(struct monitor *monitor);

/* Where it listens, or "off". */
void monitor_address(const struct monitor *monitor, char text[NETWORK_ADDRESS_TEXT_SIZE]);

/* For struct resp_door_options; context is the monitor, which is open. Thread: any. */
void monitor_read_figures(void *context, struct resp_figures *figures);
void monitor_append_info(void *context, struct buffer *out);

#endif
