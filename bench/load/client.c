#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Key and answer are the RFC's own (1.3); the headers are those that a browser sends. */
static const char REQUEST[] =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36\r\n"
    "Upgrade: websocket\r\nOrigin: http://127.0.0.1\r\nSec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n";
static const char EXTENSIONS[] = "Sec-WebSocket-Extensions: ";
static const char STATUS[] = "HTTP/1.1 101 ";
static const char ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

double number(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        die("%s must be a number from %g to %g, not %s", name, least, most, text);
    return value;
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static char agreed[256];

const char *ws_agreed(void)
{
    return agreed;
}

static void agree(const char *head, const char *offer)
{
    const char *line = strcasestr(head, "\r\nSec-WebSocket-Extensions:");
    if (!offer) {
        if (line)
            die("the server uses an extension that nobody offered");
        return;
    }
    if (!line)
        die("the server declined %s", offer);
    line += strlen("\r\nSec-WebSocket-Extensions:");
    line += strspn(line, " ");
    snprintf(agreed, sizeof agreed, "%.*s", (int)strcspn(line, "\r"), line);
    for (char *c = agreed; *c; c++) /* it is printed as a string of JSON */
        *c = *c == '"' || *c == '\\' || *c < ' ' ? '\'' : *c;
}

static void ask(int fd, int port, const char *offer)
{
    char head[1024];
    int length = snprintf(head, sizeof head, REQUEST, port, offer ? EXTENSIONS : "",
                          offer ? offer : "", offer ? "\r\n" : "");
    if (send(fd, head, (size_t)length, MSG_NOSIGNAL) != length)
        die("the request was not sent: %s", strerror(errno));
}

bool ws_answered(int fd, const char *offer, ws_head *head)
{
    ssize_t n = recv(fd, head->text + head->got, sizeof head->text - 1 - head->got, 0);
    if (n <= 0)
        die("the handshake was cut short: %.200s", head->text);
    head->got += (size_t)n;
    head->text[head->got] = '\0';
    const char *end = strstr(head->text, "\r\n\r\n");
    if (!end)
        return false;
    if (strncmp(head->text, STATUS, sizeof STATUS - 1) || !strstr(head->text, ACCEPT))
        die("the handshake was refused: %.200s", head->text);
    agree(head->text, offer);
    if (end + 4 != head->text + head->got)
        die("the server spoke before it was spoken to");
    return true;
}

int ws_ask(int port, const char *offer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die("cannot connect to port %d: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Where BBR is the default it paces even the loopback, and paced data waits for timers. */
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ask(fd, port, offer);
    return fd;
}

int ws_connect(int port, const char *offer)
{
    ws_head head = {0};
    int fd = ws_ask(port, offer);
    while (!ws_answered(fd, offer, &head))
        continue;
    return fd;
}

static size_t put_header(unsigned char *out, int opcode, size_t size, int masked)
{
    size_t length = 2;
    int mask_bit = masked ? 0x80 : 0;
    out[0] = (unsigned char)(0x80 | opcode);
    if (size < 126) {
        out[1] = (unsigned char)(mask_bit | (int)size);
        return length;
    }
    int width = size < 65536 ? 2 : 8;
    out[1] = (unsigned char)(mask_bit | (width == 2 ? 126 : 127));
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
        out[length++] = (unsigned char)((uint64_t)size >> shift);
    return length;
}

size_t ws_frame(unsigned char *out, int opcode, size_t size, unsigned seed,
                const unsigned char key[4])
{
    static const char WORDS[] = "{\"symbol\": \"EURUSD\", \"bid\": 1.08651, \"ask\": 1.08653} ";
    size_t length = put_header(out, opcode, size, key != NULL);
    if (key) {
        memcpy(out + length, key, 4);
        length += 4;
    }
    for (size_t i = 0; i < size; i++) {
        size_t place = i + seed;
        unsigned char byte = opcode == OPCODE_TEXT
                                 ? (unsigned char)WORDS[place % (sizeof WORDS - 1)]
                                 : (unsigned char)(place * 167 + (place >> 8));
        out[length + i] = byte ^ (key ? key[i & 3] : 0);
    }
    return length + size;
}

bool ws_parse(const unsigned char *data, size_t size, frame_header *frame)
{
    if (size < 2)
        return false;
    int width = (data[1] & 0x7f) < 126 ? 0 : (data[1] & 0x7f) == 126 ? 2 : 8;
    frame->first = data[0];
    frame->header = 2 + (size_t)width + (data[1] & 0x80 ? 4 : 0);
    if (size < frame->header)
        return false;
    frame->payload = width ? 0 : data[1] & 0x7f;
    for (int i = 0; i < width; i++)
        frame->payload = frame->payload << 8 | data[2 + i];
    return true;
}

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        die("cannot read %s: %s", path, strerror(errno));
    *size = (size_t)ftell(file);
    unsigned char *bytes = malloc(*size + 1);
    rewind(file);
    if (!bytes || fread(bytes, 1, *size, file) != *size)
        die("cannot read %s", path);
    fclose(file);
    return bytes;
}

frame_list ws_load_frames(const char *path)
{
    size_t size, at = 0;
    frame_list frames = {.bytes = read_file(path, &size)};
    frames.starts = malloc((size / 2 + 2) * sizeof *frames.starts);
    if (!frames.starts)
        die("no memory for the frames of %s", path);
    while (at < size) {
        frame_header frame;
        if (!ws_parse(frames.bytes + at, size - at, &frame) ||
            frame.payload > size - at - frame.header)
            die("%s ends within a frame", path);
        frames.starts[frames.count++] = at;
        at += frame.header + frame.payload;
    }
    if (!frames.count)
        die("%s holds no frame", path);
    frames.starts[frames.count] = at;
    return frames;
}
