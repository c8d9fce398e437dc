// SPDX-License-Identifier: GPL-2.0
/*
 * What did a run say? Reads what the suite, pinvm and pinstress leave, checks
 * that it is complete, and tells what failed and why, what was skipped or could
 * not be judged, and the counts: as text, as a page, or for programs.
 */
#include <argp.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

struct options {
	char **paths;
	int nr_paths;
	bool json, text, compare;
	const char *html, *junit;
};

static const struct argp_option argp_options[] = {
	{ "text", 't', NULL, 0, "Print a summary (default)", 0 },
	{ "json", 'j', NULL, 0, "Print everything as JSON instead", 0 },
	{ "html", 'H', "FILE", 0,
	  "Write a page with tables and plots (gnuplot draws those of pinstress)", 0 },
	{ "junit", 'J', "FILE", 0, "Write JUnit XML", 0 },
	{ "compare", 'c', NULL, 0, "Two paths: tell what is different in the second", 0 },
	{}
};

static void check(struct argp_state *state, const struct options *options)
{
	int to_stdout = options->json + options->text;

	if (options->compare && options->nr_paths != 2)
		argp_error(state, "--compare: name two paths");
	if (options->compare && (options->html || options->junit))
		argp_error(state, "--compare: goes with --text and --json only");
	to_stdout += options->html && !strcmp(options->html, "-");
	to_stdout += options->junit && !strcmp(options->junit, "-");
	if (to_stdout > 1)
		argp_error(state, "only one format can go to the standard output");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 't':
		options->text = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'H':
		options->html = arg;
		return 0;
	case 'J':
		options->junit = arg;
		return 0;
	case 'c':
		options->compare = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->paths = state->argv + state->next;
		options->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "name a results folder, a KTAP file, or -");
		return 0;
	case ARGP_KEY_SUCCESS:
		check(state, options);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] =
	"Tell what runs of the suite, of pinvm and of pinstress came to.\v"
	"PATH is\n"
	"  a folder that make run_tests, pinvm suite or pinstress --results made,\n"
	"  or one that holds such folders: results/, or that of make matrix\n"
	"  a file of KTAP, a checkpoints.jsonl, a verdict.json or matrix.json\n"
	"  - for standard input\n"
	"\n"
	"FILE is replaced as a whole or not at all; - is the standard output. The\n"
	"summary is printed unless that or --json goes there.\n"
	"\n"
	"The last line is \"N passed, N failed, N skipped\". Known issues count as\n"
	"passed, tests that could not be judged as skipped. A pinstress run is one\n"
	"test. Exit status:\n"
	"  0  passed\n"
	"  1  something failed, or the results are incomplete\n"
	"  2  wrong usage, no results, or output that cannot be written\n"
	"  4  nothing failed, but something could not be judged or nothing was run\n"
	"\n"
	"--compare A B pairs tests by name (and kernels, where A and B have several).\n"
	"Worse is what fails now or shows a known issue now, and what passed and is\n"
	"now skipped, inconclusive or gone. For two runs of pinstress it prints rates,\n"
	"too; these are not judged. Exit status:\n"
	"  0  nothing is worse\n"
	"  1  something is\n"
	"  2  as above, or nothing to compare\n"
	"\n"
	"Examples:\n"
	"  pinreport results/20261126T010203Z-6.12.117 --html report.html\n"
	"  pinreport --junit junit.xml results/*-matrix\n"
	"  pinreport --compare results/*-matrix/6.1 results/*-matrix/6.12\n"
	"  pinreport --compare soak-before soak-after\n";

static const struct argp argp = {
	.options = argp_options,
	.parser = parse_option,
	.args_doc = "PATH...",
	.doc = doc,
};

static void write_report(const char *path, const struct report *report,
			 void (*print)(FILE *out, const struct report *report))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (!path)
		return;
	out = open_memstream(&text, &len);
	if (!out)
		err(VERDICT_USAGE, "out of memory");
	print(out, report);
	if (fclose(out))
		err(VERDICT_USAGE, "out of memory");
	write_file(path, text, len);
	free(text);
}

static void end_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		err(VERDICT_USAGE, "cannot write the report");
}

static int compare_paths(const struct options *options)
{
	struct report report[2] = {};
	bool worse;

	for (int i = 0; i < 2; i++) {
		load_path(&report[i], options->paths[i]);
		name_runs(&report[i]);
	}
	worse = compare(stdout, &report[0], &report[1], options->json);
	end_output();
	return worse ? VERDICT_FAIL : VERDICT_PASS;
}

static bool is_stdout(const char *path)
{
	return path && !strcmp(path, "-");
}

int main(int argc, char **argv)
{
	static struct report report;
	struct options options = {};

	argp_err_exit_status = VERDICT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.compare)
		return compare_paths(&options);

	for (int i = 0; i < options.nr_paths; i++)
		load_path(&report, options.paths[i]);
	name_runs(&report);
	report_count(&report);

	write_report(options.html, &report, print_html);
	write_report(options.junit, &report, print_junit);
	if (options.json)
		print_json(stdout, &report);
	else if (!is_stdout(options.html) && !is_stdout(options.junit))
		print_text(stdout, &report);
	end_output();
	return report_verdict(&report);
}
