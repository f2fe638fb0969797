/* Network: calls from other threads, connections dealt out to loops, and clients that do not read.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "network/network_room.h" /* for the clock */

enum { LOOPS = 3, CLIENTS = 7, CALLS = 1000, TURNS_MAX = 2000, LARGE_REPLY = 8 * 1024 * 1024 };

/* ---- a handler that counts, and answers each byte with reply_size bytes ---- */

struct place {
    size_t opened;
    size_t closed;
    size_t reply_size;
    size_t owed; /* replies that shall come later */
};

struct guest {
    struct place *place;
    struct network_connection *connection;
};

static void *opened(void *context, struct network_connection *connection)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    assert_non_null(guest);
    *guest = (struct guest){.place = context, .connection = connection};
    guest->place->opened++;
    return guest;
}

static size_t received(void *session, struct bytes input)
{
    struct guest *guest = session;
    struct buffer *output = network_connection_output(guest->connection);
    for (size_t i = 0; i < input.size; i++) {
        memset(buffer_reserve(output, guest->place->reply_size), 'x', guest->place->reply_size);
        buffer_added(output, guest->place->reply_size);
    }
    return input.size;
}

static bool owes(void *session)
{
    const struct guest *guest = session;
    return guest->place->owed > 0;
}

static void closed(void *session)
{
    struct guest *guest = session;
    guest->place->closed++;
    free(guest);
}

static struct network_seat seat_of(struct network_loop *loop, struct place *place)
{
    return (struct network_seat){.loop = loop,
                                 .handler = {.context = place,
                                             .opened = opened,
                                             .received = received,
                                             .owes = owes,
                                             .closed = closed,
                                             .full_reply = bytes_of("full", 4),
                                             .input_max_bytes = 1024}};
}

static struct network_listener *listen_on(struct network_loop *loop,
                                          const struct network_seat *seats, size_t count)
{
    struct error err;
    struct network_listener *listener = NULL;
    const struct network_listen_options options = {
        .address = "127.0.0.1", .connections_max = CLIENTS, .seats = seats, .seats_count = count};
    assert_int_equal(network_listen(loop, &options, &listener, &err), STATUS_OK);
    return listener;
}

static int connect_to(const struct network_listener *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(network_listener_port(listener)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

static struct network_loop *loop_for_test(void)
{
    struct error err;
    struct network_loop *loop = NULL;
    assert_int_equal(network_loop_create(&loop, &err), STATUS_OK);
    return loop;
}

/* ---- tests ---- */

static void connections_are_dealt_out_in_turn(void **state)
{
    (void)state;
    struct network_loop *loops[LOOPS];
    struct network_seat seats[LOOPS];
    struct place places[LOOPS] = {0};
    int clients[CLIENTS];
    for (size_t i = 0; i < LOOPS; i++) {
        loops[i] = loop_for_test();
        places[i].reply_size = 1;
        seats[i] = seat_of(loops[i], &places[i]);
    }
    struct network_listener *listener = listen_on(loops[0], seats, LOOPS);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = connect_to(listener);
    int beyond = connect_to(listener); /* one more than connections_max */
    char answer[5] = "";
    for (size_t turn = 0; turn < TURNS_MAX && recv(beyond, answer, 4, MSG_DONTWAIT) != 4; turn++)
        network_loop_turn(loops[0], false);
    assert_string_equal(answer, "full");
    for (size_t i = 0; i < LOOPS; i++)
        network_loop_turn(loops[i], false);
    assert_int_equal(places[0].opened, 3);
    assert_int_equal(places[1].opened, 2);
    assert_int_equal(places[2].opened, 2);

    /* One that is handed over when its loop ends is closed as the others are. */
    close(clients[1]);
    for (size_t turn = 0; turn < TURNS_MAX && places[1].closed == 0; turn++)
        network_loop_turn(loops[1], false);
    clients[1] = connect_to(listener);
    for (size_t turn = 0; turn < TURNS_MAX && network_loop_connections(loops[0]) < 3; turn++)
        network_loop_turn(loops[0], false);
    network_loop_turn(loops[0], false);
    for (size_t i = LOOPS; i > 0; i--)
        network_loop_destroy(&loops[i - 1]);
    for (size_t i = 0; i < LOOPS; i++)
        assert_int_equal(places[i].opened, places[i].closed);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
    close(beyond);
}

struct counted {
    struct network_call call; /* the first member */
    struct network_loop *loop;
    size_t number;
    size_t *next; /* only the loop's thread looks at it */
};

static void run_counted(struct network_call *call)
{
    struct counted *counted = (struct counted *)call;
    assert_int_equal(counted->number, (*counted->next)++);
}

static void *post_all(void *context)
{
    struct counted *calls = context;
    for (size_t i = 0; i < CALLS; i++)
        network_loop_post(calls[i].loop, &calls[i].call);
    return NULL;
}

static void calls_of_a_thread_run_in_their_order(void **state)
{
    (void)state;
    static struct counted calls[2][CALLS];
    pthread_t threads[2];
    size_t next[2] = {0};
    struct network_loop *loop = loop_for_test();
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < CALLS; i++)
            calls[t][i] = (struct counted){
                .call = {.run = run_counted}, .loop = loop, .number = i, .next = &next[t]};
        assert_int_equal(pthread_create(&threads[t], NULL, post_all, calls[t]), 0);
    }
    for (size_t turn = 0; turn < TURNS_MAX && next[0] + next[1] < CALLS; turn++)
        network_loop_turn(loop, true);
    for (size_t t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    network_loop_destroy(&loop); /* runs what is left */
    assert_int_equal(next[0], CALLS);
    assert_int_equal(next[1], CALLS);
}

static void what_one_loop_holds_is_not_there_for_another(void **state)
{
    (void)state;
    struct network_budget budget = {.bytes_max = 2 * (size_t)LARGE_REPLY};
    struct network_loop *loops[2] = {loop_for_test(), loop_for_test()};
    struct place places[2] = {{.reply_size = LARGE_REPLY}, {.reply_size = LARGE_REPLY}};
    const struct network_seat seats[2] = {seat_of(loops[0], &places[0]),
                                          seat_of(loops[1], &places[1])};
    struct network_listener *listener = listen_on(loops[0], seats, 2);
    int clients[CLIENTS];
    for (size_t i = 0; i < 2; i++)
        network_loop_set_budget(loops[i], &budget);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(listener);
        assert_int_equal(send(clients[i], "1", 1, 0), 1);
    }
    for (size_t turn = 0; turn < TURNS_MAX && places[0].closed + places[1].closed < CLIENTS - 2;
         turn++)
        network_loop_turn(loops[turn % 2], false);
    assert_int_equal(places[0].opened + places[1].opened, CLIENTS);
    assert_true(places[0].closed + places[1].closed >= CLIENTS - 2);
    assert_true(places[0].closed > 0 && places[1].closed > 0);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
    network_loop_destroy(&loops[1]);
    network_loop_destroy(&loops[0]);
    assert_int_equal(budget.bytes, 0);
}

/* A reply that a call appended is sent at the end of the turn; a tick may come before. */
static void a_reply_that_was_not_sent_yet_is_not_one_that_is_not_read(void **state)
{
    (void)state;
    struct network_loop *loop = loop_for_test();
    struct place place = {.reply_size = 1};
    const struct network_seat seat = seat_of(loop, &place);
    char byte = 0;
    int client = connect_to(listen_on(loop, &seat, 1));
    for (size_t turn = 0; turn < TURNS_MAX && place.opened == 0; turn++)
        network_loop_turn(loop, false);
    struct network_connection *connection = TAILQ_FIRST(&loop->connections);
    loop->ticks += 2 * NETWORK_DRAIN_DEADLINE_S; /* it was idle for so long */

    buffer_append(network_connection_output(connection), bytes_of_text("y"));
    connection_tick(connection);

    assert_int_equal(place.closed, 0);
    network_connection_resume(connection);
    assert_int_equal(recv(client, &byte, 1, 0), 1);
    assert_int_equal(byte, 'y');
    close(client);
    network_loop_destroy(&loop);
}

static void a_peer_that_ends_gets_all_replies(void **state)
{
    (void)state;
    struct network_loop *loop = loop_for_test();
    struct place place = {.reply_size = 1, .owed = 1};
    const struct network_seat seat = seat_of(loop, &place);
    char bytes[3];
    int client = connect_to(listen_on(loop, &seat, 1));
    assert_int_equal(send(client, "1", 1, 0), 1);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    for (size_t turn = 0; turn < 10; turn++)
        network_loop_turn(loop, false);
    assert_int_equal(place.closed, 0);

    struct network_connection *connection = TAILQ_FIRST(&loop->connections);
    buffer_append(network_connection_output(connection), bytes_of_text("y"));
    place.owed = 0;
    network_connection_resume(connection);
    for (size_t turn = 0; turn < TURNS_MAX && place.closed == 0; turn++)
        network_loop_turn(loop, false);

    assert_int_equal(place.closed, 1);
    assert_int_equal(recv(client, bytes, sizeof(bytes), MSG_WAITALL), 2);
    assert_memory_equal(bytes, "xy", 2);
    close(client);
    network_loop_destroy(&loop);
}

static void who_does_not_read_is_closed_where_memory_is_short(void **state)
{
    (void)state;
    struct network_budget budget = {.bytes_max = 3 * (size_t)LARGE_REPLY};
    struct network_loop *loop = loop_for_test();
    struct place place = {.reply_size = LARGE_REPLY};
    const struct network_seat seat = seat_of(loop, &place);
    struct network_listener *listener = listen_on(loop, &seat, 1);
    int clients[CLIENTS];
    network_loop_set_budget(loop, &budget);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(listener);
        assert_int_equal(send(clients[i], "1", 1, 0), 1);
    }
    for (size_t turn = 0; turn < TURNS_MAX && place.closed < 2; turn++)
        network_loop_turn(loop, false);
    assert_int_equal(place.opened, CLIENTS);
    assert_true(place.closed >= 2 && place.closed < CLIENTS);
    assert_int_equal(network_loop_counters(loop)->connections_oversized_total, place.closed);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
    network_loop_destroy(&loop);
    assert_int_equal(place.closed, CLIENTS);
}

static void what_is_kept_beside_buffers_counts(void **state)
{
    (void)state;
    struct network_budget budget = {.bytes_max = 2 * (size_t)LARGE_REPLY};
    struct network_loop *loops[2] = {loop_for_test(), loop_for_test()};
    struct place places[2] = {{.reply_size = 1}, {.reply_size = 1}};
    const struct network_seat seats[2] = {seat_of(loops[0], &places[0]),
                                          seat_of(loops[1], &places[1])};
    struct network_listener *listener = listen_on(loops[0], seats, 2);
    for (size_t i = 0; i < 2; i++)
        network_loop_set_budget(loops[i], &budget);
    const int clients[2] = {connect_to(listener), connect_to(listener)};
    for (size_t turn = 0; turn < TURNS_MAX && places[0].opened + places[1].opened < 2; turn++)
        network_loop_turn(loops[turn % 2], false);
    struct network_connection *one = TAILQ_FIRST(&loops[0]->connections);
    struct network_connection *other = TAILQ_FIRST(&loops[1]->connections);

    assert_true(network_connection_keep(one, LARGE_REPLY - 1024 * 1024));
    assert_false(network_connection_keep(one, LARGE_REPLY + 1));
    network_loop_turn(loops[0], false); /* tells the other loop */
    assert_false(network_connection_keep(other, 1));
    assert_true(network_connection_keep(one, 0));
    network_loop_turn(loops[0], false);
    assert_true(network_connection_keep(other, 1));

    for (size_t i = 0; i < 2; i++)
        close(clients[i]);
    network_loop_destroy(&loops[1]);
    network_loop_destroy(&loops[0]);
    assert_int_equal(budget.bytes, 0);
}

static void note_time(void *context)
{
    *(int64_t *)context = clock_mono_us();
}

/* Waits for it; the loop's own second is a bound. */
static void a_timer_runs_once_behind_the_time_that_was_set_last(void **state)
{
    enum { LATER_US = 60 * 1000 * 1000, SOON_US = 3000 };
    (void)state;
    struct network_loop *loop = NULL;
    struct error err;
    int64_t ran_us = 0;
    assert_int_equal(network_loop_create(&loop, &err), STATUS_OK);
    struct network_timer *timer = network_timer_create(loop, note_time, &ran_us);

    int64_t began_us = clock_mono_us();
    network_timer_set(timer, LATER_US);
    network_timer_set(timer, SOON_US);
    while (ran_us == 0)
        network_loop_turn(loop, true);
    assert_true(ran_us >= began_us + SOON_US && ran_us < began_us + LATER_US);

    ran_us = 0;
    network_timer_set(timer, -1);
    network_loop_turn(loop, true);
    assert_int_not_equal(ran_us, 0);

    ran_us = 0;
    network_loop_turn(loop, false);
    assert_int_equal(ran_us, 0);
    network_loop_destroy(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_dealt_out_in_turn),
        cmocka_unit_test(calls_of_a_thread_run_in_their_order),
        cmocka_unit_test(what_one_loop_holds_is_not_there_for_another),
        cmocka_unit_test(a_reply_that_was_not_sent_yet_is_not_one_that_is_not_read),
        cmocka_unit_test(a_peer_that_ends_gets_all_replies),
        cmocka_unit_test(who_does_not_read_is_closed_where_memory_is_short),
        cmocka_unit_test(what_is_kept_beside_buffers_counts),
        cmocka_unit_test(a_timer_runs_once_behind_the_time_that_was_set_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
