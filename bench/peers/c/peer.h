/* What the C peers share: the command line, the listener, the workers and what sockets did not take yet. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>

#define FORTUNE "Fortune cookie!\n"
#define FORTUNE_LENGTH (sizeof(FORTUNE) - 1)
#define EVENTS 256

struct arguments {
    bool fortune;
    int port;
    size_t buffer;
    int workers;
};

/* One thread's loop; all share the listener. */
struct worker {
    struct arguments arguments;
    int listener;
    int epoll;
    char *buffer;
};

/* How a peer differs from the others. */
struct peer {
    void (*serve)(struct worker *);
    /* Set once on the listener: each accepted connection inherits it. */
    bool no_delay_listener;
    /* The size of the read buffer, when it is not the command line's. */
    size_t buffer;
};

/* Reads the command line, listens, tells so, and runs `serve` on each worker's thread. */
int run_peer(int count, char **words, struct peer peer);

void fail(const char *what);

/* Level-triggered; the event's data is the descriptor. */
int watch(int epoll, int operation, int descriptor, unsigned events);

int set_no_delay(int descriptor);

/* Keeps what the socket did not take and watches for room instead of input; false: the connection is lost. */
bool keep(struct worker *worker, int descriptor, const char *bytes, size_t length);

/* Sends all or keeps the remainder; false: the connection is lost. */
bool send_or_keep(struct worker *worker, int descriptor, const char *bytes, size_t length);

/* Sends of the remainder what fits; *done says whether nothing is left. */
bool send_remainder(int descriptor, bool *done);

/* Closes and forgets the remainder. */
void close_connection(int descriptor);

#endif
