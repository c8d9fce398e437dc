// SPDX-License-Identifier: GPL-2.0
/*
 * The folder of --results: the job, and every checkpoint as a line that is on
 * the disk before the run goes on. A full file is put aside, none is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pinstress.h"

#define CURRENT		"checkpoints.jsonl"
#define ASIDE		"checkpoints-%06u.jsonl"
#define JOB		"job"

static int dir_fd = -1, log_fd = -1;
static off_t log_size;
static uint64_t log_limit;
static unsigned int aside;	/* files put aside so far */

static int complain(const char *dir, const char *what, int err)
{
	fprintf(stderr, "pinstress: %s: %s%s%s\n", dir, what, err ? ": " : "",
		err ? strerror(-err) : "");
	return EXIT_USAGE;
}

static int open_log(void)
{
	struct stat st;

	log_fd = openat(dir_fd, CURRENT, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log_fd < 0 || fstat(log_fd, &st))
		return -errno;
	log_size = st.st_size;
	return fsync(dir_fd) ? -errno : 0;
}

static int open_dir(const struct options *opt, const char *dir)
{
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log_limit = opt->log_bytes;
	return dir_fd < 0 ? -errno : 0;
}

int soak_open(const struct options *opt)
{
	const char *dir = opt->results;
	char path[4096];
	int err = 0;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return complain(dir, "cannot be made", -errno);
	err = open_dir(opt, dir);
	if (err)
		return complain(dir, "cannot be opened", err);
	if (!faccessat(dir_fd, JOB, F_OK, 0))
		return complain(dir, "has a run already: name another folder, or go on with it by --resume",
				0);
	snprintf(path, sizeof(path), "%s/" JOB, dir);
	err = job_save(opt, path);
	if (!err)
		err = open_log();
	return err ? complain(dir, "cannot be written", err) : 0;
}

static int put_aside(void)
{
	char name[64];
	int err;

	close(log_fd);
	log_fd = -1;
	snprintf(name, sizeof(name), ASIDE, ++aside);
	if (renameat(dir_fd, CURRENT, dir_fd, name))
		return -errno;
	err = open_log();
	return err;
}

/* Whole or not at all. */
int soak_write(const char *line)
{
	size_t len = strlen(line);
	char *text;
	ssize_t n;
	int err = 0;

	if (log_fd < 0)
		return 0;
	if (log_size && (uint64_t)log_size + len > log_limit)
		err = put_aside();
	if (err)
		return err;
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	memcpy(text, line, len);
	text[len] = '\n';
	errno = ENOSPC;
	n = write(log_fd, text, len + 1);
	free(text);
	if (n != (ssize_t)len + 1 || fdatasync(log_fd)) {
		err = -errno;
		if (ftruncate(log_fd, log_size))
			err = -errno;
		close(log_fd);
		log_fd = -1;
		return err;
	}
	log_size += n;
	return 0;
}

/* What the folder knows. */
struct history {
	char kernel[128], boot_id[64], last_time[64];
	uint64_t checkpoints;
	double elapsed, segment;	/* of finished segments, of the last one */
	json_int_t acquired, released, held;
	bool ended, any;
	json_t *steps, *pins;
};

static void copy_string(const json_t *o, const char *key, char *to, size_t len)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(to, len, "%s", s ? s : "");
}

static json_int_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void add_consumers(struct activity *sum, const json_t *o)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const json_t *c = json_object_get(o, pin_consumers[i]->name);

		sum->consumer_ops[i] += integer(c, "operations");
		sum->consumer_pages[i] += integer(c, "pages");
	}
}

static void read_checkpoint(struct history *h, struct run *r, const json_t *o)
{
	const json_t *counters = json_object_get(o, "counters");
	const char *verdict = json_string_value(json_object_get(o, "verdict"));

	h->checkpoints = integer(o, "n");
	h->segment = json_number_value(json_object_get(o, "elapsed_s"));
	h->acquired = integer(counters, "acquired");
	h->released = integer(counters, "released");
	h->held = integer(o, "held");
	copy_string(o, "time", h->last_time, sizeof(h->last_time));
	for (int v = V_EXACT; verdict && v <= V_FAIL; v++) {
		if (!strcmp(verdict, verdict_names[v]))
			r->verdicts[v]++;
	}
	r->before_start.operations += integer(o, "operations");
	add_consumers(&r->before_start, json_object_get(o, "consumers"));
	json_decref(h->steps);
	json_decref(h->pins);
	h->steps = json_incref(json_object_get(o, "steps"));
	h->pins = json_incref(json_object_get(o, "pins"));
}

static void read_record(struct history *h, struct run *r, const json_t *o)
{
	const char *type = json_string_value(json_object_get(o, "type"));

	if (!type)
		return;
	if (!strcmp(type, "start")) {
		h->any = true;
		h->ended = false;
		h->elapsed += h->segment;
		h->segment = 0;
		copy_string(o, "kernel", h->kernel, sizeof(h->kernel));
		copy_string(o, "boot_id", h->boot_id, sizeof(h->boot_id));
		copy_string(o, "time", h->last_time, sizeof(h->last_time));
	} else if (!strcmp(type, "checkpoint")) {
		read_checkpoint(h, r, o);
	} else if (!strcmp(type, "end")) {
		/* One that a signal ended may go on. */
		h->ended = !json_object_get(o, "signal");
	}
}

static int read_file(const char *name, struct history *h, struct run *r)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r+e");
	char *line = NULL;
	size_t room = 0;
	off_t good = 0;
	ssize_t len;
	json_t *o;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((len = getline(&line, &room, f)) > 0) {
		o = line[len - 1] == '\n' ? json_loads(line, 0, NULL) : NULL;
		if (!o)
			break;
		read_record(h, r, o);
		json_decref(o);
		good += len;
	}
	/* The last line was being written when the machine went down. */
	if (len > 0 && ftruncate(fd, good))
		good = -1;
	free(line);
	fclose(f);
	return good < 0 ? -errno : 0;
}

static int read_history(struct history *h, struct run *r)
{
	char name[64];
	int err;

	for (;;) {
		snprintf(name, sizeof(name), ASIDE, aside + 1);
		if (faccessat(dir_fd, name, F_OK, 0))
			break;
		err = read_file(name, h, r);
		if (err)
			return err;
		aside++;
	}
	err = read_file(CURRENT, h, r);
	return err == -ENOENT && aside ? 0 : err;
}

static struct history history;

int soak_resume(struct options *opt, struct run *r)
{
	struct history *h = &history;
	const char *dir = opt->resume;
	char path[4096];
	int err;

	err = open_dir(opt, dir);
	if (err)
		return complain(dir, "cannot be opened", err);
	snprintf(path, sizeof(path), "%s/" JOB, dir);
	err = job_load(opt, path);
	if (err)
		return complain(dir, "has no run that could be resumed", err == -EINVAL ? 0 : err);
	err = read_history(h, r);
	if (err)
		return complain(dir, "the record cannot be read", err);
	opt->results = opt->resume;
	h->elapsed += h->segment;
	if (h->ended)
		return complain(dir, "the run has come to its end: nothing to resume", 0);
	if (opt->duration_ns && h->elapsed * 1e9 >= opt->duration_ns)
		return complain(dir, "the run has lasted as long as it should: nothing to resume",
				0);
	r->elapsed_before = h->elapsed;
	r->checkpoints_before = h->checkpoints;
	err = open_log();
	return err ? complain(dir, "cannot be written", err) : 0;
}

void read_boot_id(char *text, size_t len)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	*text = '\0';
	if (f && !fgets(text, len, f))
		*text = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
}

/* The steps of the workers go on where they were. */
static void restore_sequences(struct run *r)
{
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		r->ledger->line[i].step = json_integer_value(json_array_get(history.steps, i));
		r->ledger->line[i].pins_done = json_integer_value(json_array_get(history.pins, i));
	}
}

int soak_continue(struct run *r)
{
	const struct history *h = &history;
	int64_t left;
	char boot[64];

	if (!r->opt->resume)
		return 0;
	if (h->any && strcmp(h->kernel, r->kernel.release)) {
		fprintf(stderr, "pinstress: %s is a run on Linux %s, this is %s: begin a new one\n",
			r->opt->resume, h->kernel, r->kernel.release);
		return EXIT_USAGE;
	}
	restore_sequences(r);
	read_boot_id(boot, sizeof(boot));
	if (strcmp(boot, h->boot_id)) {
		report_event(r, "resumed after a reboot: the counters began anew; what happened after checkpoint %llu at %s is unknown",
			     (unsigned long long)h->checkpoints, h->last_time);
		return 0;
	}
	report_event(r, "resumed: what happened after checkpoint %llu at %s was not judged",
		     (unsigned long long)h->checkpoints, h->last_time);
	if (!h->checkpoints)
		return 0;
	/* All workers are gone, and what they held with them. */
	left = pin_outstanding(&r->start.total) - (h->acquired - h->released - h->held);
	if (left)
		report_event(r, "%+lld pages are outstanding against that checkpoint: lost by the run that was killed, or by other programs",
			     (long long)left);
	else
		report_event(r, "nothing is outstanding against that checkpoint: what was killed left nothing behind");
	return 0;
}
