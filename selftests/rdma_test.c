// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA memory regions in sequences that a matrix cannot express: registered
 * anew, given to another protection domain, on a device that is taken away, several
 * of one owner, who ends; of RDS, too.
 * Every step is exact, in pins and in VmPin.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "consumers/rdma.h"
#include "consumers/rds.h"
#include "draw.h"
#include "probe.h"
#include "proc.h"
#include "scratch.h"
#include "suite.h"

#define MS		1000000ull
#define PAGES		16
#define PARTS		4
#define LINK		"pinrdma0"	/* a soft-RoCE device on lo is the matrix's */
#define ADDRESS		0xc0000202u	/* 192.0.2.2, for documentation only */
#define AT_ONCE_NS	(500 * MS)	/* a removal that waits for nobody is over by then */
#define WINDOW_1	1
#define WINDOW_2	2

struct provider {
	const char *name;
	int (*add)(const char *name, const char *netdev, char *why);
};

static const struct provider rxe = { "rxe", pin_rdma_soft_roce };
static const struct provider siw = { "siw", pin_rdma_soft_iwarp };

/* One sequence while it runs. */
struct seq {
	const struct test *t;
	struct pin_audit *au;
	const struct pin_kernel *k;
	char device[PIN_NODE_LEN];
	struct pin_rdma_device at;
	struct pin_rdma r;
	struct pin_mem mem;
	unsigned int mr;
	int64_t held;		/* pages, by prediction */
};

/* A sequence, and the device it is to have. */
struct test {
	const char *name;
	void (*run)(struct seq *s);
	const struct provider *of;
};

/* Takes @pins pages (or lets go of them: < 0), and the call returns @want. */
static bool step(struct seq *s, const char *what, int64_t pins, long want, long result)
{
	const struct pin_predict p = pin_predict_counted(s->k, pins, want);

	s->held += pins;
	return pin_audit_step(s->au, what, &p, result, getpid());
}

static char unable[PIN_WHY_LEN];	/* to have a network device: why */

/* Each test has a device of its own, as some take it away. */
static bool begin(struct seq *s, struct pin_audit *au, const struct test *t)
{
	char why[PIN_WHY_LEN];

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->au = au;
	s->k = pin_audit_kernel(au);
	if (*unable) {
		pin_audit_skip(au, "%s", unable);
		return false;
	}
	snprintf(s->device, sizeof(s->device), "pin%s9", t->of->name);
	if (t->of->add(s->device, LINK, why) || pin_rdma_find(&s->at, s->device, why) ||
	    pin_rdma_open(&s->r, &s->at, why) ||
	    (pin_mem_alloc(&s->mem, pin_memkind_find("anon"), s->k, PAGES) &&
	     snprintf(why, sizeof(why), "%s", s->mem.why))) {
		pin_audit_skip(au, "%s", why);
		return false;
	}
	pin_audit_base_vmpin(au, getpid());
	return step(s, "open", 0, 0, 0);
}

static void end(struct seq *s)
{
	pin_rdma_close(&s->r);
	step(s, "close", -s->held, 0, 0);
	pin_mem_free(&s->mem);
	pin_rdma_remove(s->device);
}

static enum pin_verdict run_seq(struct pin_audit *au, const void *arg)
{
	const struct test *t = arg;
	struct seq s;

	/* As the device of the test before this one goes. */
	pin_audit_excuse_warning(au, "warns_rxe_removed", "*",
				 "@(rxe_pool_cleanup+|core/restrack.c:)");
	if (begin(&s, au, t)) {
		t->run(&s);
		end(&s);
	}
	return PIN_PASS;
}

static bool reg(struct seq *s)
{
	return step(s, "register", PAGES, 0,
		    pin_rdma_reg_mr(&s->r, s->mem.addr, s->mem.len, PIN_RDMA_LOCAL_WRITE, &s->mr));
}

static bool dereg(struct seq *s)
{
	return step(s, "deregister", -PAGES, 0, pin_rdma_dereg_mr(&s->r, s->mr));
}

/* --- regions and protection domains --- */

static void twice(struct seq *s)
{
	unsigned int first;

	if (reg(s)) {
		first = s->mr;
		if (reg(s) && step(s, "deregister the first", -PAGES, 0,
				   pin_rdma_dereg_mr(&s->r, first)))
			step(s, "deregister it again", 0, -ENOENT, pin_rdma_dereg_mr(&s->r, first));
	}
}

static void busy_domain(struct seq *s)
{
	if (reg(s) &&
	    step(s, "give up the domain", 0, -EBUSY, pin_rdma_dealloc_pd(&s->r, s->r.pd)) &&
	    dereg(s))
		step(s, "give up the empty domain", 0, 0, pin_rdma_dealloc_pd(&s->r, s->r.pd));
}

/* Only rights and domain can change; these drivers pin no other memory. */
static void reregister(struct seq *s)
{
	const unsigned int first = s->r.pd;
	long err;

	if (!reg(s) ||
	    !step(s, "again, at another address", 0, -EOPNOTSUPP,
		  pin_rdma_rereg_mr(&s->r, s->mr, PIN_RDMA_REREG_TRANS, s->mem.addr,
				    s->mem.len / 2, 0)) ||
	    !step(s, "another domain", 0, 0, pin_rdma_alloc_pd(&s->r, &s->r.pd)))
		return;
	err = pin_rdma_rereg_mr(&s->r, s->mr, PIN_RDMA_REREG_PD, NULL, 0, 0);
	/* soft-RoCE can since 6.4. */
	if (err == -EOPNOTSUPP && (s->k->version < PIN_KVER(6, 4) || s->t->of != &rxe))
		step(s, "move it there", 0, -EOPNOTSUPP, err);
	else if (step(s, "move it there", 0, 0, err) &&
		 step(s, "give up the old domain", 0, 0, pin_rdma_dealloc_pd(&s->r, first)))
		step(s, "give up the new one", 0, -EBUSY, pin_rdma_dealloc_pd(&s->r, s->r.pd));
	dereg(s);
}

/* What a device may not write to cannot be given the right later: it is pinned for reading. */
static void rights_later(struct seq *s)
{
	const bool can = s->k->version >= PIN_KVER(6, 4) && s->t->of == &rxe;

	if (step(s, "register for reading", PAGES, 0,
		 pin_rdma_reg_mr(&s->r, s->mem.addr, s->mem.len, 0, &s->mr)) &&
	    step(s, "may write now", 0, can ? -EACCES : -EOPNOTSUPP,
		 pin_rdma_rereg_mr(&s->r, s->mr, PIN_RDMA_REREG_ACCESS, NULL, 0,
				   PIN_RDMA_LOCAL_WRITE)) &&
	    step(s, "may be read from afar now", 0, can ? 0 : -EOPNOTSUPP,
		 pin_rdma_rereg_mr(&s->r, s->mr, PIN_RDMA_REREG_ACCESS, NULL, 0,
				   PIN_RDMA_REMOTE_READ)))
		dereg(s);
}

/* Memory that the process itself may not write to is refused to whoever would. */
static void rights(struct seq *s)
{
	static const struct {
		const char *what;
		unsigned int access;
		bool writes;
	} all[] = {
		{ "for nothing", 0, false },
		{ "to be read from afar", PIN_RDMA_REMOTE_READ, false },
		{ "to be written to", PIN_RDMA_LOCAL_WRITE, true },
		{ "for windows", PIN_RDMA_MW_BIND, true },
	};

	if (mprotect(s->mem.map, s->mem.map_len, PROT_READ))
		return;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const bool fails = all[i].writes;

		if (!step(s, all[i].what, fails ? 0 : PAGES, fails ? -EFAULT : 0,
			  pin_rdma_reg_mr(&s->r, s->mem.addr, s->mem.len, all[i].access, &s->mr)) ||
		    (!fails && !dereg(s)))
			return;
	}
}

/* It is pinned by the time that it is refused. */
static void refused(struct seq *s, const char *what, long want, long result)
{
	struct pin_predict p = pin_predict_counted(s->k, PAGES, want);

	p.released = p.acquired;
	p.vmpin = 0;
	pin_audit_step(s->au, what, &p, result, getpid());
}

static void not_persistent(struct seq *s)
{
	if (s->k->version < PIN_KVER(6, 2))
		pin_audit_skip(s->au, "soft-RoCE knows no persistent memory before 6.2");
	else
		refused(s, "as persistent, which it is not", -EINVAL,
			pin_rdma_reg_mr(&s->r, s->mem.addr, s->mem.len,
					PIN_RDMA_LOCAL_WRITE | PIN_RDMA_FLUSH_PERSISTENT, &s->mr));
}

static void untold(struct seq *s)
{
	refused(s, "the key finds no room", -EINVAL,
		pin_rdma_reg_mr_untold(&s->r, s->mem.addr, s->mem.len, PIN_RDMA_LOCAL_WRITE,
				       &s->mr));
}

/* A window shows a part of a region: it has no pins of its own. */
static void windows(struct seq *s)
{
	unsigned int mw[2];
	uint32_t key;
	long can = 0;

	/* soft-RoCE has them since 5.14. */
	if (s->k->version < PIN_KVER(5, 14) || s->t->of != &rxe)
		can = -EOPNOTSUPP;
	if (reg(s) &&
	    step(s, "window of type 1", 0, can, pin_rdma_alloc_mw(&s->r, WINDOW_1, &mw[0], &key)) &&
	    step(s, "window of type 2", 0, can, pin_rdma_alloc_mw(&s->r, WINDOW_2, &mw[1], &key)) &&
	    !can && step(s, "close a window", 0, 0, pin_rdma_dealloc_mw(&s->r, mw[0])))
		dereg(s);
}

/* --- windows that are bound --- */

/* One of type 1, which any queue pair of its domain binds, and the two halves of the memory. */
struct bound {
	struct seq *s;
	struct pin_rdma_qp qp;
	unsigned int mw;
	uint32_t mw_key;
	struct {
		unsigned int mr;
		uint32_t key;
		char *addr;
	} half[2];
	size_t len;		/* of a half */
};

static bool open_qp(struct seq *s, struct pin_rdma_qp *qp)
{
	int err = pin_rdma_open_qp(&s->r, &s->at, qp);

	if (err)
		pin_audit_fail(s->au, "no queue pair can be connected to itself: %s",
			       strerror(-err));
	return !err;
}

static bool reg_half(struct bound *b, int i)
{
	struct seq *s = b->s;

	b->half[i].addr = (char *)s->mem.addr + i * b->len;
	return step(s, i ? "register the second half" : "register the first half", PAGES / 2, 0,
		    pin_rdma_reg_mr_key(&s->r, b->half[i].addr, b->len,
					PIN_RDMA_LOCAL_WRITE | PIN_RDMA_MW_BIND, &b->half[i].mr,
					&b->half[i].key));
}

static bool dereg_half(struct bound *b, int i, const char *what)
{
	return step(b->s, what, -(PAGES / 2), 0, pin_rdma_dereg_mr(&b->s->r, b->half[i].mr));
}

/* What a window shows can be neither unpinned nor given up. */
static bool held_by_window(struct bound *b, int i)
{
	return step(b->s, "deregister what the window shows", 0, -EINVAL,
		    pin_rdma_dereg_mr(&b->s->r, b->half[i].mr));
}

static bool bind_half(struct bound *b, int i, const char *what)
{
	return step(b->s, what, 0, 0,
		    pin_rdma_bind_mw(&b->s->r, &b->qp, b->mw_key, b->half[i].key, b->half[i].addr,
				     b->len));
}

static bool unbind(struct bound *b)
{
	return step(b->s, "bind it to nothing", 0, 0,
		    pin_rdma_bind_mw(&b->s->r, &b->qp, b->mw_key, 0, NULL, 0));
}

/* The window is there before the regions: what is closed all at once goes from the end. */
static bool begin_bound(struct bound *b, struct seq *s)
{
	*b = (struct bound){ .s = s, .len = s->mem.len / 2 };
	if (s->k->version < PIN_KVER(5, 14)) {
		pin_audit_skip(s->au, "soft-RoCE has memory windows since 5.14");
		return false;
	}
	if (!open_qp(s, &b->qp))
		return false;
	return step(s, "window", 0, 0, pin_rdma_alloc_mw(&s->r, WINDOW_1, &b->mw, &b->mw_key)) &&
	       reg_half(b, 0) && bind_half(b, 0, "bind it to the first half") &&
	       held_by_window(b, 0);
}

static void window_rebound(struct seq *s)
{
	struct bound b;

	if (begin_bound(&b, s) && reg_half(&b, 1) &&
	    bind_half(&b, 1, "bind it to the second half") &&
	    dereg_half(&b, 0, "deregister the first half") && held_by_window(&b, 1) &&
	    bind_half(&b, 1, "bind it to the same once more") && held_by_window(&b, 1) &&
	    unbind(&b))
		dereg_half(&b, 1, "deregister the second half");
	pin_rdma_close_qp(&b.qp);
}

static void window_closed(struct seq *s)
{
	struct bound b;

	if (begin_bound(&b, s) &&
	    step(s, "close the window", 0, 0, pin_rdma_dealloc_mw(&s->r, b.mw)))
		dereg_half(&b, 0, "deregister the first half");
	pin_rdma_close_qp(&b.qp);
}

/* The region cannot go before the window, and has to be asked twice. */
static void window_left(struct seq *s)
{
	struct bound b;

	if (begin_bound(&b, s))
		reg_half(&b, 1);
	pin_rdma_close_qp(&b.qp);
}

/* --- what is moved from one region to another --- */

#define TRANSFERS	24
#define COME_NS		(5000 * MS)	/* what was sent is there by then */

/* Two regions, with a queue pair that is connected to itself. */
struct pair {
	struct seq *s;
	struct pin_rdma_qp qp;
	struct pin_mem from, to;
	unsigned int mr[2];
	uint32_t key[2];
};

/* Half of the memory without its first @skip bytes. */
static bool reg_end(struct pair *p, struct pin_mem *m, int half, size_t skip)
{
	const size_t len = p->s->mem.len / 2;

	*m = p->s->mem;
	pin_mem_cut(m, half * len + skip, len - skip);
	return step(p->s, half ? "register the target" : "register the source", PAGES / 2, 0,
		    pin_rdma_reg_mr_key(&p->s->r, m->addr, m->len,
					PIN_RDMA_LOCAL_WRITE | PIN_RDMA_REMOTE_WRITE,
					&p->mr[half], &p->key[half]));
}

static bool dereg_ends(struct pair *p)
{
	return step(p->s, "deregister the source", -(PAGES / 2), 0,
		    pin_rdma_dereg_mr(&p->s->r, p->mr[0])) &&
	       step(p->s, "deregister the target", -(PAGES / 2), 0,
		    pin_rdma_dereg_mr(&p->s->r, p->mr[1]));
}

/* No two pages are alike. */
static void fill(const struct pin_mem *m, size_t page)
{
	for (size_t i = 0; i < m->len; i++)
		((unsigned char *)m->addr)[i] = i * 131 + i / page * 29 + 1;
}

/* A piece of the source to somewhere in the target, where all else stays as it was. */
static bool transfer(struct pair *p, uint64_t *state)
{
	const unsigned char *from = p->from.addr, *to = p->to.addr;
	const uint64_t deadline = pin_now_ns() + COME_NS;
	size_t skip, len, at, wrong = 0;
	int err;

	pin_draw_piece(pin_draw(state), &p->from, 1, &skip, &len);
	if (len > p->to.len)
		len = p->to.len;
	at = pin_draw(state) % (p->to.len - len + 1);
	memset(p->to.addr, 0, p->to.len);
	err = pin_rdma_write(&p->s->r, &p->qp, p->key[0], from + skip, len, p->key[1], to + at);
	if (err) {
		pin_audit_fail(p->s->au, "RDMA write: %s", strerror(-err));
		return false;
	}
	while (memcmp(from + skip, to + at, len) && pin_now_ns() < deadline)
		pin_sleep_ns(MS);
	for (size_t i = 0; i < p->to.len; i++)
		wrong += to[i] != (i >= at && i - at < len ? from[skip + i - at] : 0);
	if (wrong)
		pin_audit_fail(p->s->au, "%zu bytes are wrong after %zu bytes from byte %zu of the source went to byte %zu of the target",
			       wrong, len, skip, at);
	return !wrong;
}

static void data(struct seq *s)
{
	/* Bytes that the regions begin behind the beginning of a page. */
	static const size_t skips[][2] = { { 0, 0 }, { 1536, 512 }, { 700, 3001 }, { 4095, 1 } };
	uint64_t state = 1;
	struct pair p = { .s = s };
	bool well = open_qp(s, &p.qp);

	for (size_t i = 0; well && i < sizeof(skips) / sizeof(skips[0]); i++) {
		if (!reg_end(&p, &p.from, 0, skips[i][0]) || !reg_end(&p, &p.to, 1, skips[i][1]))
			break;
		fill(&p.from, s->k->page_size);
		for (int n = 0; well && n < TRANSFERS; n++)
			well = transfer(&p, &state);
		if (!dereg_ends(&p))
			break;
	}
	pin_rdma_close_qp(&p.qp);
}

/* --- several regions, and nothing but the end of what they belong to --- */

/* Register it all in so many parts. */
static bool reg_parts(struct seq *s)
{
	const size_t len = s->mem.len / PARTS;

	for (int i = 0; i < PARTS; i++) {
		if (!step(s, "register a part", PAGES / PARTS, 0,
			  pin_rdma_reg_mr(&s->r, (char *)s->mem.addr + i * len, len,
					  PIN_RDMA_LOCAL_WRITE, &s->mr)))
			return false;
	}
	return true;
}

static void left(struct seq *s)
{
	reg_parts(s);
}

/* The one that was registered last goes, whose place in the list or tree is another's then. */
static void left_one_less(struct seq *s)
{
	if (reg_parts(s))
		step(s, "deregister a part", -(PAGES / PARTS), 0,
		     pin_rdma_dereg_mr(&s->r, s->mr));
}

/* Of RDS they belong to a socket. */
static const struct rds_test {
	const char *name;
	bool one_less;
} rds_tests[] = {
	{ "rds.left", false },
	{ "rds.left_one_less", true },
};

static const struct pin_consumer *rds;

static bool rds_step(struct pin_audit *au, const char *what, uint64_t acquired, uint64_t released,
		     long result)
{
	const struct pin_predict p = pin_predict_longterm(pin_audit_kernel(au), acquired, released,
							  0);

	return pin_audit_step(au, what, &p, result, 0);
}

static enum pin_verdict run_rds(struct pin_audit *au, const void *arg)
{
	const struct rds_test *t = arg;
	struct pin_mem mem, part;
	struct pin_op op = { .consumer = rds, .kernel = pin_audit_kernel(au), .mem = &mem };
	const unsigned int pages = PAGES / PARTS;
	unsigned int held = 0;
	bool settled;

	if (!pin_probe_passed(au, rds))
		return PIN_SKIP;
	if (pin_audit_avoid(au, rds->name, "anon"))
		return PIN_XFAIL;
	if (pin_mem_alloc(&mem, pin_memkind_find("anon"), op.kernel, PAGES))
		return pin_audit_skip(au, "%s", mem.why);
	if (rds->open(&op)) {
		pin_mem_free(&mem);
		return pin_audit_skip(au, "%s", op.why);
	}
	pin_audit_restart(au);
	for (int i = 0; i < PARTS; i++, held += pages) {
		part = mem;
		op.mem = &part;
		pin_mem_cut(&part, held * op.kernel->page_size, pages * op.kernel->page_size);
		if (!rds_step(au, "register a part", pages, 0, rds->pin(&op)))
			break;
	}
	if (t->one_less && rds_step(au, "free a part", 0, pages, rds->unpin(&op)))
		held -= pages;
	settled = rds_step(au, "what was sent is acknowledged", 0, 0, pin_rds_settle(&op));
	rds->close(&op);
	if (settled)
		rds_step(au, "close", 0, held, 0);
	pin_mem_free(&mem);
	return PIN_PASS;
}

/* --- the device is taken away --- */

/* Another process does it: it may have to wait. */
static pid_t remove_device(struct seq *s)
{
	pid_t pid = fork();

	if (!pid) {
		pin_scratch_disown();
		pin_rdma_close(&s->r);
		_exit(-pin_rdma_remove(s->device));
	}
	return pid;
}

static bool over(pid_t pid, uint64_t patience, int *result)
{
	const uint64_t deadline = pin_now_ns() + patience;
	pid_t done;
	int status = 0;

	do {
		done = waitpid(pid, &status, WNOHANG);
		if (!done)
			pin_sleep_ns(5 * MS);
	} while (!done && pin_now_ns() < deadline);
	*result = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return done == pid;
}

/*
 * Either the removal waits for us to let go, and takes no pin away from us, or
 * it takes the regions away itself and is over then: some driver's device can
 * go while it is in use (disassociate_ucontext).
 */
static void removed(struct seq *s)
{
	unsigned int mr;
	int result;
	pid_t pid;

	if (!reg(s))
		return;
	pid = remove_device(s);
	if (over(pid, AT_ONCE_NS, &result)) {
		if (step(s, "the device goes", -PAGES, 0, result))
			step(s, "register without a device", 0, -EIO,
			     pin_rdma_reg_mr(&s->r, s->mem.addr, s->mem.len, 0, &mr));
		pin_audit_note(s->au, "its regions went with the device");
		return;
	}
	pin_audit_note(s->au, "the removal waited for the region's owner");
	step(s, "the device is to go", 0, 0, 0);
	pin_rdma_close(&s->r);
	if (!over(pid, 10000 * MS, &result))
		pin_audit_fail(s->au, "the device does not go though nobody uses it any more");
	step(s, "close", -s->held, 0, result);
}

static const struct test tests[] = {
	{ "rxe.twice", twice, &rxe },
	{ "rxe.busy_domain", busy_domain, &rxe },
	{ "rxe.reregister", reregister, &rxe },
	{ "rxe.rights", rights, &rxe },
	{ "rxe.rights_later", rights_later, &rxe },
	{ "rxe.persistent", not_persistent, &rxe },
	{ "rxe.windows", windows, &rxe },
	{ "rxe.window_rebound", window_rebound, &rxe },
	{ "rxe.window_closed", window_closed, &rxe },
	{ "rxe.window_left", window_left, &rxe },
	{ "rxe.data", data, &rxe },
	{ "rxe.left", left, &rxe },
	{ "rxe.left_one_less", left_one_less, &rxe },
	{ "rxe.removed", removed, &rxe },
	{ "siw.twice", twice, &siw },
	{ "siw.busy_domain", busy_domain, &siw },
	{ "siw.reregister", reregister, &siw },
	{ "siw.rights", rights, &siw },
	{ "siw.untold", untold, &siw },
	{ "siw.windows", windows, &siw },
	{ "siw.left", left, &siw },
	{ "siw.left_one_less", left_one_less, &siw },
	{ "siw.removed", removed, &siw },
};

static void add_tests(struct pin_suite *s)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		pin_suite_add(s, run_seq, &tests[i], "%s", tests[i].name);
	rds = pin_consumer_find("rds_mr");
	for (size_t i = 0; i < sizeof(rds_tests) / sizeof(rds_tests[0]); i++) {
		if (pin_suite_add(s, run_rds, &rds_tests[i], "%s", rds_tests[i].name))
			pin_probe_want(rds);
	}
}

static void setup(struct pin_suite *s)
{
	pin_probe_all(s);
	pin_scratch_link(LINK, ADDRESS, unable);
}

int main(int argc, char **argv)
{
	static const struct pin_program program = {
		.name = "rdma_test",
		.doc = "Sequences on RDMA memory regions: registered anew, with rights that the memory does not have, moved to another protection domain, seen through windows that are bound to them, on a device that is taken away, written to by the device, left to the end of what they belong to, be it a socket of RDS. Each step must move the counters, and VmPin, by exactly what is predicted. Tests are called DRIVER.SEQUENCE.",
		.add_tests = add_tests,
		.setup = setup,
	};

	return pin_suite_main(&program, argc, argv);
}
