// libasof in C++ and on libevent's loop: CALLS reads, DEPTH of them under way, each begun by the end of another.
//
//     libasof_event ADDRESS FEATURE KEY CALLS DEPTH
//
// Entity eN has the count N. It ends when all calls have; every hundredth is cancelled.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include <asof.h>
#include <event2/event.h>

namespace {

// All that an adapter is: one event for the handle's descriptor.
void on_readable(evutil_socket_t, short, void *async)
{
    asof_async_process(static_cast<asof_async *>(async));
}

struct Reader {
    asof_async *async = nullptr;
    asof_request *request = asof_request_create();
    event_base *loop = event_base_new();
    std::string key;
    long calls = 0, begun = 0, ended = 0, cancelled = 0, failed = 0;

    void begin();
    void end(long number, asof_message *message, const asof_error *error);
};

struct Call {
    Reader *reader;
    long number;
};

void on_done(void *context, asof_message *message, const asof_error *error)
{
    Call *call = static_cast<Call *>(context);
    call->reader->end(call->number, message, error);
    delete call;
}

void Reader::begin()
{
    if (begun == calls)
        return;
    long number = begun++;
    std::string name = "e" + std::to_string(number % 10);
    const char *names[] = {name.c_str(), "nobody"};
    uint64_t call = 0;
    asof_error error;
    asof_request_set_key_texts(request, key.c_str(), names, 2);
    if (asof_async_get(async, request, nullptr, on_done, new Call{this, number}, &call, &error) != ASOF_OK) {
        std::printf("%s\n", error.text);
        std::exit(1);
    }
    if (number % 100 == 99)
        asof_async_cancel(async, call);
}

void Reader::end(long number, asof_message *message, const asof_error *error)
{
    ended++;
    if (error->code == ASOF_CANCELLED) {
        cancelled++;
    } else {
        asof_result *result = nullptr;
        asof_error why = *error;
        bool is_right = message != nullptr && asof_result_create(&message, &result, &why) == ASOF_OK &&
                        asof_result_integers(result, 0)[0] == number % 10 && asof_result_integers(result, 0)[1] == 0;
        if (!is_right && failed++ == 0)
            std::printf("%s: %s\n", asof_code_name(why.code), why.text);
        asof_result_destroy(&result);
    }
    asof_message_destroy(&message);
    begin();
    if (ended == calls)
        event_base_loopbreak(loop);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    Reader reader;
    asof_error error;
    if (asof_async_create(argv[1], nullptr, &reader.async, &error) != ASOF_OK) {
        std::printf("%s\n", error.text);
        return 1;
    }
    reader.key = argv[3];
    reader.calls = std::atol(argv[4]);
    asof_request_add_feature(reader.request, argv[2]);

    event *readable =
        event_new(reader.loop, asof_async_fd(reader.async), EV_READ | EV_PERSIST, on_readable, reader.async);
    event_add(readable, nullptr);
    std::clock_t before = std::clock();
    for (long i = 0; i < std::atol(argv[5]); i++)
        reader.begin();
    event_base_dispatch(reader.loop);
    std::printf("ended %ld cancelled %ld failed %ld left %zu cpu_us %.2f\n", reader.ended, reader.cancelled,
                reader.failed, asof_async_calls(reader.async),
                double(std::clock() - before) * 1e6 / CLOCKS_PER_SEC / double(reader.ended));
    event_free(readable);
    asof_async_destroy(&reader.async);
    asof_request_destroy(&reader.request);
    event_base_free(reader.loop);
    return 0;
}
