#include "protocol/http.h"

#include <time.h>

#include "base/time_text.h"

/* What of a request's head is looked at, beside what struct http_request has. */
struct head {
    bool is_http_1_0;
    size_t hosts;
    bool says_close;
    bool says_keep_alive;
};

static enum http_result refuse(struct http_refusal *refusal, unsigned code, const char *sentence)
{
    *refusal = (struct http_refusal){.code = code, .sentence = sentence};
    return HTTP_REFUSED;
}

/* ---- lines and words ---- */

/* Takes the line that begins at *at, without its end. false: its end is not there. */
static bool next_line(struct bytes input, size_t *at, struct bytes *line)
{
    struct bytes rest = bytes_after(input, *at);
    const char *end = rest.size == 0 ? NULL : memchr(rest.data, '\n', rest.size);
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - rest.data);
    *at += size + 1;
    if (size > 0 && rest.data[size - 1] == '\r')
        size--;
    *line = bytes_of(rest.data, size);
    return true;
}

static bool has_control_bytes(struct bytes line)
{
    for (size_t i = 0; i < line.size; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return true;
    }
    return false;
}

/* Cuts *text at the first `end`, and returns what is before it; all of it where there is none. */
static struct bytes cut(struct bytes *text, char end)
{
    const char *found = text->size == 0 ? NULL : memchr(text->data, end, text->size);
    struct bytes word = *text;
    if (found == NULL) {
        *text = bytes_of(text->data, 0);
        return word;
    }
    word.size = (size_t)(found - text->data);
    *text = bytes_after(*text, word.size + 1);
    return word;
}

static struct bytes trim(struct bytes text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_after(text, 1);
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* A method or the name of a header. */
static bool is_token(struct bytes text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_digit = byte >= '0' && byte <= '9';
        if (!is_letter && !is_digit && memchr(others, byte, sizeof(others) - 1) == NULL)
            return false;
    }
    return text.size > 0;
}

/* ---- the request line ---- */

static enum http_method method_of(struct bytes name)
{
    if (bytes_equal_text(name, "GET"))
        return HTTP_GET;
    return bytes_equal_text(name, "HEAD") ? HTTP_HEAD : HTTP_OTHER;
}

/* "/path?query", or, as to a proxy, "http://host/path?query". */
static bool take_target(struct bytes target, struct http_request *request)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!bytes_start_with(target, bytes_of_text(schemes[i])))
            continue;
        target = bytes_after(target, strlen(schemes[i]));
        while (target.size > 0 && target.data[0] != '/')
            target = bytes_after(target, 1);
    }
    request->path = cut(&target, '?');
    request->query = target;
    return request->path.size > 0 &&
           (request->path.data[0] == '/' || bytes_equal_text(request->path, "*"));
}

static enum http_result parse_request_line(struct bytes line, struct http_request *request,
                                           struct head *head, struct http_refusal *refusal)
{
    struct bytes rest = line;
    struct bytes method = cut(&rest, ' ');
    struct bytes target = cut(&rest, ' ');
    if (!is_token(method) || !bytes_start_with(rest, bytes_of_text("HTTP/")))
        return refuse(refusal, 400, "this is not an HTTP request line: GET /metrics HTTP/1.1");
    if (rest.size != 8 || !bytes_start_with(rest, bytes_of_text("HTTP/1.")) || rest.data[7] < '0' ||
        rest.data[7] > '9')
        return refuse(refusal, 505, "this door speaks HTTP/1.0 and HTTP/1.1");
    head->is_http_1_0 = rest.data[7] == '0';
    request->method = method_of(method);
    if (!take_target(target, request))
        return refuse(refusal, 400, "the target of a request begins with '/'");
    return HTTP_COMPLETE;
}

/* ---- headers ---- */

static void take_connection(struct bytes value, struct head *head)
{
    while (value.size > 0) {
        struct bytes word = trim(cut(&value, ','));
        head->says_close |= bytes_equal_nocase(word, "close");
        head->says_keep_alive |= bytes_equal_nocase(word, "keep-alive");
    }
}

static enum http_result take_content_length(struct bytes value, struct http_request *request,
                                            struct http_refusal *refusal)
{
    if (value.size == 0)
        return refuse(refusal, 400, "Content-Length is a number");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(refusal, 400, "Content-Length is a number");
        request->has_body |= value.data[i] != '0';
    }
    return HTTP_COMPLETE;
}

static enum http_result parse_header(struct bytes line, struct http_request *request,
                                     struct head *head, struct http_refusal *refusal)
{
    struct bytes value = line;
    struct bytes name = cut(&value, ':');
    if (name.size == line.size || !is_token(name))
        return refuse(refusal, 400, "a header line is `Name: value`");
    value = trim(value);
    if (bytes_equal_nocase(name, "content-length"))
        return take_content_length(value, request, refusal);
    if (bytes_equal_nocase(name, "transfer-encoding"))
        request->has_body = true;
    else if (bytes_equal_nocase(name, "host"))
        head->hosts++;
    else if (bytes_equal_nocase(name, "connection"))
        take_connection(value, head);
    return HTTP_COMPLETE;
}

/* ---- the head ---- */

static enum http_result check_head(struct http_request *request, const struct head *head,
                                   struct http_refusal *refusal)
{
    if (head->hosts > 1 || (head->hosts == 0 && !head->is_http_1_0))
        return refuse(refusal, 400, "an HTTP/1.1 request has one header Host");
    request->is_kept =
        !request->has_body && !head->says_close && (!head->is_http_1_0 || head->says_keep_alive);
    return HTTP_COMPLETE;
}

static enum http_result need_more(struct bytes input, struct http_refusal *refusal)
{
    if (input.size < HTTP_HEAD_SIZE_MAX)
        return HTTP_PARTIAL;
    return refuse(refusal, 431, "the head of a request has at most 8 KiB here");
}

enum http_result http_parse(struct bytes input, struct http_request *request, size_t *consumed,
                            struct http_refusal *refusal)
{
    struct head head = {0};
    struct bytes line;
    size_t at = 0;
    bool has_request_line = false;
    *request = (struct http_request){0};
    if (input.size > HTTP_HEAD_SIZE_MAX)
        input.size = HTTP_HEAD_SIZE_MAX;
    while (next_line(input, &at, &line)) {
        enum http_result result;
        if (has_control_bytes(line))
            return refuse(refusal, 400, "the head of a request has no control characters");
        if (line.size == 0 && !has_request_line)
            continue; /* some send an empty line behind a request before */
        if (line.size == 0) {
            *consumed = at;
            return check_head(request, &head, refusal);
        }
        result = has_request_line ? parse_header(line, request, &head, refusal)
                                  : parse_request_line(line, request, &head, refusal);
        if (result != HTTP_COMPLETE)
            return result;
        has_request_line = true;
    }
    return need_more(input, refusal);
}

bool http_query_has(struct bytes query, const char *name)
{
    while (query.size > 0) {
        struct bytes word = cut(&query, '&');
        if (bytes_equal_text(cut(&word, '='), name))
            return true;
    }
    return false;
}

/* ---- replies ---- */

static const char *reason_of(unsigned code)
{
    static const struct {
        unsigned code;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Content Too Large"},
                   {431, "Request Header Fields Too Large"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "?";
}

void http_write(const struct http_reply *reply, struct buffer *out)
{
    char date[64];
    struct tm parts;
    time_t seconds = (time_t)(reply->now_us / US_PER_SECOND);
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buffer_format(out,
                  "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                  "Cache-Control: no-store\r\n%sConnection: %s\r\n\r\n",
                  reply->code, reason_of(reply->code), date, reply->content_type, reply->body.size,
                  reply->code == 405 ? "Allow: GET, HEAD\r\n" : "",
                  reply->is_kept ? "keep-alive" : "close");
    if (!reply->is_head)
        buffer_append(out, reply->body);
}
