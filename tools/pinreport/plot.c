// SPDX-License-Identifier: GPL-2.0
/*
 * Plots of a pinstress run, drawn by gnuplot. It gets nothing but numbers and
 * texts of ours. Its SVG goes into the page: colours that are meant to be the
 * page's own are left to its style sheet, and names are unique there.
 */
#include <err.h>
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "report.h"

#define MAX_LINES 60 /* for events */
#define MAX_MARKS 300 /* for checkpoints that are right */

/* Told apart by their shape, too; colours for light and for dark paper. */
static const char *const marks[] = {
	[STRESS_EXACT] = "pt 7 ps 0.35 lc rgb '#2e9e4f'",
	[STRESS_BOUNDED] = "pt 8 ps 0.7 lc rgb '#2f7fd0'",
	[STRESS_EXCUSED] = "pt 12 ps 0.9 lc rgb '#9060d0'",
	[STRESS_INCONCLUSIVE] = "pt 5 ps 0.7 lc rgb '#d08a00'",
	[STRESS_FAIL] = "pt 2 ps 1.1 lw 3 lc rgb '#e03030'",
};

static unsigned int plot_number;

/* Names in this SVG must not be those in another one. */
static void put_line(FILE *out, char *line)
{
	static const char *const marks[] = { "id='", "id=\"", "href='#", "url(#" };
	char *first;
	size_t len;

	do {
		first = NULL;
		len = 0;
		for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
			char *found = strstr(line, marks[i]);

			if (found && (!first || found < first)) {
				first = found;
				len = strlen(marks[i]);
			}
		}
		if (!first) {
			fputs(line, out);
			return;
		}
		fwrite(line, 1, first + len - line, out);
		fprintf(out, "p%u_", plot_number);
		line = first + len;
	} while (true);
}

static void put_svg(FILE *out, FILE *svg, const char *title)
{
	char *line = NULL;
	bool begun = false;
	size_t room = 0;

	plot_number++;
	while (getline(&line, &room, svg) > 0) {
		if (!begun && !strncmp(line, "<svg", 4)) {
			fprintf(out, "<figure><figcaption>%s</figcaption><svg role=\"img\" aria-label=\"%s\"\n",
				title, title);
			begun = true;
		} else if (begun && strncmp(line, "<title>", 7) &&
			   strncmp(line, "<desc>", 6)) {
			put_line(out, line);
		}
	}
	free(line);
	if (!begun)
		errx(VERDICT_USAGE, "gnuplot has drawn nothing");
	fputs("</figure>\n", out);
}

static void run_gnuplot(FILE *script, FILE *svg)
{
	static char *const argv[] = { (char *)"gnuplot", (char *)"-d", NULL };
	posix_spawn_file_actions_t actions;
	int error, status;
	pid_t pid;

	rewind(script);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fileno(script), 0);
	posix_spawn_file_actions_adddup2(&actions, fileno(svg), 1);
	error = posix_spawnp(&pid, "gnuplot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error == ENOENT)
		errx(VERDICT_USAGE, "--html needs gnuplot for the plots of a pinstress run: apt-get install gnuplot-nox, or make setup");
	if (error)
		errx(VERDICT_USAGE, "gnuplot: %s", strerror(error));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		errx(VERDICT_USAGE, "gnuplot has failed (see above)");
}

static FILE *open_script(void)
{
	FILE *script = tmpfile();

	if (!script)
		err(VERDICT_USAGE, "a temporary file");
	fputs("set terminal svg size 520,320 dynamic font 'sans-serif,14'\n"
	      "set border 3\n"
	      "set tics nomirror out\n"
	      "set grid\n"
	      "set key above left horizontal Left reverse samplen 1.2 width 1\n"
	      "set datafile missing 'NaN'\n",
	      script);
	return script;
}

static void draw(FILE *out, FILE *script, const char *title)
{
	FILE *svg = tmpfile();

	if (!svg || fflush(script) || ferror(script))
		err(VERDICT_USAGE, "a temporary file");
	run_gnuplot(script, svg);
	rewind(svg);
	put_svg(out, svg, title);
	fclose(svg);
	fclose(script);
}

static struct unit amount_unit(double most)
{
	return most >= 2e6 ? (struct unit){ 1e6, "million " } :
	       most >= 1e4 ? (struct unit){ 1e3, "thousand " } :
			     (struct unit){ 1, "" };
}

static void put_range(FILE *script, const struct point *point, const struct range *range)
{
	fprintf(script, " %.9g %.9g %.9g", range->sum / point->nr, range->min, range->max);
}

/* Columns: time, verdict, and mean, lowest and highest of everything. */
enum column {
	TIME = 1,
	VERDICT,
	OUTSTANDING,
	HELD = OUTSTANDING + 3,
	ACQUIRED = HELD + 3,
	RELEASED = ACQUIRED + 3,
	CHAOS = RELEASED + 3,
};

static void put_points(FILE *script, const struct stress *stress)
{
	unsigned int segment = 1;

	fputs("$p << EOD\n", script);
	for (size_t i = 0; i < stress->nr_points; i++) {
		const struct point *point = &stress->points[i];

		/* What was between two segments is unknown: no line there. */
		if (point->segment != segment)
			putc('\n', script);
		segment = point->segment;
		fprintf(script, "%.9g %d", point->t, point->verdict);
		put_range(script, point, &point->outstanding);
		put_range(script, point, &point->held);
		put_range(script, point, &point->acquired);
		put_range(script, point, &point->released);
		put_range(script, point, &point->chaos);
		putc('\n', script);
	}
	fputs("EOD\n", script);
}

static FILE *open_time_plot(const struct stress *stress)
{
	struct unit unit = time_unit(stress->elapsed);
	FILE *script = open_script();

	put_points(script, stress);
	fprintf(script, "t(x) = x / %g\nset xrange [0:%.9g]\nset xlabel '%s'\n", unit.size,
		1.01 * fmax(stress->elapsed, 0.001) / unit.size, unit.name);
	for (size_t i = 0; i < stress->events.nr && i < MAX_LINES; i++) {
		double x = stress->events.note[i].t / unit.size;

		/* After a failure the search for its cause begins. */
		if (stress->events.note[i].t > stress->elapsed)
			break;
		fprintf(script, "set arrow from first %g, graph 0 to first %g, graph 1 nohead dt '.' lw 1.5 lc rgb '#d03090' back\n",
			x, x);
	}
	return script;
}

/* A line, on a band from the lowest to the highest. */
static void put_series(FILE *script, const char *separator, enum column column, double size,
		       double width, const char *title, const char *colour)
{
	fprintf(script, "%s $p using (t($1)):($%d/%g):($%d/%g) with filledcurves fs transparent solid 0.25 noborder lc rgb '%s' notitle, "
		"$p using (t($1)):($%d/%g) with lines lw %g lc rgb '%s' title '%s'",
		separator, column + 1, size, column + 2, size, colour, column, size, width,
		colour, title);
}

static void put_event_key(FILE *script, const struct stress *stress)
{
	if (stress->events.nr)
		fputs(", NaN with lines dt '.' lw 1.5 lc rgb '#d03090' title 'event'", script);
}

static void plot_outstanding(FILE *out, const struct stress *stress)
{
	FILE *script = open_time_plot(stress);
	/* Those that are right would only cover the line. */
	bool all = stress->nr_points <= MAX_MARKS;

	fputs("set ylabel 'pages'\n", script);
	put_series(script, "plot", HELD, 1, 3, "ledger", "#e0a040");
	put_series(script, ",", OUTSTANDING, 1, 1.3, "counters", "#808890");
	for (int i = 0; i < STRESS_NR_VERDICTS; i++) {
		if (stress->checkpoints[i] && (all || i > STRESS_BOUNDED))
			fprintf(script, ", $p using (t($1)):($%d==%d?$%d:NaN) with points %s title '%s'",
				VERDICT, i, OUTSTANDING, marks[i], stress_verdict_names[i]);
	}
	put_event_key(script, stress);
	fputs("\n", script);
	draw(out, script,
	     all ? "Outstanding pages at each checkpoint, since the start" :
		   "Outstanding pages at checkpoints, since the start (exact and bounded ones are not marked)");
}

static double most(const struct stress *stress)
{
	double max = 0;

	for (size_t i = 0; i < stress->nr_points; i++)
		max = fmax(max, fmax(stress->points[i].acquired.max,
				     stress->points[i].released.max));
	return max;
}

static void plot_rates(FILE *out, const struct stress *stress)
{
	struct unit unit = amount_unit(most(stress));
	FILE *script = open_time_plot(stress);

	fprintf(script, "set yrange [0:*]\nset ylabel '%spages/s'\n", unit.name);
	put_series(script, "plot", ACQUIRED, unit.size, 3, "acquired", "#2f7fd0");
	put_series(script, ",", RELEASED, unit.size, 1.3, "released", "#e07030");
	put_event_key(script, stress);
	fputs("\n", script);
	draw(out, script, "Pages acquired and released per second");
}

static void plot_chaos(FILE *out, const struct stress *stress)
{
	FILE *script = open_time_plot(stress);

	fputs("set yrange [0:*]\nset ylabel 'disturbances/s'\n", script);
	put_series(script, "plot", CHAOS, 1, 1.3, "chaos", "#9060d0");
	put_event_key(script, stress);
	fputs("\n", script);
	draw(out, script, "Chaos: disturbances per second");
}

static void plot_lag(FILE *out, const struct stress *stress)
{
	FILE *script = open_script();
	unsigned long high = 1;
	int first = 0, last = STRESS_LAG_BINS - 1;

	while (last > 0 && !stress->lag[last])
		last--;
	while (first < last && !stress->lag[first])
		first++;
	fputs("$h << EOD\n", script);
	for (int i = first; i <= last; i++) {
		fprintf(script, "%d %lu\n", i, stress->lag[i]);
		if (stress->lag[i] > high)
			high = stress->lag[i];
	}
	fputs("EOD\nset xtics (", script);
	/* The limits of the boxes, as many as there is room for. */
	for (int i = first - 1; i <= last; i += 1 + (last - first) / 8)
		fprintf(script, "%s'%.3g' %d.5", i < first ? "" : ", ",
			i < 0 ? 0 : STRESS_LAG_FIRST_MS * (1 << i), i);
	fprintf(script, ")\nset xrange [%d.5:%d.5]\n", first - 1, last);
	/* One late release among thousands is what one looks for. */
	if (high > 50)
		fprintf(script, "set logscale y\nset yrange [0.7:%lu]\n", 2 * high);
	else
		fprintf(script, "set yrange [0:%g]\n", 1.2 * high);
	fputs("n(x) = x < 1e4 ? sprintf('%d', x) : sprintf('%.0fk', x / 1e3)\n"
	      "set boxwidth 0.9\nset style fill solid 0.6\nset xlabel 'ms'\nset ylabel 'checkpoints'\n"
	      "plot $h with boxes lc rgb '#2f7fd0' notitle, $h using 1:($2>0?$2:NaN):(n($2)) with labels font ',11' offset 0,0.6 notitle\n",
	      script);
	draw(out, script, "Drain lag: until the counters were as predicted");
}

void put_plots(FILE *out, const struct stress *stress)
{
	if (!stress->nr_points)
		return;
	fputs("<div class=\"plots\">\n", out);
	plot_outstanding(out, stress);
	plot_rates(out, stress);
	if (stress->chaos.nr)
		plot_chaos(out, stress);
	plot_lag(out, stress);
	fputs("</div>\n", out);
}
