/* Hot: finished rows of entities in use, so that a read that was answered before is a look-up; and
 * edges of entities that are both read and written, so that a row is made anew without the disk.
 *
 * 1. A row is what was read of an entity, for the features that were asked so far, with the range
 *    of T in which that stays true as long as no event of the entity comes (hot_row.h).
 * 2. A row that is found after an event of its entity was acknowledged has seen that event; edges
 *    (edges.h) that are found then have it.
 * 3. Memory is bounded in bytes, all counted but what epoch.h still holds back; rows and edges that
 * were not read since the hand came by last go first (CLOCK).
 * 4. Readers take no lock. They may miss what is there; who then reads the timeline is right
 *    too.
 *
 * How 2 is kept. Who reads takes a ticket before it opens the timeline, and whoever writes tells
 * the events after its write and before the acknowledgement:
 *
 *     reader   ticket = count; open the timeline; ...; with the lock: count == ticket ? keep
 *     writer   write; with the lock: row is stale, events into the edges, count++; acknowledge
 *
 * Say the timeline lacks the write. Then it was opened before the write was done, and the ticket
 * was taken before count++: had it seen the new count, which is stored behind the write and loaded
 * before the opening, the timeline would have the write. The lock orders keep and write. Keep
 * first: the writer finds the row, and the edges, and changes them. Write first: the count is
 * another, and nothing is kept. Edges from a timeline that has the write already get its events a
 * second time, which changes nothing, as the same key is the same event.
 *
 * Edges in place of the timeline are found behind the ticket, and lack the write only if its
 * count++ was still to come: new edges are stored before the count moves. So the same holds for a
 * row that is made of them. An older row that the reader merges into its own must be found behind
 * the ticket: as the row is stale before the count moves, a ticket of the new count finds no old
 * row.
 *
 * A write that failed may be there or not when the database was opened again: then its entities are
 * forgotten, edges too, and all else with the opening. Events that are folded or deleted because
 * nothing hangs on them any more may stay in edges: nothing hangs on them there either.
 *
 * Counts are per stripe of entities: another entity's write may make a row not be kept, no more.
 *
 * Thread: any. Rows and edges are freed by the epoch; without one, at once, and all is one
 * thread's. */
#ifndef ASOF_STORAGE_HOT_H
#define ASOF_STORAGE_HOT_H

#include "base/epoch.h"
#include "storage/edges.h"
#include "storage/hot_row.h"

struct hot;

/* bytes_max 0 keeps nothing. epoch: borrowed for its life, or NULL. Owned by the caller. */
struct hot *hot_create(size_t bytes_max, struct epoch *epoch);
void hot_destroy(struct hot **hot);

/* The row of the entity, or NULL; borrowed until the reader is quiet (epoch.h); without an epoch,
 * until the next change. */
const struct hot_row *hot_find(struct hot *hot, uint32_t table_id, struct bytes entity);

/* Fetches what hot_find will look at, where several rows are looked up one after the other: first
 * the places of all, then the rows, by the number that the place has. */
uint64_t hot_prefetch_place(struct hot *hot, uint32_t table_id, struct bytes entity);
void hot_prefetch_row(struct hot *hot, uint64_t place);

/* The same as hot_find, where the place is known. */
const struct hot_row *hot_find_at(struct hot *hot, uint64_t place, uint32_t table_id,
                                  struct bytes entity);

/* To be taken before the timeline of the entity is opened. */
uint64_t hot_ticket(struct hot *hot, uint32_t table_id, struct bytes entity);

/* Keeps the row in place of what was kept for the entity, unless it was forgotten since the ticket
 * was taken or the row is large for the memory there is. */
void hot_keep(struct hot *hot, uint32_t table_id, struct bytes entity, uint64_t ticket,
              const struct hot_draft *draft);

/* Whether an event came since the entity was read: then it is worth keeping its edges. */
bool hot_wants_edges(struct hot *hot, uint32_t table_id, struct bytes entity);

/* The edges of the entity, or NULL; borrowed as what hot_find gives. */
const struct edges *hot_find_edges(struct hot *hot, uint32_t table_id, struct bytes entity);

/* Keeps edges in place of those that were kept, under the same conditions as hot_keep. */
void hot_keep_edges(struct hot *hot, uint32_t table_id, struct bytes entity, uint64_t ticket,
                    const struct edges_draft *draft);

/* Tells events of the entity, in the order of their keys, that were written: the row is stale,
 * edges have them, and tickets are void. Edges that would become too large are dropped. */
void hot_write(struct hot *hot, uint32_t table_id, struct bytes entity,
               const struct timeline_event *events, size_t count);

/* Drops what is kept for the entity, or everything, and voids the tickets. */
void hot_forget(struct hot *hot, uint32_t table_id, struct bytes entity);
void hot_forget_all(struct hot *hot);

/* Drops what is kept of a table, and voids the tickets: nobody reads it any more, or any of its
 * entities may have got events. */
void hot_forget_table(struct hot *hot, uint32_t table_id);

#define HOT_COUNTERS(X)                                                                            \
    X(hits_total, "Reads answered by a kept row.")                                                 \
    X(misses_total, "Reads that had to walk the timeline.")                                        \
    X(edge_hits_total, "Those of them that found all its events that they needed in memory.")      \
    X(evictions_total, "Rows and edges dropped to make room.")                                     \
    X(rows, "Rows that are kept, stale ones too.")                                                 \
    X(edges, "Entities whose newest events are kept.")                                             \
    X(bytes, "Memory that rows and edges take, with the table that finds them.")

struct hot_counters {
#define HOT_COUNTER_FIELD(name, help) uint64_t name;
    HOT_COUNTERS(HOT_COUNTER_FIELD)
#undef HOT_COUNTER_FIELD
};

/* Adds to these: they are counted by who reads. */
void hot_count(struct hot *hot, uint64_t hits, uint64_t misses, uint64_t edge_hits);

/* The sums at this moment, about. */
struct hot_counters hot_counters(struct hot *hot);

#endif
