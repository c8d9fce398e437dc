/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The actor: a child process that owns the memory and drives one consumer,
 * step by step, while its parent audits.
 */
#ifndef PIN_ACTOR_H
#define PIN_ACTOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "consumer.h"

struct pin_audit;

enum pin_actor_cmd {
	PIN_ACTOR_OPEN,		/* allocate the memory and open: no pins */
	PIN_ACTOR_PREDICT,	/* fill in pin and unpin predictions */
	PIN_ACTOR_PIN,
	PIN_ACTOR_USE,
	PIN_ACTOR_UNPIN,
	PIN_ACTOR_UNPIN_BY_CHILD,	/* which inherits everything, while we live on */
	PIN_ACTOR_CLOSE,
	PIN_ACTOR_CLOSE_BY_CHILD,	/* which inherits everything, and closes last */
	PIN_ACTOR_MUNMAP,	/* unmap the memory, keep the pins */
	PIN_ACTOR_FORK,		/* leave a child that inherits everything */
	PIN_ACTOR_EXIT,		/* _exit without cleaning up */
	PIN_ACTOR_EXEC,		/* exec a program that just waits */
	PIN_ACTOR_TASK,		/* anything else: pin_actor_task() */
};

struct pin_actor_reply {
	long result;
	struct pin_predict pin;		/* PIN_ACTOR_PREDICT */
	struct pin_predict unpin;
	const void *addr;		/* where the buffer is ... */
	unsigned int pages;		/* ... and what it touches */
	pid_t child;			/* PIN_ACTOR_FORK */
	char why[PIN_WHY_LEN];
};

struct pin_actor {
	pid_t pid;
	pid_t child;		/* survivor of PIN_ACTOR_FORK, 0: none */
	int fd;
	const struct pin_consumer *consumer;
	const struct pin_memkind *kind;
	const struct pin_kernel *kernel;
	unsigned int pages;
	int node;		/* bind all memory to this node, -1: anywhere */
	/*
	 * What else the actor can be told to do, in its process; @op is that of
	 * PIN_ACTOR_OPEN, or blank. Its result and @why are replied.
	 */
	long (*task)(const struct pin_actor *a, struct pin_op *op, long arg, char *why);
};

/* Fork the actor. Returns 0 or a negative errno. */
int pin_actor_start(struct pin_actor *a);

/*
 * Order one step and wait for it: 0, -EPIPE if the actor died (of what:
 * @reply->why), -ETIMEDOUT if it did not answer.
 */
int pin_actor_do(struct pin_actor *a, enum pin_actor_cmd cmd,
		 struct pin_actor_reply *reply);

/* The same in two parts, to do something meanwhile; once it has answered @fd can be read. */
int pin_actor_begin(struct pin_actor *a, enum pin_actor_cmd cmd, struct pin_actor_reply *reply);
int pin_actor_end(struct pin_actor *a, enum pin_actor_cmd cmd, struct pin_actor_reply *reply);

/* As pin_actor_do(): if that goes wrong the test that @au is of fails, and it returns false. */
bool pin_actor_order(struct pin_audit *au, struct pin_actor *a, enum pin_actor_cmd cmd,
		     struct pin_actor_reply *reply);

/* The same for PIN_ACTOR_OPEN: if it cannot be opened here the test is skipped. */
bool pin_actor_open(struct pin_audit *au, struct pin_actor *a, struct pin_actor_reply *reply);

/*
 * Close @op here, and after that in a child of ours, which is user @uid by then unless
 * that is 0: it is the child that lets go. Returns 0, -errno or the child's status < 0.
 */
long pin_close_by_child(struct pin_op *op, uid_t uid);

/* Have a child of ours let go of what @op has pinned: what that returned, or -errno. */
long pin_unpin_by_child(struct pin_op *op);

/* Before it is started: memory that it and its auditor share, of zeros, for good. */
void *pin_actor_shared(size_t size);

/* As pin_actor_do(), for PIN_ACTOR_TASK, which gets @arg. */
int pin_actor_task(struct pin_actor *a, long arg, struct pin_actor_reply *reply);

/* Wait until it is gone. Returns its wait status, or a negative errno. */
int pin_actor_wait(struct pin_actor *a);

/* The same; the test that @au is of fails if it does not end, and it returns false. */
bool pin_actor_gone(struct pin_audit *au, struct pin_actor *a);

/* Kill what is left of it. Always call it: the test fails if something does not end. */
void pin_actor_stop(struct pin_audit *au, struct pin_actor *a);

/* Call first in main(): true if this is an exec'd actor that only waits. */
bool pin_actor_is_waiter(int argc, char **argv);

#endif
