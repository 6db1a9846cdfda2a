#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct remainder {
    size_t start, length;
    char bytes[];
};

/* By descriptor. A descriptor belongs to one worker while it is open, so the workers can share the table. */
static struct remainder **remainders;

static struct peer peer;

void fail(const char *what)
{
    perror(what);
    exit(1);
}

int watch(int epoll, int operation, int descriptor, unsigned events)
{
    struct epoll_event event = { .events = events, .data.fd = descriptor };
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int set_no_delay(int descriptor)
{
    int on = 1;
    return setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static ssize_t send_some(int descriptor, const char *bytes, size_t length)
{
    ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return sent;
}

bool keep(struct worker *worker, int descriptor, const char *bytes, size_t length)
{
    struct remainder *remainder = malloc(sizeof(*remainder) + length);
    if (!remainder)
        return false;
    remainder->start = 0;
    remainder->length = length;
    memcpy(remainder->bytes, bytes, length);
    remainders[descriptor] = remainder;
    return watch(worker->epoll, EPOLL_CTL_MOD, descriptor, EPOLLOUT) == 0;
}

bool send_or_keep(struct worker *worker, int descriptor, const char *bytes, size_t length)
{
    ssize_t sent = send_some(descriptor, bytes, length);
    if (sent < 0)
        return false;
    if ((size_t)sent == length)
        return true;
    return keep(worker, descriptor, bytes + sent, length - (size_t)sent);
}

bool send_remainder(int descriptor, bool *done)
{
    struct remainder *remainder = remainders[descriptor];
    *done = true;
    if (!remainder)
        return true;
    ssize_t sent = send_some(descriptor, remainder->bytes + remainder->start, remainder->length);
    if (sent < 0)
        return false;
    remainder->start += (size_t)sent;
    remainder->length -= (size_t)sent;
    *done = remainder->length == 0;
    if (*done) {
        free(remainder);
        remainders[descriptor] = NULL;
    }
    return true;
}

void close_connection(int descriptor)
{
    if (remainders[descriptor]) {
        free(remainders[descriptor]);
        remainders[descriptor] = NULL;
    }
    close(descriptor);
}

/* As many descriptors as the system allows; returns how many. */
static size_t raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        fail("getrlimit");
    if (limit.rlim_max > 1 << 20)
        limit.rlim_max = 1 << 20;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        fail("setrlimit");
    return limit.rlim_cur;
}

static int listen_on(int port, bool no_delay)
{
    int on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        fail("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (no_delay && set_no_delay(listener))
        fail("setsockopt");
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)))
        fail("bind");
    if (listen(listener, 4096))
        fail("listen");
    return listener;
}

static void *run_worker(void *pointer)
{
    struct worker worker = *(struct worker *)pointer;
    worker.epoll = epoll_create1(EPOLL_CLOEXEC);
    worker.buffer = malloc(worker.arguments.buffer);
    if (worker.epoll < 0 || !worker.buffer)
        fail("epoll_create1 or malloc");
    /* Several workers: one connection shall not wake them all. */
    unsigned exclusive = worker.arguments.workers > 1 ? EPOLLEXCLUSIVE : 0;
    if (watch(worker.epoll, EPOLL_CTL_ADD, worker.listener, EPOLLIN | exclusive))
        fail("epoll_ctl");
    peer.serve(&worker);
    return NULL;
}

static struct arguments parse(int count, char **words)
{
    bool fortune = count > 1 && !strcmp(words[1], "fortune");
    if (count < 4 || (!fortune && strcmp(words[1], "echo"))) {
        fprintf(stderr, "usage: %s fortune|echo PORT BUFFER [WORKERS]\n", words[0]);
        exit(2);
    }
    struct arguments arguments = { fortune, atoi(words[2]), strtoul(words[3], NULL, 10), 1 };
    if (count > 4)
        arguments.workers = atoi(words[4]);
    return arguments;
}

int run_peer(int count, char **words, struct peer this_peer)
{
    struct worker worker = { .arguments = parse(count, words) };
    peer = this_peer;
    if (peer.buffer > 0)
        worker.arguments.buffer = peer.buffer;
    remainders = calloc(raise_limit(), sizeof(*remainders));
    if (!remainders)
        fail("calloc");
    worker.listener = listen_on(worker.arguments.port, peer.no_delay_listener);
    puts("ready");
    fflush(stdout);
    for (int number = 1; number < worker.arguments.workers; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_worker, &worker))
            fail("pthread_create");
    }
    run_worker(&worker);
    return 0;
}
