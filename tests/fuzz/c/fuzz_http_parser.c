/* llhttp as fastserve/protocols/http1.pyx uses it: a pause behind each message, a reset
 * before the next, an upgrade that is cleared, a method put in another's place. Spans
 * lie in what was fed, and the same bytes come out of them however they are cut. */
#include "llhttp.h"

#include "fuzz.h"

enum { ROOM = 1 << 16, MESSAGES = 64 };

/* What the spans came to: each kind of token behind a mark of its own. */
typedef struct {
    llhttp_t parser;
    const char *base;
    size_t fed;
    size_t n;
    int kind;
    int whole; /* messages */
    char bytes[ROOM];
} reading;

static reading *of(llhttp_t *parser) {
    return parser->data;
}

static void note(reading *to, char c) {
    if (to->n < ROOM) {
        to->bytes[to->n++] = c;
    }
}

static int on_span(llhttp_t *parser, int kind, const char *at, size_t n) {
    reading *to = of(parser);
    MUST(at >= to->base && at + n <= to->base + to->fed);
    if (kind != to->kind) {
        to->kind = kind;
        note(to, (char)kind);
    }
    for (size_t i = 0; i < n; i++) {
        note(to, at[i]);
    }
    return 0;
}

static int on_first(llhttp_t *parser, const char *at, size_t n) {
    return on_span(parser, '<', at, n);
}

static int on_second(llhttp_t *parser, const char *at, size_t n) {
    return on_span(parser, '=', at, n);
}

static int on_protocol(llhttp_t *parser, const char *at, size_t n) {
    return on_span(parser, '/', at, n);
}

static int on_body(llhttp_t *parser, const char *at, size_t n) {
    return on_span(parser, '"', at, n);
}

static int on_extension(llhttp_t *parser, const char *at, size_t n) {
    return on_span(parser, ';', at, n);
}

static int on_end(llhttp_t *parser) {
    of(parser)->kind = 0;
    note(of(parser), '>');
    return 0;
}

static int on_head(llhttp_t *parser) {
    reading *to = of(parser);
    to->kind = 0;
    note(to, '.');
    note(to, (char)('0' + parser->http_major));
    note(to, (char)('0' + parser->http_minor));
    note(to, (char)parser->flags);
    /* Without the flag of an upgrade the body is read as HTTP. */
    parser->upgrade = 0;
    if (parser->flags & F_TRANSFER_ENCODING) {
        parser->flags |= F_CHUNKED;
        if (parser->flags & F_CONTENT_LENGTH) {
            return 24; /* HPE_USER: refused */
        }
    }
    return 0;
}

static int on_message(llhttp_t *parser) {
    of(parser)->whole++;
    note(of(parser), '!');
    return HPE_PAUSED;
}

static void begin(reading *to) {
    static llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = on_first;
    settings.on_url_complete = on_end;
    settings.on_protocol = on_protocol;
    settings.on_header_field = on_first;
    settings.on_header_value = on_second;
    settings.on_header_value_complete = on_end;
    settings.on_headers_complete = on_head;
    settings.on_body = on_body;
    settings.on_chunk_extension_name = on_extension;
    settings.on_chunk_extension_value = on_extension;
    settings.on_message_complete = on_message;
    memset(to, 0, sizeof *to);
    llhttp_init(&to->parser, HTTP_REQUEST, &settings);
    to->parser.data = to;
}

/* One read; returns how it ended. */
static llhttp_errno_t feed(reading *to, const char *p, size_t n, int put_method) {
    llhttp_errno_t error = HPE_OK;
    const char *end = p + n;
    to->base = p;
    to->fed = n;
    if (put_method) {
        MUST(llhttp_execute(&to->parser, "GET ", 4) == HPE_OK);
    }
    while (p < end && to->whole < MESSAGES) {
        error = llhttp_execute(&to->parser, p, (size_t)(end - p));
        if (error != HPE_PAUSED) {
            break;
        }
        const char *stop = llhttp_get_error_pos(&to->parser);
        MUST(stop > p && stop <= end);
        p = stop;
        error = HPE_OK;
        llhttp_reset(&to->parser);
    }
    if (error != HPE_OK) {
        const char *stop = llhttp_get_error_pos(&to->parser);
        MUST(stop == NULL || (stop >= to->base && stop <= end));
        MUST(llhttp_get_error_reason(&to->parser) != NULL);
    }
    return error;
}

static reading once, cut;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    int put_method = next_byte(&in) & 1;
    unsigned cuts = next_byte(&in);
    piece stream = the_rest(&in);
    begin(&once);
    begin(&cut);
    llhttp_errno_t first = feed(&once, stream.p, stream.n, put_method);
    llhttp_errno_t second = HPE_OK;
    for (size_t at = 0, n; second == HPE_OK && at < stream.n; at += n) {
        n = 1 + (cuts & 7) * (cuts & 3);
        cuts = cuts >> 1 | (cuts & 1) << 7;
        n = n < stream.n - at ? n : stream.n - at;
        char *one = copy_of(stream.p + at, n);
        second = feed(&cut, one, n, put_method && at == 0);
        free(one);
    }
    MUST(first == second);
    if (first == HPE_OK) {
        MUST(once.whole == cut.whole);
        MUST(same_bytes(once.bytes, once.n, cut.bytes, cut.n));
    }
    free(stream.p);
    return 0;
}
