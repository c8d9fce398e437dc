// SPDX-License-Identifier: GPL-2.0
/*
 * What a path names: a folder of the suite (ktap.log), of guests that shared
 * the suite (part1, part2, ...), of pinstress (checkpoints.jsonl), or one that
 * holds such folders; a file or standard input with KTAP, a record of
 * pinstress, or a verdict of pinvm (verdict.json, matrix.json).
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

#define MAX_DEPTH 4

static struct run *add_run(struct report *report, const char *path)
{
	struct run *run;

	report->runs = grow(report->runs, report->nr_runs + 1, sizeof(*run));
	run = &report->runs[report->nr_runs++];
	*run = (struct run){ .path = format("%s", path) };
	return run;
}

static bool exists(const char *dir, const char *name)
{
	char *path = format("%s/%s", dir, name);
	bool yes = !access(path, F_OK);

	free(path);
	return yes;
}

/* The whole rest of @in behind @text, which is freed. */
static char *read_rest(FILE *in, char *text, const char *path)
{
	size_t len = strlen(text), room = len, got;

	do {
		room = 2 * room + 4096;
		text = grow(text, room + 1, 1);
		got = fread(text + len, 1, room - len, in);
		len += got;
	} while (got);
	if (ferror(in))
		err(VERDICT_USAGE, "%s", path);
	text[len] = '\0';
	return text;
}

/* One file of a record. A line that is cut off was being written at a crash. */
static void read_record(struct stress *stress, struct ktap_test *root, FILE *in,
			const char *path)
{
	unsigned long number = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	json_t *o;

	while ((len = getline(&line, &room, in)) > 0) {
		number++;
		o = json_loads(line, 0, NULL);
		if (o && stress_add(stress, o))
			;
		else if (line[len - 1] == '\n')
			ktap_problem(root, "%s: line %lu is damaged", path, number);
		else
			ktap_add_line(&root->diag,
				      "the last line of the record is cut off: what it was about is unknown");
		json_decref(o);
	}
	if (ferror(in))
		ktap_problem(root, "%s: cannot be read", path);
	free(line);
}

static void end_record(struct run *run)
{
	run->kernel = run->stress->kernel;
	if (!run->stress->segments)
		ktap_problem(run->tests, "no pinstress run has begun");
	stress_judge(run->stress, run->tests);
}

static const char *string(const json_t *o, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ?: otherwise;
}

/* What pinvm says of one kernel. Tests that passed are only counted there. */
static struct ktap_test *program_of(struct ktap_test *root, const json_t *record)
{
	const char *name = string(record, "program", "-");
	struct ktap_test *program = root->sub;

	if (!strcmp(name, "-"))
		return root;
	while (program && strcmp(program->name, name))
		program = program->next;
	return program ?: ktap_add(root, name, KTAP_PASS, "");
}

static void add_named(struct ktap_test *root, const json_t *list, enum ktap_result result)
{
	const json_t *record;
	size_t i;

	json_array_foreach(list, i, record) {
		const char *name = string(record, "test", "-");
		const char *reason = string(record, "reason", "");
		struct ktap_test *program = program_of(root, record);

		if (!strcmp(string(record, "result", ""), "inconclusive"))
			ktap_add(program, name, KTAP_INCONCLUSIVE, reason);
		else if (result == KTAP_FAIL && !strcmp(name, "-"))
			ktap_problem(program, "%s", reason);
		else
			ktap_add(program, name, result, reason);
	}
}

/* Those of a result that have no name here. */
static void count_unnamed(struct ktap_test *program, const json_t *counts)
{
	program->counted = true;
	for (int i = 0; i < KTAP_NR_RESULTS; i++) {
		const json_t *n = json_object_get(counts, ktap_result_name(i));
		json_int_t left = json_integer_value(n);

		for (const struct ktap_test *t = program->sub; t; t = t->next)
			left -= t->result == (enum ktap_result)i;
		if (i == KTAP_FAIL)
			left -= program->problems.nr;
		program->unnamed[i] = left > 0 ? left : 0;
	}
}

static bool add_verdict(struct report *report, const char *path, const json_t *verdict)
{
	const json_t *programs = json_object_get(verdict, "programs");
	const char *trouble = string(verdict, "trouble", NULL);
	const char *kernel = string(verdict, "release", NULL);
	struct run *run;
	const char *name;
	json_t *counts;

	if (!kernel || !json_is_object(programs))
		return false;
	run = add_run(report, path);
	run->kernel = format("%s", kernel);
	run->tests = ktap_add(NULL, "", KTAP_PASS, "");
	run->tests->counted = true;
	json_object_foreach((json_t *)programs, name, counts)
		ktap_add(run->tests, name, KTAP_PASS, "");
	add_named(run->tests, json_object_get(verdict, "failures"), KTAP_FAIL);
	add_named(run->tests, json_object_get(verdict, "skips"), KTAP_SKIP);
	add_named(run->tests, json_object_get(verdict, "xfails"), KTAP_XFAIL);
	for (struct ktap_test *t = run->tests->sub; t; t = t->next)
		count_unnamed(t, json_object_get(programs, t->name));
	if (trouble)
		ktap_problem(run->tests, "%s", trouble);
	return true;
}

static void load_json(struct report *report, const char *path, FILE *in, char *text)
{
	json_error_t error;
	bool known = true;
	json_t *whole;
	json_t *one;
	size_t i;

	text = read_rest(in, text, path);
	whole = json_loads(text, 0, &error);
	if (!whole)
		errx(VERDICT_USAGE, "%s: line %d is no JSON: %s", path, error.line,
		     error.text);
	free(text);
	if (json_is_array(whole)) {
		known = json_array_size(whole);
		json_array_foreach(whole, i, one)
			known &= add_verdict(report, path, one);
	} else {
		known = add_verdict(report, path, whole);
	}
	if (!known)
		errx(VERDICT_USAGE, "%s: neither KTAP, nor a record of pinstress, nor a verdict of pinvm",
		     path);
	json_decref(whole);
}

/* JSON Lines of pinstress begin with a record; all else is one whole. */
static void load_json_or_record(struct report *report, const char *path, FILE *in)
{
	char *line = NULL;
	struct run *run;
	size_t room = 0;
	json_t *o;

	if (getline(&line, &room, in) < 0)
		err(VERDICT_USAGE, "%s", path);
	o = json_loads(line, 0, NULL);
	if (!json_object_get(o, "type")) {
		json_decref(o);
		load_json(report, path, in, line);
		return;
	}
	run = add_run(report, path);
	run->tests = ktap_add(NULL, "", KTAP_PASS, "");
	run->stress = stress_new();
	stress_add(run->stress, o);
	json_decref(o);
	free(line);
	read_record(run->stress, run->tests, in, path);
	end_record(run);
}

static void load_stream(struct report *report, const char *path, FILE *in)
{
	int first = getc(in);

	if (first != EOF)
		ungetc(first, in);
	if (first == '{' || first == '[')
		load_json_or_record(report, path, in);
	else if (first == EOF || first == '\n' || (isascii(first) && !iscntrl(first)))
		add_run(report, path)->tests = ktap_parse(in, "");
	else
		errx(VERDICT_USAGE, "%s: neither KTAP, nor a record of pinstress, nor a verdict of pinvm",
		     path);
}

static FILE *open_file(const char *path)
{
	FILE *in = fopen(path, "re");

	if (!in)
		err(VERDICT_USAGE, "%s", path);
	return in;
}

/* By any record that the programs have left there. */
static char *kernel_of(const char *dir)
{
	char *pattern = format("%s/*.jsonl", dir), *kernel = NULL, *line = NULL;
	glob_t found = {};
	size_t room = 0;

	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc && !kernel; i++) {
		FILE *in = fopen(found.gl_pathv[i], "re");

		if (in && getline(&line, &room, in) > 0) {
			json_t *o = json_loads(line, 0, NULL);

			if (string(o, "kernel", NULL))
				kernel = format("%s", string(o, "kernel", ""));
			json_decref(o);
		}
		if (in)
			fclose(in);
	}
	globfree(&found);
	free(line);
	free(pattern);
	return kernel;
}

/* What only pinvm knows: the guest's kernel, and trouble with the guest. */
static void add_verdict_file(struct run *run, const char *dir)
{
	char *path = format("%s/verdict.json", dir);
	json_t *verdict = json_load_file(path, 0, NULL);
	const char *kernel = string(verdict, "release", NULL);
	const char *trouble = string(verdict, "trouble", NULL);

	if (kernel && !run->kernel)
		run->kernel = format("%s", kernel);
	if (trouble)
		ktap_problem(run->tests, "%s", trouble);
	json_decref(verdict);
	free(path);
}

static void load_suite(struct report *report, const char *dir)
{
	char *path = format("%s/ktap.log", dir);
	struct run *run = add_run(report, dir);
	FILE *in = open_file(path);

	run->tests = ktap_parse(in, "");
	run->kernel = kernel_of(dir);
	add_verdict_file(run, dir);
	fclose(in);
	free(path);
}

static struct ktap_test *find(struct ktap_test *parent, const char *name)
{
	struct ktap_test *t = parent->sub;

	while (t && strcmp(t->name, name))
		t = t->next;
	return t;
}

/*
 * Of a program that several guests have shared each ran other tests, but for
 * those about the program as a whole.
 */
static void add_part(struct ktap_test *whole, struct ktap_test *part, int number)
{
	struct ktap_test *program, *next;

	for (struct ktap_test *t = part->sub; t; t = next) {
		next = t->next;
		program = find(whole, t->name);
		if (!program || ktap_is_leaf(t)) {
			ktap_append(whole, t);
			continue;
		}
		for (struct ktap_test *test = t->sub; test; test = test->next) {
			char *name = test->name;

			if (find(program, name))
				test->name = format("%s (part %d)", name, number);
		}
		ktap_merge(program, t);
	}
	part->sub = NULL;
	ktap_merge(whole, part);
}

static void load_parts(struct report *report, const char *dir)
{
	struct run *run = add_run(report, dir);

	run->tests = ktap_add(NULL, "", KTAP_PASS, "");
	for (int i = 1;; i++) {
		char *part = format("%s/part%d", dir, i);
		char *log = format("%s/ktap.log", part);
		FILE *in = access(part, F_OK) ? NULL : open_file(log);

		if (in) {
			add_part(run->tests, ktap_parse(in, ""), i);
			fclose(in);
		}
		if (!run->kernel)
			run->kernel = kernel_of(part);
		free(log);
		free(part);
		if (!in)
			break;
	}
	add_verdict_file(run, dir);
}

static void load_soak(struct report *report, const char *dir)
{
	char *pattern = format("%s/checkpoints*.jsonl", dir);
	struct run *run = add_run(report, dir);
	glob_t found = {};

	run->tests = ktap_add(NULL, "", KTAP_PASS, "");
	run->stress = stress_new();
	/* Sorted: those with a number come before the one being written. */
	glob(pattern, 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *in = open_file(found.gl_pathv[i]);

		read_record(run->stress, run->tests, in, found.gl_pathv[i]);
		fclose(in);
	}
	globfree(&found);
	free(pattern);
	end_record(run);
}

static int is_folder(const struct dirent *entry)
{
	return *entry->d_name != '.' &&
	       (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN);
}

static void load_dir(struct report *report, const char *dir, int depth)
{
	struct dirent **entry;
	int nr;

	if (exists(dir, "checkpoints.jsonl") || exists(dir, "checkpoints-000001.jsonl")) {
		load_soak(report, dir);
		return;
	}
	if (exists(dir, "ktap.log")) {
		load_suite(report, dir);
		return;
	}
	if (exists(dir, "part1/ktap.log")) {
		load_parts(report, dir);
		return;
	}
	if (depth == MAX_DEPTH)
		return;
	nr = scandir(dir, &entry, is_folder, versionsort);
	if (nr < 0 && errno == ENOTDIR)
		return;
	if (nr < 0)
		err(VERDICT_USAGE, "%s", dir);
	for (int i = 0; i < nr; i++) {
		char *path = format("%s/%s", dir, entry[i]->d_name);

		load_dir(report, path, depth + 1);
		free(path);
		free(entry[i]);
	}
	free(entry);
}

void load_path(struct report *report, const char *path)
{
	size_t before = report->nr_runs, len = strlen(path);
	struct stat st;
	char *dir;
	FILE *in;

	if (!strcmp(path, "-")) {
		load_stream(report, path, stdin);
		return;
	}
	if (stat(path, &st))
		err(VERDICT_USAGE, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		in = open_file(path);
		load_stream(report, path, in);
		fclose(in);
		return;
	}
	while (len > 1 && path[len - 1] == '/')
		len--;
	dir = format("%.*s", (int)len, path);
	load_dir(report, dir, 0);
	free(dir);
	if (report->nr_runs == before)
		errx(VERDICT_USAGE, "%s: no results in it: no ktap.log (make run_tests, pinvm suite) and no checkpoints.jsonl (pinstress --results)",
		     path);
}

static bool is_unique(const struct report *report, const struct run *run, bool by_kernel)
{
	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct run *other = &report->runs[i];
		const char *mine = by_kernel ? run->kernel : basename(run->path);
		const char *its = by_kernel ? other->kernel : basename(other->path);

		if (other != run && its && !strcmp(mine, its))
			return false;
	}
	return true;
}

/* Only one of several needs a name: its kernel, or where it lies. */
void name_runs(struct report *report)
{
	for (size_t i = 0; i < report->nr_runs; i++) {
		struct run *run = &report->runs[i];
		const char *name = run->path;

		if (report->nr_runs == 1)
			name = "";
		else if (run->kernel && is_unique(report, run, true))
			name = run->kernel;
		else if (is_unique(report, run, false))
			name = basename(run->path);
		run->name = format("%s", name);
		free(run->tests->name);
		run->tests->name = format("%s", name);
	}
}
