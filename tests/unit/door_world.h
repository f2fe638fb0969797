/* A server without sockets and threads: a RESP door over a database in a directory of its own. Jobs
 * for the writer run where a test says so. */
#ifndef ASOF_TESTS_DOOR_WORLD_H
#define ASOF_TESTS_DOOR_WORLD_H

#include <stdio.h>
#include <stdlib.h>

#include "app/resp_door.h"
#include "base/check.h"

struct door_world {
    char directory[64];
    struct epoch *epoch;
    struct storage *storage;
    struct catalog_board *board;
    struct stream *stream;
    struct writer *writer;
    struct query *query;
    struct resp_cursors *cursors;
    struct resp_door *door;
};

/* A peer: bytes that the session has not taken, and what it answered. */
struct peer {
    struct resp_session *session;
    struct buffer input;
    struct buffer output;
};

static inline void door_world_changed(void *context, struct stream *stream,
                                      const struct registry *registry)
{
    struct door_world *world = context;
    catalog_publish(world->board, registry, stream_find_time, stream);
}

/* Another door to the same. */
static inline struct resp_door *door_world_new_door(struct door_world *world)
{
    return resp_door_create(&(struct resp_door_options){
        .query = world->query,
        .writer = world->writer,
        .cursors = world->cursors,
        .version = "test",
        .connections_max = 10,
    });
}

/* Opens what is in world->directory. */
static inline void door_world_start(struct door_world *world, const struct storage_options *options)
{
    struct error err;
    world->epoch = epoch_create();
    world->board = catalog_board_create(world->epoch);
    CHECK(storage_open(world->directory, options, &world->storage, &err) == STATUS_OK);
    CHECK(stream_open(world->storage, door_world_changed, world, &world->stream, &err) ==
          STATUS_OK);
    world->writer = writer_create(world->storage, world->stream);
    world->query = query_create(&(struct query_options){
        .storage = world->storage, .board = world->board, .epoch = world->epoch});
    world->cursors = resp_cursors_create();
    world->door = door_world_new_door(world);
}

static inline void door_world_open_with(struct door_world *world,
                                        const struct storage_options *options)
{
    *world = (struct door_world){.directory = "/tmp/asof-door-XXXXXX"};
    CHECK(mkdtemp(world->directory) != NULL);
    door_world_start(world, options);
}

static inline void door_world_open(struct door_world *world)
{
    static const struct storage_options options = {
        .block_cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .hot_bytes = 1 << 20};
    door_world_open_with(world, &options);
}

/* Closes all; the directory stays. */
static inline void door_world_stop(struct door_world *world)
{
    resp_door_destroy(&world->door);
    resp_cursors_destroy(&world->cursors);
    query_destroy(&world->query);
    writer_destroy(&world->writer);
    stream_close(&world->stream);
    storage_close(&world->storage);
    catalog_board_destroy(&world->board);
    epoch_destroy(&world->epoch);
}

static inline void door_world_close(struct door_world *world)
{
    char command[128];
    door_world_stop(world);
    snprintf(command, sizeof(command), "rm -rf %s", world->directory);
    CHECK(system(command) == 0);
}

/* What a world's set-up needs; the error says why it can't be had. */
static inline void door_world_must(enum status status, const struct error *err)
{
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    abort();
}

static inline void door_world_apply(struct door_world *world, struct bytes definitions)
{
    struct error err = {0};
    struct registry_plan plan;
    struct arena *arena = arena_create(4096);
    const struct definition_file file = {.name = bytes_of_text("v.yaml"), .text = definitions};
    door_world_must(stream_apply(world->stream, &file, 1, true, arena, &plan, &err), &err);
    arena_destroy(&arena);
}

/* Pushes to the source "s", commits, and takes one step of what is done besides. */
static inline void door_world_push(struct door_world *world, const struct push_event *events,
                                   size_t count)
{
    struct error err = {0};
    struct push_result result;
    const struct push push = {
        .source = bytes_of_text("s"), .events = events, .events_count = count};
    door_world_must(stream_push(world->stream, &push, &result, &err), &err);
    door_world_must(stream_commit(world->stream, &err), &err);
    stream_step(world->stream);
}

static inline void peer_open(struct peer *peer, struct door_world *world)
{
    *peer = (struct peer){0};
    peer->session = resp_session_open(world->door, &peer->output);
}

/* What a turn of the loop does: takes what was sent. */
static inline void peer_receive(struct peer *peer, struct door_world *world)
{
    size_t taken = resp_session_receive(peer->session, buffer_bytes(&peer->input));
    buffer_consume(&peer->input, taken);
    resp_door_turn_end(world->door);
}

/* Sends, and has the writer do what came of it until nothing is left to do. */
static inline void peer_send(struct peer *peer, struct door_world *world, struct bytes bytes)
{
    size_t left;
    buffer_append(&peer->input, bytes);
    do {
        left = peer->input.size;
        peer_receive(peer, world);
        writer_turn(world->writer);
        resp_door_turn_end(world->door);
    } while (peer->input.size > 0 && peer->input.size < left);
}

static inline void peer_close(struct peer *peer)
{
    resp_session_close(&peer->session);
    buffer_fini(&peer->input);
    buffer_fini(&peer->output);
}

#endif
