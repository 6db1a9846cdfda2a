/* A server on libuv: a buffer for each read, which the write of the echo then owns, as in libuv's guide. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* So much may wait for a peer that does not read; then nothing more is read from it. */
#define MOST_UNSENT (256 * 1024)

struct echo_write {
    uv_write_t request;
    char *bytes;
};

static char fortune_text[] = "Fortune cookie!\n";
static bool fortune;
static size_t buffer_size;

static void on_close(uv_handle_t *handle)
{
    free(handle);
}

static void end(uv_stream_t *client)
{
    if (!uv_is_closing((uv_handle_t *)client))
        uv_close((uv_handle_t *)client, on_close);
}

static void on_told(uv_write_t *request, int status)
{
    (void)status;
    end(request->handle);
    free(request);
}

static void tell(uv_stream_t *client)
{
    uv_write_t *request = malloc(sizeof(*request));
    uv_buf_t text = uv_buf_init(fortune_text, sizeof(fortune_text) - 1);
    if (!request || uv_write(request, client, &text, 1, on_told)) {
        free(request);
        end(client);
    }
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    char *bytes = malloc(buffer_size);
    *buffer = uv_buf_init(bytes, bytes ? (unsigned)buffer_size : 0);
}

static void on_read(uv_stream_t *client, ssize_t length, const uv_buf_t *buffer);

static void on_written(uv_write_t *request, int status)
{
    struct echo_write *echo = (struct echo_write *)request;
    uv_stream_t *client = request->handle;
    free(echo->bytes);
    free(echo);
    if (status)
        end(client);
    else if (!uv_is_closing((uv_handle_t *)client) && !uv_is_active((uv_handle_t *)client))
        uv_read_start(client, on_buffer, on_read);
}

static void on_read(uv_stream_t *client, ssize_t length, const uv_buf_t *buffer)
{
    if (length <= 0) {
        free(buffer->base);
        if (length < 0)
            end(client);
        return;
    }
    struct echo_write *echo = malloc(sizeof(*echo));
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)length);
    if (echo)
        echo->bytes = buffer->base;
    if (!echo || uv_write(&echo->request, client, &bytes, 1, on_written)) {
        free(echo);
        free(buffer->base);
        end(client);
        return;
    }
    if (uv_stream_get_write_queue_size(client) > MOST_UNSENT)
        uv_read_stop(client);
}

static void on_connection(uv_stream_t *server, int status)
{
    if (status)
        return;
    uv_tcp_t *client = malloc(sizeof(*client));
    if (!client)
        return;
    uv_tcp_init(server->loop, client);
    if (uv_accept(server, (uv_stream_t *)client)) {
        end((uv_stream_t *)client);
    } else if (fortune) {
        tell((uv_stream_t *)client);
    } else {
        uv_tcp_nodelay(client, 1);
        uv_read_start((uv_stream_t *)client, on_buffer, on_read);
    }
}

int main(int count, char **words)
{
    if (count < 4) {
        fprintf(stderr, "usage: %s fortune|echo PORT BUFFER\n", words[0]);
        return 2;
    }
    fortune = !strcmp(words[1], "fortune");
    buffer_size = strtoul(words[3], NULL, 10);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    struct sockaddr_in address;
    uv_tcp_init(loop, &server);
    uv_ip4_addr("127.0.0.1", atoi(words[2]), &address);
    int error = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (!error)
        error = uv_listen((uv_stream_t *)&server, 4096, on_connection);
    if (error) {
        fprintf(stderr, "%s\n", uv_strerror(error));
        return 1;
    }
    puts("ready");
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
