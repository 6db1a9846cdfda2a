/* A plain epoll loop: level-triggered, each accepted connection is registered, one read buffer a loop. */
#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <sys/socket.h>

#define ACCEPTS 64

/* Sends what is left; whether the connection goes on. In the fortune mode it ends when nothing is left. */
static bool resume(struct worker *worker, int descriptor)
{
    bool done;
    if (!send_remainder(descriptor, &done))
        return false;
    if (!done)
        return true;
    return !worker->arguments.fortune && watch(worker->epoll, EPOLL_CTL_MOD, descriptor, EPOLLIN) == 0;
}

static void tell(struct worker *worker, int descriptor)
{
    if (!send_or_keep(worker, descriptor, FORTUNE, FORTUNE_LENGTH) || !resume(worker, descriptor))
        close_connection(descriptor);
}

static void accept_all(struct worker *worker)
{
    for (int count = 0; count < ACCEPTS; count++) {
        int descriptor = accept4(worker->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        if (!worker->arguments.fortune)
            set_no_delay(descriptor);
        if (watch(worker->epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN))
            close_connection(descriptor);
        else if (worker->arguments.fortune)
            tell(worker, descriptor);
    }
}

/* Reads once and echoes; false: the connection ended. */
static bool echo(struct worker *worker, int descriptor)
{
    ssize_t length = recv(descriptor, worker->buffer, worker->arguments.buffer, 0);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    return length > 0 && send_or_keep(worker, descriptor, worker->buffer, (size_t)length);
}

static void serve(struct worker *worker)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(worker->epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int index = 0; index < count; index++) {
            int descriptor = events[index].data.fd;
            if (descriptor == worker->listener)
                accept_all(worker);
            else if (!(events[index].events & EPOLLOUT ? resume : echo)(worker, descriptor))
                close_connection(descriptor);
        }
    }
}

int main(int count, char **words)
{
    return run_peer(count, words, (struct peer){ .serve = serve });
}
