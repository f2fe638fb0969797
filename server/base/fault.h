/* Fault: places where a test may have the process die, as kill -9 would, to see that what was begun
 * is whole or not there at all after the next start.
 *
 * ASOF_FAULT=NAME dies at the first pass of the point of that name; ASOF_FAULT=NAME:3 at the third;
 * ASOF_FAULT=:17 at the 17th pass of any point. Without the variable a point costs one comparison;
 * points lie where definitions change, never where events are pushed or read.
 *
 * Thread: any. */
#ifndef ASOF_BASE_FAULT_H
#define ASOF_BASE_FAULT_H

void fault_point(const char *name);

#endif
