#include "upgrade.h"

/* What a byte may be part of; others are in none of them. */
enum {
    TOKEN = 1,  /* RFC 9110 5.6.2 */
    VALUE = 2,  /* a field value, with the space within it (RFC 9110 5.5) */
    TARGET = 4, /* a path and a query: browsers leave more in it than RFC 3986 allows */
    HOST = 8,   /* a name or an IPv4 address (RFC 3986 3.2.2) */
    BASE64 = 16 /* without its padding */
};

enum field {
    HOST_FIELD,
    UPGRADE_FIELD,
    CONNECTION_FIELD,
    KEY_FIELD,
    VERSION_FIELD,
    ORIGIN_FIELD,
    EXTENSIONS_FIELD,
    COOKIE_FIELD,
    /* With these the request takes the slow path. */
    PROTOCOL_FIELD,
    CONTENT_LENGTH_FIELD,
    TRANSFER_ENCODING_FIELD,
    FIELDS
};

#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

static const wscore_text names[FIELDS] = {
    [HOST_FIELD] = TEXT("host"),
    [UPGRADE_FIELD] = TEXT("upgrade"),
    [CONNECTION_FIELD] = TEXT("connection"),
    [KEY_FIELD] = TEXT("sec-websocket-key"),
    [VERSION_FIELD] = TEXT("sec-websocket-version"),
    [ORIGIN_FIELD] = TEXT("origin"),
    [EXTENSIONS_FIELD] = TEXT("sec-websocket-extensions"),
    [COOKIE_FIELD] = TEXT("cookie"),
    [PROTOCOL_FIELD] = TEXT("sec-websocket-protocol"),
    [CONTENT_LENGTH_FIELD] = TEXT("content-length"),
    [TRANSFER_ENCODING_FIELD] = TEXT("transfer-encoding"),
};

static const wscore_text request_start = TEXT("GET ");
static const wscore_text request_end = TEXT(" HTTP/1.1\r\n");
static const wscore_text websocket = TEXT("websocket");
static const wscore_text upgrade = TEXT("upgrade");
static const wscore_text firefox = TEXT("keep-alive, upgrade");
static const wscore_text version = TEXT("13");

static uint8_t kinds[256];

static void add(const char *bytes, uint8_t kind) {
    for (; *bytes; bytes++)
        kinds[(uint8_t)*bytes] |= kind;
}

void wscore_init_upgrade(void) {
    const char *alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (unsigned byte = 0; byte < 256; byte++) {
        if ((byte >= ' ' && byte != 0x7f) || byte == '\t')
            kinds[byte] |= VALUE;
        if (byte > ' ' && byte < 0x7f && byte != '#')
            kinds[byte] |= TARGET;
    }
    add(alphanumeric, TOKEN | HOST | BASE64);
    add("!#$%&'*+-.^_`|~", TOKEN);
    add("._~%!$&'()*+,;=-", HOST);
    add("+/", BASE64);
}

/* How many bytes from p on are of this kind. */
static size_t run(const uint8_t *p, const uint8_t *end, uint8_t kind) {
    const uint8_t *at = p;
    while (at < end && kinds[*at] & kind)
        at++;
    return (size_t)(at - p);
}

static int starts_with(const uint8_t *p, const uint8_t *end, wscore_text start) {
    return (size_t)(end - p) >= start.size && !memcmp(p, start.at, start.size);
}

/* Compare with a text in lower case. */
static int is_text(wscore_text text, wscore_text lower) {
    if (text.size != lower.size)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.at[i];
        if ((byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte) != lower.at[i])
            return 0;
    }
    return 1;
}

static wscore_text trimmed(const uint8_t *p, const uint8_t *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (wscore_text){p, (size_t)(end - p)};
}

static int is_host(wscore_text host) {
    const uint8_t *end = host.at + host.size;
    const size_t name = run(host.at, end, HOST);
    if (!name || name == host.size)
        return name > 0;
    const uint8_t *port = host.at + name + 1;
    for (const uint8_t *p = port; p < end; p++)
        if (*p < '0' || *p > '9')
            return 0;
    return port[-1] == ':';
}

/* The base64 of 16 bytes: the last digit has two bits left (RFC 6455 4.1). */
static int is_key(wscore_text key) {
    return key.size == 24 && run(key.at, key.at + 24, BASE64) == 22 &&
           memchr("AQgw", key.at[21], 4) && key.at[22] == '=' && key.at[23] == '=';
}

/* Read one header line; returns where the next begins, NULL for the slow path. */
static const uint8_t *read_line(const uint8_t *p, const uint8_t *end, wscore_text *fields) {
    const wscore_text name = {p, run(p, end, TOKEN)};
    const uint8_t *value = p + name.size;
    if (!name.size || value == end || *value != ':')
        return NULL;
    value++;
    p = value + run(value, end, VALUE);
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return NULL;
    for (int field = 0; field < FIELDS; field++) {
        if (is_text(name, names[field])) {
            if (fields[field].at)
                return NULL;
            fields[field] = trimmed(value, p);
        }
    }
    return p + 2;
}

static int is_handshake(const wscore_text *fields) {
    for (int field = HOST_FIELD; field <= VERSION_FIELD; field++)
        if (!fields[field].at)
            return 0;
    for (int field = PROTOCOL_FIELD; field < FIELDS; field++)
        if (fields[field].at)
            return 0;
    return is_host(fields[HOST_FIELD]) && is_text(fields[UPGRADE_FIELD], websocket) &&
           (is_text(fields[CONNECTION_FIELD], upgrade) ||
            is_text(fields[CONNECTION_FIELD], firefox)) &&
           is_key(fields[KEY_FIELD]) && is_text(fields[VERSION_FIELD], version);
}

int wscore_read_upgrade(const uint8_t *p, size_t size, wscore_upgrade *found) {
    const uint8_t *start = p;
    const uint8_t *end =
        p + (size < WSCORE_UPGRADE_MAX_HEAD ? size : WSCORE_UPGRADE_MAX_HEAD);
    wscore_text fields[FIELDS] = {{NULL, 0}};
    if (!starts_with(p, end, request_start))
        return 0;
    p += request_start.size;
    const wscore_text path = {p, run(p, end, TARGET)};
    p += path.size;
    if (!path.size || path.at[0] != '/' || !starts_with(p, end, request_end))
        return 0;
    p += request_end.size;
    for (int lines = 0; end - p < 2 || p[0] != '\r'; lines++) {
        if (lines == WSCORE_UPGRADE_MAX_HEADERS)
            return 0;
        p = read_line(p, end, fields);
        if (!p)
            return 0;
    }
    if (p[1] != '\n' || !is_handshake(fields))
        return 0;
    *found = (wscore_upgrade){
        .size = (size_t)(p + 2 - start),
        .path = path,
        .key = fields[KEY_FIELD],
        .origin = fields[ORIGIN_FIELD],
        .extensions = fields[EXTENSIONS_FIELD],
        .cookie = fields[COOKIE_FIELD],
    };
    return 1;
}
