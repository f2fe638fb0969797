#include <stdio.h>
#include <stdlib.h>

#include <asof.h>

static void check(enum asof_code code, const struct asof_error *error)
{
    if (code == ASOF_OK)
        return;
    fprintf(stderr, "%s: %s\n", asof_code_name(code), error->text);
    exit(1);
}

/* example HOST:PORT VIEW.FEATURE KEY ENTITY...: prints the feature of each entity, as of now. */
int main(int argc, char **argv)
{
    struct asof_client *client = NULL;
    struct asof_request *request = asof_request_create();
    struct asof_result *result = NULL;
    struct asof_error error;
    if (argc < 5)
        return 2;

    check(asof_client_create(argv[1], NULL, &client, &error), &error);
    asof_request_add_feature(request, argv[2]);
    asof_request_set_key_texts(request, argv[3], (const char *const *)argv + 4, (size_t)argc - 4);
    check(asof_get(client, request, NULL, &result, &error), &error);

    const struct asof_column *column = asof_result_column(result, 0);
    const double *doubles = asof_result_doubles(result, 0);
    const int64_t *integers = asof_result_integers(result, 0);
    const struct asof_bytes *strings = asof_result_strings(result, 0);
    for (size_t row = 0; row < asof_result_rows(result); row++) {
        printf("%s ", argv[4 + row]);
        if (!asof_column_has_value(column, row) || column->is_list)
            printf("-\n");
        else if (doubles != NULL)
            printf("%.17g\n", doubles[row]);
        else if (integers != NULL)
            printf("%lld\n", (long long)integers[row]);
        else
            printf("%.*s\n", (int)strings[row].size, strings[row].data);
    }

    asof_result_destroy(&result);
    asof_request_destroy(&request);
    asof_client_destroy(&client);
    return 0;
}
