/*
 * The cheapest epoll loop that still closes gracefully. Fortune: the reply and the end leave together, and only
 * a connection with unread input is registered, to linger until the peer's end. Echo: one recv an event.
 */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ACCEPTS 16
#define LINGER_MILLISECONDS 2000
#define SHARED_BUFFER (256 * 1024)

/* Connections that linger, oldest first. One that ended early stays as -1 until its time comes. */
struct lingering {
    int descriptor;
    int64_t deadline;
};

struct queue {
    struct lingering *entries;
    size_t start, end, capacity;
};

static _Thread_local struct queue queue;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool make_room(void)
{
    if (queue.end < queue.capacity)
        return true;
    size_t length = queue.end - queue.start;
    if (queue.start > 0)
        memmove(queue.entries, queue.entries + queue.start, length * sizeof(*queue.entries));
    queue.start = 0;
    queue.end = length;
    if (length * 2 <= queue.capacity && queue.capacity > 0)
        return true;
    size_t capacity = queue.capacity ? queue.capacity * 2 : 64;
    struct lingering *entries = realloc(queue.entries, capacity * sizeof(*entries));
    if (!entries)
        return false;
    queue.entries = entries;
    queue.capacity = capacity;
    return true;
}

static void linger(struct worker *worker, int descriptor, int operation)
{
    if (!make_room() || watch(worker->epoll, operation, descriptor, EPOLLIN)) {
        close_connection(descriptor);
        return;
    }
    queue.entries[queue.end++] = (struct lingering){ descriptor, now() + LINGER_MILLISECONDS };
}

static void end_lingering(int descriptor)
{
    for (size_t index = queue.start; index < queue.end; index++)
        if (queue.entries[index].descriptor == descriptor)
            queue.entries[index].descriptor = -1;
    close_connection(descriptor);
}

/* Closes what lingered too long; returns how long epoll may wait. */
static int expire(void)
{
    while (queue.start < queue.end) {
        struct lingering *oldest = &queue.entries[queue.start];
        int64_t wait = oldest->deadline - now();
        if (oldest->descriptor >= 0 && wait > 0)
            return (int)wait;
        if (oldest->descriptor >= 0)
            close_connection(oldest->descriptor);
        queue.start++;
    }
    return -1;
}

/* What a fortune's connection becomes when all is sent. */
static void finish(struct worker *worker, int descriptor, int operation)
{
    char probe[64];
    shutdown(descriptor, SHUT_WR);
    if (recv(descriptor, probe, sizeof(probe), MSG_DONTWAIT) > 0)
        linger(worker, descriptor, operation);
    else
        close_connection(descriptor);
}

static void tell(struct worker *worker, int descriptor)
{
    ssize_t sent = send(descriptor, FORTUNE, FORTUNE_LENGTH, MSG_MORE | MSG_NOSIGNAL);
    if (sent == (ssize_t)FORTUNE_LENGTH) {
        finish(worker, descriptor, EPOLL_CTL_ADD);
        return;
    }
    size_t start = sent > 0 ? (size_t)sent : 0;
    bool waits = (sent >= 0 || errno == EAGAIN) && !watch(worker->epoll, EPOLL_CTL_ADD, descriptor, EPOLLOUT);
    if (!waits || !keep(worker, descriptor, FORTUNE + start, FORTUNE_LENGTH - start))
        close_connection(descriptor);
}

static void accept_some(struct worker *worker)
{
    for (int count = 0; count < ACCEPTS; count++) {
        int descriptor = accept4(worker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0)
            return;
        if (worker->arguments.fortune)
            tell(worker, descriptor);
        else if (watch(worker->epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN))
            close_connection(descriptor);
    }
}

static void advance_fortune(struct worker *worker, int descriptor, unsigned events)
{
    bool done = false;
    if (events & EPOLLOUT) {
        if (!send_remainder(descriptor, &done))
            close_connection(descriptor);
        else if (done)
            finish(worker, descriptor, EPOLL_CTL_MOD);
        return;
    }
    if (!(events & (EPOLLERR | EPOLLHUP))) {
        ssize_t length = recv(descriptor, worker->buffer, worker->arguments.buffer, 0);
        if (length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR)))
            return;
    }
    end_lingering(descriptor);
}

/* False: the connection ended. */
static bool advance_echo(struct worker *worker, int descriptor, unsigned events)
{
    if (events & (EPOLLERR | EPOLLHUP))
        return false;
    if (events & EPOLLOUT) {
        bool done;
        if (!send_remainder(descriptor, &done))
            return false;
        return !done || watch(worker->epoll, EPOLL_CTL_MOD, descriptor, EPOLLIN) == 0;
    }
    ssize_t length = recv(descriptor, worker->buffer, worker->arguments.buffer, 0);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    return length > 0 && send_or_keep(worker, descriptor, worker->buffer, (size_t)length);
}

static void serve(struct worker *worker)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(worker->epoll, events, EVENTS, expire());
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int index = 0; index < count; index++) {
            int descriptor = events[index].data.fd;
            if (descriptor == worker->listener)
                accept_some(worker);
            else if (worker->arguments.fortune)
                advance_fortune(worker, descriptor, events[index].events);
            else if (!advance_echo(worker, descriptor, events[index].events))
                close_connection(descriptor);
        }
    }
}

int main(int count, char **words)
{
    struct peer peer = { .serve = serve, .no_delay_listener = true, .buffer = SHARED_BUFFER };
    return run_peer(count, words, peer);
}
