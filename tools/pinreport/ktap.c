// SPDX-License-Identifier: GPL-2.0
/*
 * Reads KTAP and TAP 13, and checks that it is complete: a plan that matches
 * the results, numbers in order, unique names, and a program's own verdict
 * that agrees with its tests. Subtests are nested as kselftest's runner does
 * it ("# " before each line) or by indentation. They precede the result line
 * of the test they belong to.
 */
#include <ctype.h>
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ktap.h"

/* A list of results being read; the innermost open one takes the lines. */
struct level {
	/* Whose subtests are read; not in the list above before its result. */
	struct ktap_test *test;
	struct level *inner;
	size_t prefix_len;
	struct ktap_test *last;
	/* The first one since the last version line. */
	struct ktap_test *first;
	long plan;
	long results;
	long number;
	/* The prefix of its lines is "# ", not spaces. */
	bool hash;
	bool version;
	bool misnumbered;
	/* After a "Bail out!" nothing more is to be expected. */
	bool cut_short;
	struct ktap_lines pending;
};

static const char *const result_names[KTAP_NR_RESULTS] = {
	[KTAP_PASS] = "pass",
	[KTAP_FAIL] = "fail",
	[KTAP_SKIP] = "skip",
	[KTAP_XFAIL] = "xfail",
	[KTAP_INCONCLUSIVE] = "inconclusive",
};

const char *ktap_result_name(enum ktap_result result)
{
	return result_names[result];
}

static void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (!p)
		err(1, "out of memory");
	return p;
}

static char *xstrndup(const char *s, size_t len)
{
	char *p = strndup(s, len);

	if (!p)
		err(1, "out of memory");
	return p;
}

static char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

static void add_line(struct ktap_lines *lines, char *line)
{
	lines->line = xrealloc(lines->line,
			       (lines->nr + 1) * sizeof(*lines->line));
	lines->line[lines->nr++] = line;
}

static void move_lines(struct ktap_lines *to, struct ktap_lines *from)
{
	for (size_t i = 0; i < from->nr; i++)
		add_line(to, from->line[i]);
	free(from->line);
	*from = (struct ktap_lines){};
}

void ktap_add_line(struct ktap_lines *lines, const char *text)
{
	add_line(lines, xstrdup(text));
}

void ktap_problem(struct ktap_test *test, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		err(1, "out of memory");
	va_end(ap);
	add_line(&test->problems, text);
}

static struct ktap_test *new_test(void)
{
	struct ktap_test *test = xrealloc(NULL, sizeof(*test));

	*test = (struct ktap_test){ .reason = xstrdup("") };
	return test;
}

static struct level *new_level(struct ktap_test *test)
{
	struct level *level = xrealloc(NULL, sizeof(*level));

	*level = (struct level){ .test = test, .plan = -1 };
	return level;
}

void ktap_append(struct ktap_test *parent, struct ktap_test *test)
{
	test->parent = parent;
	test->next = NULL;
	if (parent->last_sub)
		parent->last_sub->next = test;
	else
		parent->sub = test;
	parent->last_sub = test;
}

struct ktap_test *ktap_add(struct ktap_test *parent, const char *name,
			   enum ktap_result result, const char *reason)
{
	struct ktap_test *test = new_test();

	test->name = xstrdup(name);
	test->result = result;
	free(test->reason);
	test->reason = xstrdup(reason);
	if (parent)
		ktap_append(parent, test);
	return test;
}

void ktap_merge(struct ktap_test *to, struct ktap_test *from)
{
	struct ktap_test *next;

	for (struct ktap_test *t = from->sub; t; t = next) {
		next = t->next;
		ktap_append(to, t);
	}
	from->sub = NULL;
	from->last_sub = NULL;
	move_lines(&to->diag, &from->diag);
	move_lines(&to->problems, &from->problems);
	if (!to->bailout)
		to->bailout = from->bailout;
}

static void append(struct level *level, struct ktap_test *test)
{
	ktap_append(level->test, test);
	level->last = test;
	if (!level->first)
		level->first = test;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_names(struct level *level)
{
	char **names = NULL;
	size_t nr = 0;

	for (struct ktap_test *t = level->first; t; t = t->next) {
		names = xrealloc(names, (nr + 1) * sizeof(*names));
		names[nr++] = t->name;
	}
	qsort(names, nr, sizeof(*names), compare_names);
	for (size_t i = 1; i < nr; i++)
		if (!strcmp(names[i - 1], names[i]) &&
		    (i == 1 || strcmp(names[i - 2], names[i])))
			ktap_problem(level->test, "several tests are named \"%s\"",
				     names[i]);
	free(names);
}

/* The list is complete, as far as it will ever be. */
static void end_list(struct level *level)
{
	struct ktap_test *test = level->test;

	if (!level->version)
		ktap_problem(test, level->results ? "no version line" : "no KTAP");
	else if (level->plan < 0 && !level->cut_short)
		ktap_problem(test, "no plan, %ld results", level->results);
	else if (level->plan != level->results && !level->cut_short)
		ktap_problem(test, "%ld tests planned, %ld results", level->plan,
			     level->results);
	if (level->first)
		check_names(level);

	level->first = NULL;
	level->plan = -1;
	level->results = 0;
	level->number = 0;
	level->misnumbered = false;
	level->cut_short = false;
}

/* The length of the word if @text begins with it, else 0. */
static size_t starts_with_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strncasecmp(text, word, len) || isalnum((unsigned char)text[len]))
		return 0;
	return len;
}

/* @text is what follows the '#': a directive and its reason, or a remark. */
static void set_result(struct ktap_test *test, bool ok, const char *text)
{
	static const struct {
		const char *word;
		enum ktap_result result;
	} directives[] = {
		{ "SKIP", KTAP_SKIP },
		{ "XFAIL", KTAP_XFAIL },
		{ "TODO", KTAP_XFAIL },
		/* A known issue that is gone is no longer to be expected. */
		{ "XPASS", KTAP_FAIL },
	};
	size_t len = 0;

	test->result = ok ? KTAP_PASS : KTAP_FAIL;
	text += strspn(text, " ");
	for (size_t i = 0; i < sizeof(directives) / sizeof(*directives); i++) {
		len = starts_with_word(text, directives[i].word);
		if (!len)
			continue;
		test->result = directives[i].result;
		if (test->result != KTAP_FAIL)
			text += len + strspn(text + len, " :");
		break;
	}
	if (test->result == KTAP_SKIP && starts_with_word(text, "inconclusive")) {
		len = strlen("inconclusive");
		text += len + strspn(text + len, " :");
		test->result = KTAP_INCONCLUSIVE;
	}
	free(test->reason);
	test->reason = xstrdup(text);
}

static void close_level(struct level *level)
{
	struct level *inner = level->inner;

	if (inner) {
		/* The result that these subtests belong to is missing. */
		if (!level->cut_short)
			ktap_problem(level->test, "ends in the middle of %s",
				     inner->test->name);
		append(level, inner->test);
		if (!inner->test->sub)
			set_result(inner->test, true, "SKIP inconclusive: cut short");
		inner->cut_short = true;
		close_level(inner);
	}
	end_list(level);
	move_lines(&level->test->diag, &level->pending);
	free(level);
}

/* Does anything below say that the test has failed? */
static bool has_failed(const struct ktap_test *test)
{
	if (test->problems.nr || test->bailout)
		return true;
	if (ktap_is_leaf(test))
		return test->result == KTAP_FAIL;
	for (const struct ktap_test *t = test->sub; t; t = t->next)
		if (has_failed(t))
			return true;
	return false;
}

/* "selftests: pin_accounting: x_test" is known as pin_accounting:x_test. */
static char *clean_name(const char *text, size_t len)
{
	static const char runner[] = "selftests: ";
	char *name, *colon;

	while (len && text[len - 1] == ' ')
		len--;
	if (len >= 2 && !strncmp(text, "- ", 2)) {
		text += 2;
		len -= 2;
	}
	if (len < strlen(runner) || strncmp(text, runner, strlen(runner)))
		return xstrndup(text, len);

	name = xstrndup(text + strlen(runner), len - strlen(runner));
	colon = strstr(name, ": ");
	if (colon)
		memmove(colon + 1, colon + 2, strlen(colon + 2) + 1);
	return name;
}

static void add_result(struct level *level, bool ok, const char *text)
{
	struct ktap_test *test;
	const char *remark;
	char *end;
	long number;

	if (level->inner) {
		test = level->inner->test;
		close_level(level->inner);
		level->inner = NULL;
	} else {
		test = new_test();
	}
	append(level, test);
	move_lines(&test->diag, &level->pending);

	number = strtol(text, &end, 10);
	if (end == text || number != level->number + 1) {
		if (!level->misnumbered)
			ktap_problem(level->test, "result %ld is numbered \"%.*s\"",
				     level->number + 1, (int)(end - text), text);
		level->misnumbered = true;
	}
	level->number = end == text ? level->number + 1 : number;
	level->results++;
	text = end + strspn(end, " ");

	remark = *text == '#' ? text : strstr(text, " # ");
	if (!remark)
		remark = text + strlen(text);
	free(test->name);
	test->name = clean_name(text, remark - text);
	/* After "1..0 # SKIP reason" it has a result, and with the reason. */
	if (!ok || test->result == KTAP_PASS)
		set_result(test, ok, remark + strspn(remark, " #"));
	/* ksft_test_result_skip() knows no names, its callers put them here. */
	if (!*test->name) {
		free(test->name);
		test->name = xstrdup(test->reason);
	}
	if (!*test->name)
		ktap_problem(level->test, "result %ld has no name", level->number);

	if (ktap_is_leaf(test))
		return;
	if (test->result == KTAP_FAIL && !has_failed(test))
		ktap_problem(test, "failed (%s), but none of its tests did",
			     *test->reason ? test->reason : "no reason given");
	else if (test->result != KTAP_FAIL && has_failed(test))
		ktap_problem(test, "does not say that it failed");
}

static bool is_version(const char *line)
{
	return !strncmp(line, "TAP version ", 12) ||
	       !strncmp(line, "KTAP version ", 13);
}

static void set_plan(struct level *level, const char *text)
{
	char *end;
	long plan = strtol(text, &end, 10);

	if (level->plan >= 0)
		ktap_problem(level->test, "more than one plan");
	level->plan = plan;
	end += strspn(end, " ");
	if (!plan) {
		set_result(level->test, true, *end == '#' ? end + 1 : "");
		if (level->test->result == KTAP_PASS)
			level->test->result = KTAP_SKIP;
	}
}

/* More than the usual space after the '#', or indented: about the last result. */
static bool is_continuation(const char *line)
{
	return !strncmp(line, "#   ", 4) || !strncmp(line, "  ", 2);
}

static void add_diag(struct level *level, const char *line)
{
	struct ktap_lines *lines = &level->pending;

	if (level->last && !lines->nr && is_continuation(line))
		lines = &level->last->diag;
	if (*line == '#')
		line += 1 + (line[1] == ' ');
	add_line(lines, xstrdup(line));
}

/* Is this line for the inner list? A blank one may have lost its last space. */
static bool is_inner(const struct level *level, const char *line)
{
	if (!level->inner)
		return false;
	if (level->inner->hash)
		return *line == '#' && (!line[1] || line[1] == ' ');
	return strspn(line, " ") >= level->inner->prefix_len;
}

static void open_level(struct level *level, bool hash, size_t prefix_len)
{
	static const char header[] = "selftests: ";
	struct ktap_lines *before = &level->pending;
	struct ktap_test *test = new_test();
	const char *name = "a test";

	/* The runner announces the program whose result it will print. */
	if (before->nr && !strncmp(before->line[before->nr - 1], header,
				   strlen(header)))
		name = before->line[before->nr - 1];
	test->name = clean_name(name, strlen(name));
	move_lines(&test->diag, before);

	level->inner = new_level(test);
	level->inner->hash = hash;
	level->inner->prefix_len = prefix_len;
}

/* What follows "ok" or "not ok", or NULL. */
static const char *result_text(const char *line, bool *ok)
{
	*ok = strncmp(line, "not ", 4);
	if (!*ok)
		line += 4;
	if (strncmp(line, "ok", 2) || (line[2] && line[2] != ' '))
		return NULL;
	return line + 2 + strspn(line + 2, " ");
}

static void parse_line(struct level *level, const char *line)
{
	bool hash = !strncmp(line, "# ", 2);
	size_t len = hash ? 2 : strspn(line, " ");
	const char *text;
	bool ok;

	if (is_inner(level, line)) {
		len = strnlen(line, level->inner->prefix_len);
		parse_line(level->inner, line + len);
		return;
	}
	if (len && is_version(line + len)) {
		open_level(level, hash, len);
		parse_line(level->inner, line + len);
		return;
	}

	text = result_text(line, &ok);
	if (text) {
		add_result(level, ok, text);
	} else if (is_version(line)) {
		/* Several lists may follow each other in one file. */
		if (level->version)
			end_list(level);
		level->version = true;
	} else if (!strncmp(line, "1..", 3) && isdigit((unsigned char)line[3])) {
		set_plan(level, line + 3);
	} else if (!strncmp(line, "Bail out!", 9)) {
		free(level->test->bailout);
		level->test->bailout = xstrdup(line + 9 + strspn(line + 9, " "));
		level->cut_short = true;
	} else {
		add_diag(level, line);
	}
}

/*
 * The runner puts its result right behind the last line of a program that died
 * before it could end that line.
 */
static char *glued_result(char *line)
{
	static const char *const marks[] = { "not ok ", "ok " };
	size_t prefix_len = strspn(line, "# ");
	char *p, *end;

	if (*line != '#')
		return NULL;
	for (size_t i = 0; i < 2; i++) {
		for (p = line; (p = strstr(p, marks[i])); p++) {
			(void)strtol(p + strlen(marks[i]), &end, 10);
			if (!strncmp(end, " selftests: ", 12))
				return p > line + prefix_len ? p : NULL;
		}
	}
	return NULL;
}

struct ktap_test *ktap_parse(FILE *in, const char *name)
{
	struct ktap_test *root = new_test();
	struct level *level = new_level(root);
	char *line = NULL, *glued, *copy;
	size_t size = 0;
	ssize_t len;

	root->name = xstrdup(name);
	while ((len = getline(&line, &size, in)) > 0) {
		if (line[len - 1] != '\n')
			ktap_problem(root, "the last line is cut off");
		line[strcspn(line, "\r\n")] = '\0';
		glued = glued_result(line);
		copy = glued ? xstrdup(glued) : NULL;
		if (glued)
			*glued = '\0';
		parse_line(level, line);
		if (copy)
			parse_line(level, copy);
		free(copy);
	}
	if (ferror(in))
		ktap_problem(root, "cannot be read");
	free(line);
	close_level(level);
	return root;
}
