/* The functions of libduckdb that are used, found when the first job asks. Only duck*.c include it.
 * Thread: any. */
#ifndef ASOF_EXPORT_DUCK_LIBRARY_H
#define ASOF_EXPORT_DUCK_LIBRARY_H

#include <duckdb.h>

#include "base/status.h"

/* X(name): duckdb_name. */
#define DUCK_FUNCTIONS(X)                                                                          \
    X(library_version)                                                                             \
    X(create_config)                                                                               \
    X(set_config)                                                                                  \
    X(destroy_config)                                                                              \
    X(open_ext)                                                                                    \
    X(close)                                                                                       \
    X(connect)                                                                                     \
    X(disconnect)                                                                                  \
    X(interrupt)                                                                                   \
    X(query_progress)                                                                              \
    X(free)                                                                                        \
    X(query)                                                                                       \
    X(prepare)                                                                                     \
    X(prepare_error)                                                                               \
    X(destroy_prepare)                                                                             \
    X(pending_prepared_streaming)                                                                  \
    X(pending_error)                                                                               \
    X(execute_pending)                                                                             \
    X(destroy_pending)                                                                             \
    X(fetch_chunk)                                                                                 \
    X(destroy_result)                                                                              \
    X(result_error)                                                                                \
    X(result_error_type)                                                                           \
    X(column_count)                                                                                \
    X(column_name)                                                                                 \
    X(column_logical_type)                                                                         \
    X(get_type_id)                                                                                 \
    X(decimal_width)                                                                               \
    X(decimal_scale)                                                                               \
    X(decimal_internal_type)                                                                       \
    X(list_type_child_type)                                                                        \
    X(create_logical_type)                                                                         \
    X(create_decimal_type)                                                                         \
    X(create_list_type)                                                                            \
    X(destroy_logical_type)                                                                        \
    X(destroy_data_chunk)                                                                          \
    X(data_chunk_get_size)                                                                         \
    X(data_chunk_set_size)                                                                         \
    X(data_chunk_get_vector)                                                                       \
    X(vector_get_data)                                                                             \
    X(vector_get_validity)                                                                         \
    X(vector_ensure_validity_writable)                                                             \
    X(vector_assign_string_element_len)                                                            \
    X(list_vector_get_child)                                                                       \
    X(list_vector_get_size)                                                                        \
    X(list_vector_set_size)                                                                        \
    X(list_vector_reserve)                                                                         \
    X(create_table_function)                                                                       \
    X(destroy_table_function)                                                                      \
    X(table_function_set_name)                                                                     \
    X(table_function_set_extra_info)                                                               \
    X(table_function_set_bind)                                                                     \
    X(table_function_set_init)                                                                     \
    X(table_function_set_function)                                                                 \
    X(register_table_function)                                                                     \
    X(bind_get_extra_info)                                                                         \
    X(bind_add_result_column)                                                                      \
    X(init_set_max_threads)                                                                        \
    X(function_get_extra_info)                                                                     \
    X(function_set_error)

struct duck_functions {
#define DUCK_MEMBER(name) __typeof__(&duckdb_##name) name;
    DUCK_FUNCTIONS(DUCK_MEMBER)
#undef DUCK_MEMBER
};

/* Opens the library at path (NULL or empty: beside the program, or in ../lib/asof), once for the
 * process, and leaves its functions in *out, good for ever. UNAVAILABLE: err. */
MUST_USE enum status duck_library_open(const char *path, const struct duck_functions **out,
                                       struct error *err);

/* The same, once it was opened; for DuckDB's calls back. */
const struct duck_functions *duck_library(void);

#endif
