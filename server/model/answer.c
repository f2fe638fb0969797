#include "model/answer.h"

const char *feature_status_name(enum feature_status status)
{
    static const char *const names[] = {
        [FEATURE_OUT_OF_HISTORY] = "out_of_history",
        [FEATURE_OVERFLOW] = "overflow",
        [FEATURE_EXPIRED] = "expired",
        [FEATURE_NOT_FOUND] = "not_found",
        [FEATURE_NULL] = "null",
        [FEATURE_PRESENT] = "present",
    };
    return names[status];
}
