/* Commands about the connection itself. */
#include "app/resp_call.h"

#include <stdio.h>

#include "base/time_text.h"

#define NO_PASSWORD                                                                                \
    "ERR AUTH <password> called without any password configured for the default user. Are you "    \
    "sure your configuration is correct?"

/* ---- connection ---- */

void resp_client_ping(struct resp_call *call)
{
    if (call->count > 2)
        resp_call_wrong_count(call);
    else if (call->count == 2)
        resp_write_bulk(call->reply, resp_call_argument(call, 1));
    else
        resp_write_simple(call->reply, "PONG");
}

void resp_client_echo(struct resp_call *call)
{
    resp_write_bulk(call->reply, resp_call_argument(call, 1));
}

void resp_client_select(struct resp_call *call)
{
    int64_t number;
    if (!resp_call_integer(call, 1, &number))
        return;
    if (number == 0)
        resp_write_simple(call->reply, "OK");
    else
        resp_call_error(call, "ERR DB index is out of range");
}

void resp_client_quit(struct resp_call *call)
{
    resp_write_simple(call->reply, "OK");
    call->session->is_closing = true;
}

void resp_client_reset(struct resp_call *call)
{
    struct resp_session *session = call->session;
    resp_multi_close(session);
    session->version = 2;
    session->moment = (struct moment){.is_now = true};
    session->name[0] = '\0';
    resp_write_simple(call->reply, "RESET");
}

void resp_client_auth(struct resp_call *call)
{
    if (call->count > 3)
        resp_call_syntax_error(call);
    else
        resp_call_error(call, NO_PASSWORD);
}

/* Keeps a name that CLIENT LIST can show as one word; false: replied. */
static bool client_take_name(struct resp_call *call, size_t index, char name[RESP_CLIENT_NAME_SIZE],
                             const char *noun)
{
    struct bytes text = resp_call_argument(call, index);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '!' || text.data[i] > '~') {
            resp_call_error(call, "ERR %s cannot contain spaces, newlines or special characters.",
                            noun);
            return false;
        }
    }
    if (text.size >= RESP_CLIENT_NAME_SIZE) {
        resp_call_error(call, "ERR %s cannot be longer than %d characters.", noun,
                        RESP_CLIENT_NAME_SIZE - 1);
        return false;
    }
    bytes_to_text(text, name, RESP_CLIENT_NAME_SIZE);
    return true;
}

/* ---- HELLO ---- */

static void hello_write(struct resp_call *call)
{
    struct resp_writer writer = {.out = call->reply.out, .version = call->session->version};
    resp_write_map(writer, 7);
    resp_write_text(writer, "server");
    resp_write_text(writer, "redis");
    resp_write_text(writer, "version");
    resp_write_text(writer, RESP_COMPATIBLE_VERSION);
    resp_write_text(writer, "proto");
    resp_write_integer(writer, call->session->version);
    resp_write_text(writer, "id");
    resp_write_integer(writer, (int64_t)call->session->id);
    resp_write_text(writer, "mode");
    resp_write_text(writer, "standalone");
    resp_write_text(writer, "role");
    resp_write_text(writer, "master");
    resp_write_text(writer, "modules");
    resp_write_array(writer, 0);
}

/* "[AUTH user password] [SETNAME name]" behind the version; false: replied. */
static bool hello_take_options(struct resp_call *call, char name[RESP_CLIENT_NAME_SIZE])
{
    size_t i = 2;
    while (i < call->count) {
        struct bytes word = resp_call_argument(call, i);
        size_t left = call->count - i - 1;
        if (bytes_equal_nocase(word, "auth") && left >= 2) {
            resp_call_error(call, NO_PASSWORD);
            return false;
        }
        if (!bytes_equal_nocase(word, "setname") || left < 1) {
            char shown[64];
            resp_call_error(call, "ERR Syntax error in HELLO option '%s'",
                            bytes_to_text(word, shown, sizeof(shown)));
            return false;
        }
        if (!client_take_name(call, i + 1, name, "Client names"))
            return false;
        i += 2;
    }
    return true;
}

void resp_client_hello(struct resp_call *call)
{
    struct resp_session *session = call->session;
    char name[RESP_CLIENT_NAME_SIZE] = "";
    int64_t version = session->version;
    if (call->count >= 2) {
        struct bytes text = resp_call_argument(call, 1);
        if (!operations_is_integer(text)) {
            resp_call_error(call, "ERR Protocol version is not an integer or out of range");
            return;
        }
        if (text.size != 1 || (text.data[0] != '2' && text.data[0] != '3')) {
            resp_call_error(call, "NOPROTO unsupported protocol version");
            return;
        }
        version = text.data[0] - '0';
    }
    if (!hello_take_options(call, name))
        return;
    if (name[0] != '\0')
        memcpy(session->name, name, sizeof(name));
    session->version = (unsigned)version;
    hello_write(call);
}

/* ---- CLIENT ---- */

static void client_id(struct resp_call *call)
{
    resp_write_integer(call->reply, (int64_t)call->session->id);
}

static void client_getname(struct resp_call *call)
{
    if (call->session->name[0] == '\0')
        resp_write_null(call->reply);
    else
        resp_write_text(call->reply, call->session->name);
}

static void client_setname(struct resp_call *call)
{
    if (client_take_name(call, 2, call->session->name, "Client names"))
        resp_write_simple(call->reply, "OK");
}

static void client_setinfo(struct resp_call *call)
{
    struct bytes option = resp_call_argument(call, 2);
    bool is_name = bytes_equal_nocase(option, "lib-name");
    if (!is_name && !bytes_equal_nocase(option, "lib-ver")) {
        char shown[64];
        resp_call_error(call, "ERR Unrecognized option '%s'",
                        bytes_to_text(option, shown, sizeof(shown)));
        return;
    }
    char *text = is_name ? call->session->library_name : call->session->library_version;
    if (client_take_name(call, 3, text, is_name ? "lib-name" : "lib-ver"))
        resp_write_simple(call->reply, "OK");
}

static void client_append_line(const struct resp_session *session, struct buffer *out)
{
    const struct resp_door *door = session->door;
    char peer[NETWORK_ADDRESS_TEXT_SIZE] = "?:0";
    int descriptor = -1;
    if (session->connection != NULL) {
        network_connection_peer(session->connection, peer);
        descriptor = network_connection_descriptor(session->connection);
    }
    int64_t age_s = (door->turn_mono_us - session->opened_mono_us) / US_PER_SECOND;
    int64_t idle_s = (door->turn_mono_us - session->active_mono_us) / US_PER_SECOND;
    buffer_format(out,
                  "id=%llu addr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=0 sub=0 psub=0 "
                  "multi=%lld obl=%zu cmd=%s user=default resp=%u lib-name=%s lib-ver=%s\n",
                  (unsigned long long)session->id, peer, descriptor, session->name,
                  (long long)age_s, (long long)idle_s, session->multi.is_open ? "x" : "N",
                  session->multi.is_open ? (long long)session->multi.count : -1LL,
                  session->output->size, session->last_command, session->version,
                  session->library_name, session->library_version);
}

static void client_info(struct resp_call *call)
{
    client_append_line(call->session, &call->door->scratch);
    resp_write_verbatim(call->reply, buffer_bytes(&call->door->scratch));
}

static void client_append_lines(const struct resp_door *door, struct buffer *out)
{
    const struct resp_session *session;
    TAILQ_FOREACH(session, &door->sessions, link)
    client_append_line(session, out);
}

static void client_list(struct resp_call *call)
{
    resp_job_go_round(call, client_append_lines);
}

/* NO-EVICT and NO-TOUCH: nothing is evicted or touched here. */
static void client_switch(struct resp_call *call)
{
    struct bytes word = resp_call_argument(call, 2);
    if (bytes_equal_nocase(word, "on") || bytes_equal_nocase(word, "off"))
        resp_write_simple(call->reply, "OK");
    else
        resp_call_syntax_error(call);
}

static void client_reply(struct resp_call *call)
{
    struct bytes word = resp_call_argument(call, 2);
    if (bytes_equal_nocase(word, "on"))
        resp_write_simple(call->reply, "OK");
    else if (bytes_equal_nocase(word, "off") || bytes_equal_nocase(word, "skip"))
        resp_call_error(call, "ERR CLIENT REPLY OFF and SKIP are not offered: every command is "
                              "answered");
    else
        resp_call_syntax_error(call);
}

#define CLIENT(name, arity, run, summary)                                                          \
    {                                                                                              \
        name, arity, RESP_FAST, run, 0, NULL, "connection", summary                                \
    }

const struct resp_command resp_client_subcommands[] = {
    CLIENT("getname", 2, client_getname, "The name of this connection."),
    CLIENT("id", 2, client_id, "The number of this connection."),
    CLIENT("info", 2, client_info, "A line about this connection."),
    {"list", -2, RESP_FAST | RESP_ROUND, client_list, 0, NULL, "connection",
     "A line about each connection."},
    CLIENT("no-evict", 3, client_switch, "Accepted; nothing is evicted here."),
    CLIENT("no-touch", 3, client_switch, "Accepted; reads change nothing here."),
    CLIENT("reply", 3, client_reply, "ON: every command is answered, as it always is."),
    CLIENT("setinfo", 4, client_setinfo, "Tells the client library's name and version."),
    CLIENT("setname", 3, client_setname, "Names this connection."),
    {0},
};
