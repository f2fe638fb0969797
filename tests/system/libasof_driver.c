/* What test_libasof.py does with libasof, a command a run:
 *
 *     libasof_driver ADDRESS COMMAND ARGUMENT...
 *
 * Bytes go in and out in hex. What fails is printed as "CODE: text" and ends it with 1. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <asof.h>

enum { WORDS_MAX = 20000, LINE_SIZE = 1 << 20 };

static struct asof_client *client;
static struct asof_error error;

static void check(enum asof_code code)
{
    if (code == ASOF_OK)
        return;
    printf("%s: %s\n", asof_code_name(code), error.text);
    exit(1);
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    printf("must hold: %s\n", what);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- get: a request from lines, an answer as lines ---- */

static struct asof_bytes from_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    char *data = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        sscanf(hex + 2 * i, "%2hhx", (unsigned char *)data + i);
    return (struct asof_bytes){data, size};
}

static void print_hex(struct asof_bytes bytes)
{
    putchar('x');
    for (size_t i = 0; i < bytes.size; i++)
        printf("%02x", (unsigned char)bytes.data[i]);
}

static void take_line(struct asof_request *request, char *words[], size_t count)
{
    static struct asof_bytes strings[WORDS_MAX];
    static int64_t ints[WORDS_MAX];
    static double doubles[WORDS_MAX];
    static uint8_t nulls[WORDS_MAX];
    const char *name = count > 1 ? words[1] : "";
    size_t values = count > 2 ? count - 2 : 0;
    for (size_t i = 0; i < values; i++) {
        ints[i] = strtoll(words[2 + i], NULL, 10);
        doubles[i] = strtod(words[2 + i], NULL);
        nulls[i] = strcmp(words[2 + i], "null") == 0;
        if (strcmp(words[0], "strings") == 0)
            strings[i] = from_hex(words[2 + i] + 1);
    }
    if (strcmp(words[0], "feature") == 0)
        asof_request_add_feature(request, name);
    else if (strcmp(words[0], "strings") == 0)
        asof_request_set_key_strings(request, name, strings, values);
    else if (strcmp(words[0], "ints") == 0)
        asof_request_set_key_ints(request, name, ints, values);
    else if (strcmp(words[0], "value_ints") == 0)
        asof_request_set_value_ints(request, name, ints, nulls, values);
    else if (strcmp(words[0], "value_doubles") == 0)
        asof_request_set_value_doubles(request, name, doubles, NULL, values);
    else if (strcmp(words[0], "at") == 0)
        asof_request_set_at(request, ints, values);
    else if (strcmp(words[0], "exclusive") == 0)
        asof_request_set_exclusive(request, true);
    else if (strcmp(words[0], "event_times") == 0)
        asof_request_set_event_times(request, true);
    else
        require(false, words[0]);
    for (size_t i = 0; i < values && strcmp(words[0], "strings") == 0; i++) {
        union {
            const char *data;
            char *memory;
        } owned = {strings[i].data};
        free(owned.memory);
    }
}

static void print_column(struct asof_result *result, size_t index)
{
    const struct asof_column *column = asof_result_column(result, index);
    const struct asof_view *view = asof_result_view(result, column->view);
    const double *doubles = asof_result_doubles(result, index);
    const int64_t *integers = asof_result_integers(result, index);
    const struct asof_bytes *strings = asof_result_strings(result, index);
    const uint32_t *sizes = asof_result_sizes(result, index);
    require((doubles != NULL) + (integers != NULL) + (strings != NULL) == 1, "one kind of values");
    require((sizes != NULL) == column->is_list, "sizes of lists");
    require(asof_result_doubles(result, index) == doubles, "the same array again");
    require((uintptr_t)doubles % _Alignof(double) == 0, "aligned");
    printf("column %.*s %.*s %u %d %u %d\n", (int)column->feature.size, column->feature.data,
           (int)view->name.size, view->name.data, view->version, (int)column->kind, column->digits,
           column->is_list);
    printf("statuses");
    for (size_t row = 0; row < asof_result_rows(result); row++)
        printf(" %d", (int)asof_column_status(column, row) |
                          (asof_column_has_value(column, row) ? 0 : ASOF_STATUS_NO_VALUE));
    printf("\nsizes");
    for (size_t row = 0; sizes != NULL && row < asof_result_rows(result); row++)
        printf(" %u", sizes[row]);
    printf("\nvalues");
    for (size_t i = 0; i < column->items_count; i++) {
        putchar(' ');
        if (doubles != NULL)
            print_hex((struct asof_bytes){(const char *)&doubles[i], sizeof(double)});
        else if (integers != NULL)
            printf("%" PRId64, integers[i]);
        else
            print_hex(strings[i]);
    }
    printf("\nat");
    for (size_t i = 0; i < view->at_count; i++)
        printf(" %" PRId64, view->at_us[i]);
    printf("\nevent_times");
    for (size_t i = 0; view->event_times_us != NULL && i < asof_result_rows(result); i++)
        printf(" %" PRId64, view->event_times_us[i]);
    printf("\n");
}

static void print_result(struct asof_result **result)
{
    for (size_t i = 0; i < asof_result_columns_count(*result); i++)
        print_column(*result, i);
    asof_result_destroy(result);
}

/* Every chunk as an answer of its own. */
static enum asof_code print_stream(struct asof_request *request)
{
    struct asof_stream *stream = NULL;
    struct asof_message *message = NULL;
    enum asof_arrival arrival;
    asof_request_set_chunk_rows(request, 7);
    enum asof_code code = asof_get_stream(client, request, NULL, &stream, &error);
    if (code != ASOF_OK)
        return code;
    while ((arrival = asof_stream_receive(stream, -1, &message, &error)) == ASOF_ARRIVAL_MESSAGE) {
        struct asof_result *result = NULL;
        check(asof_result_create(&message, &result, &error));
        printf("chunk %zu\n", asof_result_rows(result));
        print_result(&result);
    }
    asof_stream_destroy(&stream);
    return arrival == ASOF_ARRIVAL_DONE ? ASOF_OK : error.code;
}

/* Requests from standard input, each ended by "." or, of a stream, "..."; the same request object
 * for all. */
static void run_get(void)
{
    static char line[LINE_SIZE];
    struct asof_request *request = asof_request_create();
    while (fgets(line, sizeof(line), stdin) != NULL) {
        static char *words[WORDS_MAX];
        size_t count = 0;
        for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n"))
            words[count++] = word;
        require(count > 0 && count < WORDS_MAX, "words");
        if (words[0][0] != '.') {
            take_line(request, words, count);
            continue;
        }
        struct asof_result *result = NULL;
        enum asof_code code = strcmp(words[0], "...") == 0
                                  ? print_stream(request)
                                  : asof_get(client, request, NULL, &result, &error);
        if (code != ASOF_OK)
            printf("%s: %s\n", asof_code_name(code), error.text);
        else if (result != NULL)
            print_result(&result);
        printf(".\n");
        fflush(stdout);
        asof_request_reset(request);
    }
    asof_request_destroy(&request);
}

/* ---- load: many threads ---- */

struct load {
    const char *feature;
    const char *key;
    int calls;
    double until; /* in place of calls, where it is not 0 */
    atomic_int failed;
    atomic_int done;
};

static void *load_thread(void *context)
{
    struct load *load = context;
    struct asof_request *request = asof_request_create();
    asof_request_add_feature(request, load->feature);
    for (int i = 0; load->until > 0 ? seconds() < load->until : i < load->calls; i++) {
        struct asof_result *result = NULL;
        struct asof_error why;
        char name[16];
        const char *names[] = {name, "nobody"};
        snprintf(name, sizeof(name), "e%d", i % 10);
        asof_request_set_key_texts(request, load->key, names, 2);
        enum asof_code code = asof_get(client, request, NULL, &result, &why);
        const int64_t *counts = code == ASOF_OK ? asof_result_integers(result, 0) : NULL;
        bool is_right = counts != NULL && counts[0] == i % 10 && counts[1] == 0;
        if (!is_right && atomic_fetch_add(&load->failed, 1) == 0)
            printf("%s: %s (%" PRId64 ")\n", asof_code_name(code), code == ASOF_OK ? "" : why.text,
                   counts == NULL ? -1 : counts[0]);
        atomic_fetch_add(&load->done, 1);
        asof_result_destroy(&result);
    }
    asof_request_destroy(&request);
    return NULL;
}

/* load FEATURE KEY THREADS CALLS|-SECONDS: entity eN has the count N. */
static void run_load(char **arguments)
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    struct load load = {.feature = arguments[0], .key = arguments[1], .calls = atoi(arguments[3])};
    int count = atoi(arguments[2]);
    require(count > 0 && count <= THREADS_MAX, "threads");
    if (load.calls < 0)
        load.until = seconds() - load.calls;
    clock_t before = clock();
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, load_thread, &load);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("done %d failed %d cpu_us %.2f\n", load.done, load.failed,
           (double)(clock() - before) * 1e6 / CLOCKS_PER_SEC / load.done);
}

/* ---- waiting ---- */

/* call METHOD TIMEOUT_MS: prints how long it took. */
static void run_call(char **arguments)
{
    struct asof_message *response = NULL;
    const struct asof_call_options options = {.timeout_ms = atoi(arguments[1])};
    double before = seconds();
    enum asof_code code = asof_call(client, (unsigned)atoi(arguments[0]),
                                    (struct asof_bytes){NULL, 0}, &options, &response, &error);
    printf("%s %.3f %s\n", asof_code_name(code), seconds() - before,
           code == ASOF_OK ? "" : error.text);
    if (code == ASOF_OK)
        print_hex(asof_message_bytes(response));
    asof_message_destroy(&response);
}

static void *fire_later(void *context)
{
    usleep(100 * 1000);
    asof_cancel_fire(context);
    return NULL;
}

static void *cancelled_call(void *context)
{
    struct asof_message *response = NULL;
    struct asof_cancel *cancel = asof_cancel_create();
    struct asof_error why;
    const struct asof_call_options options = {.timeout_ms = 20000, .cancel = cancel};
    pthread_t firing;
    pthread_create(&firing, NULL, fire_later, cancel);
    enum asof_code code = asof_call(client, ASOF_METHOD_HEALTH_CHECK, (struct asof_bytes){NULL, 0},
                                    &options, &response, &why);
    pthread_join(firing, NULL);
    require(code == ASOF_CANCELLED && why.code == code, "it is cancelled");
    code = asof_call(client, ASOF_METHOD_HEALTH_CHECK, (struct asof_bytes){NULL, 0}, &options,
                     &response, &why);
    require(code == ASOF_CANCELLED, "and so is the next");
    asof_cancel_destroy(&cancel);
    return context;
}

/* cancel THREADS: as many calls, which nobody answers, are cancelled; prints how long it took. */
static void run_cancel(char **arguments)
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    int count = atoi(arguments[0]);
    double before = seconds();
    require(count > 0 && count <= THREADS_MAX, "threads");
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, cancelled_call, NULL);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%.3f\n", seconds() - before);
}

/* ---- pushes and streams ---- */

/* push SOURCE COUNT EVENTS: COUNT pushes of as many events of the key "p". */
static void run_push(char **arguments)
{
    struct asof_push *push = asof_push_create(arguments[0]);
    for (int i = 0; i < atoi(arguments[1]); i++) {
        uint64_t events = 0;
        int count = atoi(arguments[2]);
        for (int j = 0; j < count; j++)
            asof_push_add_json(push, "{\"at\": 1000, \"k\": \"p\"}", 22);
        check(asof_push_send(client, push, NULL, &events, &error));
        require(events == (uint64_t)count, "all are acknowledged");
        asof_push_reset(push);
    }
    asof_push_destroy(&push);
    printf("pushed\n");
}

/* push_columns SOURCE: three events, of which one has no key. */
static void run_push_columns(char **arguments)
{
    static const struct asof_bytes keys[] = {{"q", 1}, {"r", 1}, {"", 0}};
    static const int64_t times[] = {1000, 1000, 1000};
    static const uint8_t nulls[] = {0, 0, 1};
    struct asof_push *push = asof_push_create(arguments[0]);
    uint64_t events = 0;
    asof_push_set_strings(push, "k", keys, nulls, 3);
    asof_push_set_ints(push, "at", times, NULL, 3);
    check(asof_push_send(client, push, NULL, &events, &error));
    asof_push_destroy(&push);
    printf("pushed %" PRIu64 "\n", events);
}

/* push_stream SOURCE COUNT: a stream of as many pushes of one event of the key "p". */
static void run_push_stream(char **arguments)
{
    struct asof_push *push = asof_push_create(arguments[0]);
    struct asof_stream *stream = NULL;
    struct asof_message *message = NULL;
    uint64_t sum = 0;
    int count = atoi(arguments[1]);
    asof_push_add_json(push, "{\"at\": 1000, \"k\": \"p\"}", 22);
    check(asof_push_stream(client, push, NULL, &stream, &error));
    for (int i = 1; i < count; i++)
        check(asof_stream_push(stream, push, &error));
    check(asof_stream_end(stream, &error));
    enum asof_arrival arrival;
    while ((arrival = asof_stream_receive(stream, 20000, &message, &error)) ==
           ASOF_ARRIVAL_MESSAGE) {
        uint64_t events = 0;
        check(asof_pushed_events(message, &events, &error));
        sum += events;
        asof_message_destroy(&message);
    }
    if (arrival == ASOF_ARRIVAL_FAILED)
        printf("%s: %s\n", asof_code_name(error.code), error.text);
    printf("arrival %d events %" PRIu64 "\n", (int)arrival, sum);
    asof_stream_destroy(&stream);
    asof_push_destroy(&push);
}

/* stream METHOD WAIT_MS: prints the sizes of what arrives, and how it ends. */
static void run_stream(char **arguments)
{
    struct asof_stream *stream = NULL;
    struct asof_message *message = NULL;
    enum asof_arrival arrival;
    double before = seconds();
    check(asof_stream_open(client, (unsigned)atoi(arguments[0]), (struct asof_bytes){"", 0}, NULL,
                           &stream, &error));
    while ((arrival = asof_stream_receive(stream, atoi(arguments[1]), &message, &error)) ==
           ASOF_ARRIVAL_MESSAGE) {
        printf("%zu ", asof_message_bytes(message).size);
        asof_message_destroy(&message);
    }
    printf("arrival %d %.3f\n", (int)arrival, seconds() - before);
    if (arrival == ASOF_ARRIVAL_NOTHING) {
        asof_stream_cancel(stream);
        arrival = asof_stream_receive(stream, -1, &message, &error);
        require(arrival == ASOF_ARRIVAL_FAILED && error.code == ASOF_CANCELLED, "cancelled");
    } else if (arrival == ASOF_ARRIVAL_FAILED) {
        printf("%s: %s\n", asof_code_name(error.code), error.text);
    }
    asof_stream_destroy(&stream);
}

/* fork: the parent's client refuses to work in the child, where another one does. */
static void run_fork(const char *address)
{
    struct asof_client *own = NULL;
    int state;
    check(asof_check(client, NULL, &error));
    pid_t child = fork();
    if (child == 0) {
        require(asof_check(client, NULL, &error) == ASOF_FAILED_PRECONDITION,
                "the child is refused");
        asof_client_destroy(&client);
        check(asof_client_create(address, NULL, &own, &error));
        check(asof_check(own, NULL, &error));
        asof_client_destroy(&own);
        exit(0);
    }
    require(waitpid(child, &state, 0) == child && state == 0, "the child is well");
    check(asof_check(client, NULL, &error));
    printf("forked\n");
}

int main(int argc, char **argv)
{
    const char *retries = getenv("RETRIES");
    const char *timeout = getenv("TIMEOUT_MS");
    const struct asof_options options = {.retries_max = retries == NULL ? 0 : atoi(retries),
                                         .timeout_ms = timeout == NULL ? 0 : atoi(timeout),
                                         .answer_size_max = 64 * 1024 * 1024};
    require(argc >= 3, "ADDRESS COMMAND");
    check(asof_client_create(argv[1], &options, &client, &error));
    char **arguments = argv + 3;
    if (strcmp(argv[2], "get") == 0)
        run_get();
    else if (strcmp(argv[2], "check") == 0)
        check(asof_check(client, NULL, &error));
    else if (strcmp(argv[2], "fork") == 0)
        run_fork(argv[1]);
    else if (strcmp(argv[2], "load") == 0 && argc == 7)
        run_load(arguments);
    else if (strcmp(argv[2], "call") == 0 && argc == 5)
        run_call(arguments);
    else if (strcmp(argv[2], "cancel") == 0 && argc == 4)
        run_cancel(arguments);
    else if (strcmp(argv[2], "push") == 0 && argc == 6)
        run_push(arguments);
    else if (strcmp(argv[2], "push_columns") == 0 && argc == 4)
        run_push_columns(arguments);
    else if (strcmp(argv[2], "push_stream") == 0 && argc == 5)
        run_push_stream(arguments);
    else if (strcmp(argv[2], "stream") == 0 && argc == 5)
        run_stream(arguments);
    else
        require(false, "a command and its arguments");
    asof_client_destroy(&client);
    return 0;
}
