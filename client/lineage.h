/* Lineage: where the values of a view or a service come from, as the server's JSON tells it, drawn
 * as a tree for a terminal or as a Mermaid flowchart. Thread: the main one. */
#ifndef ASOF_CLIENT_LINEAGE_H
#define ASOF_CLIENT_LINEAGE_H

#include "tree.h"

/* Prints what ASOF.DESCRIBE name LINEAGE answered. */
void lineage_print(yajl_val lineage, bool is_mermaid);

#endif
