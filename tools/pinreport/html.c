// SPDX-License-Identifier: GPL-2.0
/*
 * One page that needs nothing else: no script, no font, no picture from
 * elsewhere. What fails comes first; long lists are folded away. It is well
 * formed as XML, too, so that a parser can tell whether all is escaped.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define LINES_SHOWN 25 /* of a failure; the others are folded */
#define FEW 3 /* tests with the same reason: not folded */

static const char style[] =
	":root{color-scheme:light dark;--fg:#1d2328;--bg:#fff;--dim:#5b6670;--line:#d5dade;--box:#f4f6f7;"
	"--pass:#1f7a3a;--fail:#b81d1d;--xfail:#7040b0;--warn:#8a5a00;--skip:#5b6670;--bar:#9cc4ea}\n"
	"@media(prefers-color-scheme:dark){:root{--fg:#e3e7ea;--bg:#15191c;--dim:#9aa5ae;--line:#363e45;--box:#1e2428;"
	"--pass:#5fcf80;--fail:#ff7b72;--xfail:#c29bff;--warn:#e8b04a;--skip:#9aa5ae;--bar:#2b5680}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:76rem;padding:0 1rem 2rem;font:1rem/1.45 system-ui,sans-serif;color:var(--fg);"
	"background:var(--bg);overflow-wrap:anywhere}\n"
	"h1{font-size:1.5rem;margin:1rem 0 .3rem}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}"
	"h3{font-size:1rem;margin:1.2rem 0 .3rem}\n"
	"article p{margin:.15rem 0}p.run{margin:.4rem 0}\n"
	"a{color:inherit}code,pre{font:.85rem/1.4 ui-monospace,monospace}\n"
	"pre{background:var(--box);padding:.5rem .7rem;border-left:3px solid var(--line);white-space:pre-wrap;margin:.3rem 0}\n"
	".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
	"th,td{text-align:left;vertical-align:top;padding:.2rem .7rem .2rem 0;border-bottom:1px solid var(--line)}\n"
	".wide td:first-child,.wide th:first-child{position:sticky;left:0;background:var(--bg)}\n"
	"td,th{overflow-wrap:normal}td.name,dd{overflow-wrap:anywhere;min-width:9rem}td.n,th.n{text-align:right;white-space:nowrap}\n"
	"th{color:var(--dim);font-weight:600}td.res{white-space:nowrap}td.bar{min-width:6rem;width:40%}\n"
	"td.bar i{display:block;height:.9rem;margin-top:.25rem;background:var(--bar);min-width:1px}\n"
	".badge{display:inline-block;padding:.1rem .6rem;border-radius:.3rem;border:2px solid;font-weight:700}\n"
	".pass{color:var(--pass)}.fail{color:var(--fail);font-weight:700}.xfail{color:var(--xfail)}"
	".inconclusive,.excused{color:var(--warn)}.skip{color:var(--skip)}.dim{color:var(--dim)}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .9rem;margin:.5rem 0}"
	"dt{color:var(--dim)}dd{margin:0}\n"
	"details{margin:.25rem 0}summary{cursor:pointer}details>:not(summary){margin-left:1rem}\n"
	".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));gap:1rem}\n"
	"figure{margin:0;min-width:0}figcaption{font-weight:600}svg{width:100%;height:auto;display:block}\n"
	"svg [stroke=black]{stroke:currentColor}svg [fill=black]{fill:currentColor}svg [color=black]{color:var(--fg)}\n"
	"svg .gridline{stroke:var(--line)}\n"
	"footer{margin-top:2.5rem;color:var(--dim);font-size:.85rem}\n"
	"@media(max-width:40rem){body{padding:0 .7rem 1.5rem}dl{grid-template-columns:6.2rem 1fr;gap:.15rem .5rem}"
	"table{font-size:.85rem}th,td{padding-right:.5rem}details>:not(summary){margin-left:.4rem}td.bar{width:25%;min-width:2.5rem}}\n"
	"@media print{:root{--fg:#000;--bg:#fff;--dim:#444;--line:#bbb;--box:#f4f4f4;--pass:#1f7a3a;--fail:#b81d1d;"
	"--xfail:#7040b0;--warn:#8a5a00;--skip:#444;--bar:#9cc4ea;color-scheme:light}"
	"body{max-width:none;font-size:9.5pt;padding:0}figure,article,tr{break-inside:avoid}h2,h3{break-after:avoid}"
	".plots{grid-template-columns:1fr 1fr}.wide{overflow:visible}"
	"td.bar i{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n";

/* printf() of text that is escaped: all of it. */
static void put(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(FILE *out, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	put_escaped(out, text);
	free(text);
}

static void put_paragraph(FILE *out, const char *prefix, const char *text)
{
	if (!*text)
		return;
	fputs("<p>", out);
	put(out, "%s%s", prefix, text);
	fputs("</p>\n", out);
}

static void put_lines(FILE *out, const struct ktap_lines *lines)
{
	if (!lines->nr)
		return;
	fputs("<pre>", out);
	for (size_t i = 0; i < lines->nr && i < LINES_SHOWN; i++)
		put(out, "%s\n", lines->line[i]);
	fputs("</pre>\n", out);
	if (lines->nr <= LINES_SHOWN)
		return;
	fprintf(out, "<details><summary>%zu more lines</summary><pre>",
		lines->nr - LINES_SHOWN);
	for (size_t i = LINES_SHOWN; i < lines->nr; i++)
		put(out, "%s\n", lines->line[i]);
	fputs("</pre></details>\n", out);
}

static void put_failures(FILE *out, const struct ktap_test *test)
{
	char *name;

	for (const struct ktap_test *t = test->sub; t; t = t->next)
		put_failures(out, t);
	if (!is_failure(test))
		return;
	name = full_name(test);
	fputs("<article><h3><span class=\"fail\">FAIL</span> ", out);
	put(out, "%s", name);
	fputs("</h3>\n", out);
	free(name);
	for (size_t i = 0; i < test->problems.nr; i++)
		put_paragraph(out, "", test->problems.line[i]);
	if (test->bailout && !is_interrupted(test))
		put_paragraph(out, "gave up: ", test->bailout);
	put_paragraph(out, "", test->reason);
	put_lines(out, &test->diag);
	fputs("</article>\n", out);
}

/* With words: colour alone tells nothing. */
static void put_counts(FILE *out, const unsigned int *count)
{
	static const enum ktap_result order[] = {
		KTAP_FAIL, KTAP_PASS, KTAP_XFAIL, KTAP_INCONCLUSIVE, KTAP_SKIP,
	};
	const char *space = "";

	for (int n = 0; n < KTAP_NR_RESULTS; n++) {
		const enum ktap_result i = order[n];

		if (!count[i])
			continue;
		fprintf(out, "%s<span class=\"%s\">%u&#160;%s</span>", space,
			ktap_result_name(i), count[i],
			i == KTAP_FAIL ? "FAIL" : ktap_result_name(i));
		space = " ";
	}
	if (!*space)
		fputs("<span class=\"dim\">-</span>", out);
}

static void put_badge(FILE *out, enum verdict verdict)
{
	fprintf(out, "<span class=\"badge %s\">%s</span>", verdict_name(verdict),
		verdict == VERDICT_PASS ? "PASSED" :
		verdict == VERDICT_FAIL ? "FAILED" : "INCONCLUSIVE");
}

static void put_run_list(FILE *out, const struct report *report)
{
	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct run *run = &report->runs[i];
		struct report one = {};

		report_count_run(&one, run);
		fputs("<p class=\"run\">", out);
		put_badge(out, report_verdict(&one));
		fputs(" <b>", out);
		put(out, "%s", run->name);
		fputs("</b> ", out);
		put_counts(out, one.count);
		fputs("<br/><span class=\"dim\">", out);
		put(out, "%s%s%s", run->path, run->kernel ? ", Linux " : "", run->kernel ?: "");
		fputs("</span></p>\n", out);
		free(one.groups);
	}
}

/* Programs by runs, and below that tests by runs. */

static bool is_suite(const struct report *report, size_t run)
{
	return !report->runs[run].stress;
}

static void put_heads(FILE *out, const struct report *report, const char *first)
{
	fprintf(out, "<div class=\"wide\"><table><tr><th class=\"name\">%s</th>", first);
	for (size_t i = 0; i < report->nr_runs; i++) {
		if (!is_suite(report, i))
			continue;
		fputs("<th>", out);
		put(out, "%s", report->nr_runs == 1 ? "result" : report->runs[i].name);
		fputs("</th>", out);
	}
	fputs("</tr>\n", out);
}

static void count_program(const struct ktap_test *test, unsigned int *count)
{
	if (ktap_is_leaf(test)) {
		count[test->result]++;
		return;
	}
	for (int i = 0; i < KTAP_NR_RESULTS; i++)
		count[i] += test->unnamed[i];
	count[KTAP_FAIL] += test->problems.nr + (test->bailout && !is_interrupted(test));
	for (const struct ktap_test *t = test->sub; t; t = t->next)
		count_program(t, count);
}

static void put_program_counts(FILE *out, const struct run *run, const char *program)
{
	unsigned int count[KTAP_NR_RESULTS] = {};

	for (const struct ktap_test *t = run->tests->sub; t; t = t->next) {
		if (ktap_is_leaf(t) ? !*program : !strcmp(t->name, program))
			count_program(t, count);
	}
	fputs("<td>", out);
	put_counts(out, count);
	fputs("</td>", out);
}

static const char *short_name(const char *program)
{
	const char *colon = strrchr(program, ':');

	return *program ? colon ? colon + 1 : program : "(no program)";
}

static void put_cell(FILE *out, const struct report *report, const struct ktap_test *test)
{
	const char *name = test ? ktap_result_name(test->result) : NULL;
	size_t group = test ? report_group(report, test) : 0;

	fputs("<td class=\"res\">", out);
	if (!test)
		fputs("<span class=\"dim\">-</span>", out);
	else if (is_failure(test))
		fputs("<a class=\"fail\" href=\"#failures\">FAIL</a>", out);
	else if (is_interrupted(test))
		fputs("<span class=\"inconclusive\">interrupted</span>", out);
	else if (group)
		fprintf(out, "<a class=\"%s\" href=\"#r%zu\">%s&#160;[%zu]</a>", name, group,
			name, group);
	else
		fprintf(out, "<span class=\"%s\">%s</span>", name, name);
	fputs("</td>", out);
}

static void put_program_tests(FILE *out, const struct report *report, const struct row *row,
			      size_t nr)
{
	fputs("<details><summary>", out);
	put(out, "%s", short_name(row->program));
	fprintf(out, " <span class=\"dim\">%zu</span></summary>\n", nr);
	put_heads(out, report, "test");
	for (size_t i = 0; i < nr; i++) {
		fputs("<tr><td class=\"name\">", out);
		put(out, "%s", *row[i].name ? row[i].name : "(the program itself)");
		fputs("</td>", out);
		for (size_t j = 0; j < report->nr_runs; j++) {
			if (is_suite(report, j))
				put_cell(out, report, row[i].test[j]);
		}
		fputs("</tr>\n", out);
	}
	fputs("</table></div></details>\n", out);
}

static bool in_suite(const struct report *report, const struct row *row)
{
	for (size_t i = 0; i < report->nr_runs; i++) {
		if (row->test[i] && is_suite(report, i))
			return true;
	}
	return false;
}

struct names {
	const char **name;
	size_t nr;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->nr; i++) {
		if (!strcmp(names->name[i], name))
			return;
	}
	names->name = grow(names->name, names->nr + 1, sizeof(*names->name));
	names->name[names->nr++] = name;
}

static void put_programs(FILE *out, const struct report *report)
{
	struct names programs = {};

	for (size_t i = 0; i < report->nr_runs; i++) {
		const struct ktap_test *t = report->runs[i].tests->sub;

		for (; t && is_suite(report, i); t = t->next)
			add_name(&programs, ktap_is_leaf(t) ? "" : t->name);
	}
	put_heads(out, report, "program");
	for (size_t i = 0; i < programs.nr; i++) {
		fputs("<tr><td class=\"name\">", out);
		put(out, "%s", short_name(programs.name[i]));
		fputs("</td>", out);
		for (size_t j = 0; j < report->nr_runs; j++) {
			if (is_suite(report, j))
				put_program_counts(out, &report->runs[j], programs.name[i]);
		}
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
	free(programs.name);
}

static void put_matrix(FILE *out, const struct report *report)
{
	struct rows rows = report_rows(report);
	size_t i, nr, tests = 0;
	bool any = false;

	for (i = 0; i < report->nr_runs; i++)
		any |= is_suite(report, i);
	if (!any)
		return;
	for (i = 0; i < rows.nr; i++) {
		if (in_suite(report, &rows.row[i]))
			rows.row[tests++] = rows.row[i];
	}
	rows.nr = tests;
	fputs("<h2 id=\"matrix\">Tests</h2>\n", out);
	put_programs(out, report);
	fputs("<h3>Test by test</h3>\n<p class=\"dim\">A number in brackets is that of the reason below.</p>\n",
	      out);
	for (i = 0; i < rows.nr; i += nr) {
		for (nr = 1; i + nr < rows.nr; nr++) {
			if (strcmp(rows.row[i].program, rows.row[i + nr].program))
				break;
		}
		put_program_tests(out, report, &rows.row[i], nr);
	}
}

/* Names of those in a group, program by program. */
static void put_members(FILE *out, const struct report *report, const struct rows *rows,
			size_t group)
{
	const char *program = NULL;

	for (size_t i = 0; i < rows->nr; i++) {
		const struct row *row = &rows->row[i];
		bool in = false;

		for (size_t j = 0; j < report->nr_runs && !in; j++)
			in = row->test[j] && report_group(report, row->test[j]) == group;
		if (!in)
			continue;
		if (!program || strcmp(program, row->program)) {
			fputs(program ? "</p>\n<p>" : "<p>", out);
			program = row->program;
			put(out, "%s: ", short_name(program));
		} else {
			fputs(", ", out);
		}
		put(out, "%s", row->name);
	}
	fputs(program ? "</p>\n" : "", out);
}

static void put_groups(FILE *out, const struct report *report, const struct rows *rows,
		       enum ktap_result result, const char *id, const char *title)
{
	if (!report->count[result])
		return;
	fprintf(out, "<h2 id=\"%s\">%s: %u</h2>\n", id, title, report->count[result]);
	for (size_t i = 0; i < report->nr_groups; i++) {
		const struct group *group = &report->groups[i];
		const char *reason = group->first->reason;

		if (group->first->result != result)
			continue;
		fprintf(out, "<details id=\"r%zu\"%s><summary>[%zu] <b>%u</b> ", i + 1,
			group->nr <= FEW ? " open=\"open\"" : "", i + 1, group->nr);
		put(out, "%s", *reason ? reason : "no reason given");
		fputs("</summary>\n", out);
		put_members(out, report, rows, i + 1);
		fputs("</details>\n", out);
	}
}

/* A run of pinstress. */

static void put_item(FILE *out, const char *title, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(out, "<dt>%s</dt><dd>", title);
	/* A list by commas is to be broken there. */
	for (const char *comma; (comma = strchr(text, ',')); text = comma + 1) {
		put(out, "%.*s", (int)(comma + 1 - text), text);
		fputs("<wbr/>", out);
	}
	put(out, "%s", text);
	fputs("</dd>\n", out);
}

static void put_number(FILE *out, const char *title, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put_number(FILE *out, const char *title, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	put_item(out, title, text);
	free(text);
}

static void put_facts(FILE *out, const struct stress *stress)
{
	const unsigned long *n = stress->checkpoints;
	char *elapsed = span(stress->elapsed);

	fputs("<dl>\n", out);
	put_item(out, "kernel", stress->kernel);
	put_item(out, "machine", stress->machine);
	put_number(out, "from, to", "%s, %s%s", stress->began ?: "?", stress->last ?: "?",
		   stress->interrupted ? " (interrupted)" : "");
	put_number(out, "checkpoints", "%lu exact, %lu bounded, %lu excused, %lu inconclusive, %lu fail",
		   n[0], n[1], n[2], n[3], n[4]);
	put_number(out, "calls that pin", "%.0f in %s%s", stress->operations, elapsed,
		   stress->segments > 1 ? ", resumed in between" : "");
	put_number(out, "longest drain", "%.1f ms", stress->longest_lag_ms);
	put_number(out, "seed", "%llu", stress->seed);
	put_number(out, "workers", "%lld", stress->workers);
	put_item(out, "memory", stress->memory);
	put_item(out, "chaos", stress->chaos_list);
	fputs("</dl>\n", out);
	free(elapsed);
	if (stress->job) {
		fputs("<p>The same run again:</p><pre>", out);
		put(out, "pinstress %s", stress->job);
		fputs("</pre>\n", out);
	}
}

static int by_operations(const void *a, const void *b)
{
	const struct total *x = a, *y = b;

	return x->operations > y->operations ? -1 : x->operations < y->operations;
}

static void put_consumers(FILE *out, const struct stress *stress)
{
	struct totals sorted = stress->consumers;
	const double seconds = stress->elapsed > 0 ? stress->elapsed : 1;

	if (!sorted.nr)
		return;
	sorted.total = grow(NULL, sorted.nr, sizeof(*sorted.total));
	memcpy(sorted.total, stress->consumers.total, sorted.nr * sizeof(*sorted.total));
	qsort(sorted.total, sorted.nr, sizeof(*sorted.total), by_operations);
	fputs("<h3>Operations per consumer</h3>\n<div class=\"wide\"><table><tr><th>consumer</th><th class=\"n\">calls</th>"
	      "<th class=\"n\">calls/s</th><th class=\"n\">pages/s</th><th></th></tr>\n",
	      out);
	for (size_t i = 0; i < sorted.nr; i++) {
		const struct total *total = &sorted.total[i];

		fputs("<tr><td>", out);
		put(out, "%s", total->name);
		fprintf(out, "</td><td class=\"n\">%.0f</td><td class=\"n\">%.*f</td><td class=\"n\">%.0f</td><td class=\"bar\"><i style=\"width:%.1f%%\"></i></td></tr>\n",
			total->operations, total->operations < 10 * seconds ? 1 : 0,
			total->operations / seconds, total->pages / seconds,
			sorted.total[0].operations > 0 ?
				100 * total->operations / sorted.total[0].operations : 0);
	}
	fputs("</table></div>\n", out);
	free(sorted.total);
}

static void put_notes(FILE *out, const struct notes *notes, const char *title, bool folded)
{
	if (!notes->nr)
		return;
	fprintf(out, "%s%s: %zu%s<div class=\"wide\"><table>\n",
		folded ? "<details><summary>" : "<h3>", title, notes->nr + notes->left_out,
		folded ? "</summary>" : "</h3>");
	for (size_t i = 0; i < notes->nr; i++) {
		const struct note *note = &notes->note[i];

		fprintf(out, "<tr><td class=\"n\">%.1f&#160;s</td>", note->t);
		if (note->n)
			fprintf(out, "<td class=\"res\">%lu <span class=\"%s\">%s</span></td>",
				note->n, stress_verdict_names[note->verdict],
				stress_verdict_names[note->verdict]);
		fputs("<td class=\"name\">", out);
		for (const char *line = note->text; *line;) {
			int len = strcspn(line, "\n");

			put(out, "%.*s", len, line);
			line += len;
			line += *line == '\n';
			fputs(*line ? "<br/>" : "", out);
		}
		fputs("</td></tr>\n", out);
	}
	fputs("</table></div>\n", out);
	if (notes->left_out)
		fprintf(out, "<p>and %zu more, in the record</p>\n", notes->left_out);
	fputs(folded ? "</details>\n" : "", out);
}

static void put_chaos(FILE *out, const struct stress *stress)
{
	const char *comma = "<p>Disturbances: ";

	for (size_t i = 0; i < stress->chaos.nr; i++) {
		const struct total *total = &stress->chaos.total[i];

		fputs(comma, out);
		put(out, "%s %.0f", total->name, total->operations);
		comma = ", ";
	}
	fputs(stress->chaos.nr ? "</p>\n" : "", out);
}

static void put_stress(FILE *out, const struct report *report, const struct run *run)
{
	const struct stress *stress = run->stress;
	const struct ktap_test *test = run->tests->last_sub;
	const char *word = stress->ended && stress->verdict ? stress->verdict : "NO END";

	fputs("<h2>pinstress", out);
	put(out, "%s%s", *run->name ? " " : "", run->name);
	fprintf(out, "</h2>\n<p><span class=\"badge %s\">", ktap_result_name(test->result));
	put(out, "%s", word);
	fputs("</span> ", out);
	put(out, "%s", test->reason);
	fputs("</p>\n", out);
	put_lines(out, &run->tests->diag);
	if (stress->reproducer) {
		fputs("<p>Smallest set that fails:</p><pre>", out);
		put(out, "pinstress %s", stress->reproducer);
		fputs("</pre>\n", out);
	}
	put_facts(out, stress);
	put_plots(out, stress);
	put_notes(out, &stress->differences, "Checkpoints neither exact nor bounded", false);
	put_chaos(out, stress);
	put_notes(out, &stress->events, "Events", stress->events.nr > 15);
	put_consumers(out, stress);
}

void print_html(FILE *out, const struct report *report)
{
	const unsigned int *n = report->count;
	const struct rows rows = report_rows(report);
	const char *kernel = report->nr_runs == 1 ? report->runs[0].kernel : NULL;

	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
	      out);
	put(out, "pin accounting: %s%s%u passed, %u failed", kernel ?: "", kernel ? ": " : "",
	    n[KTAP_PASS] + n[KTAP_XFAIL], n[KTAP_FAIL]);
	fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
	put(out, "Pin accounting%s%s", kernel ? " on " : "", kernel ?: "");
	fputs("</h1>\n<p>", out);
	put_badge(out, report_verdict(report));
	fprintf(out, " %u passed, %u failed, %u skipped%s</p>\n", n[KTAP_PASS] + n[KTAP_XFAIL],
		n[KTAP_FAIL], n[KTAP_SKIP] + n[KTAP_INCONCLUSIVE],
		report->interrupted ? ", <b>interrupted: these are not all results</b>" : "");
	if (report->nr_runs > 1)
		put_run_list(out, report);
	if (n[KTAP_FAIL]) {
		fprintf(out, "<h2 id=\"failures\">Failures: %u</h2>\n", n[KTAP_FAIL]);
		for (size_t i = 0; i < report->nr_runs; i++)
			put_failures(out, report->runs[i].tests);
	}
	for (size_t i = 0; i < report->nr_runs; i++) {
		if (report->runs[i].stress)
			put_stress(out, report, &report->runs[i]);
	}
	put_groups(out, report, &rows, KTAP_XFAIL, "known", "Known issues");
	put_groups(out, report, &rows, KTAP_INCONCLUSIVE, "inconclusive", "Could not be judged");
	put_matrix(out, report);
	put_groups(out, report, &rows, KTAP_SKIP, "skipped", "Skipped");
	fputs("<footer>Made by pinreport", out);
	for (size_t i = 0; i < report->nr_runs && report->nr_runs == 1; i++)
		put(out, " from %s", report->runs[i].path);
	fputs("</footer>\n</body>\n</html>\n", out);
}
