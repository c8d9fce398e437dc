// SPDX-License-Identifier: GPL-2.0
/* A job as one line of options: printed, saved, and read back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "pinstress.h"

void job_line(const struct options *opt, char *text, size_t len)
{
	size_t used;

	used = snprintf(text, len, "--seed %llu --consumers %s --memory %s --chaos %s --jobs %u --hold %u --pages %u-%u --repeat %u --checkpoint %gs",
			(unsigned long long)opt->seed, opt->consumers, opt->memory,
			opt->chaos, opt->jobs, opt->hold, opt->min_pages, opt->max_pages,
			opt->repeat, opt->checkpoint_ns / 1e9);
	if (opt->duration_ns && used < len)
		used += snprintf(text + used, len - used, " --duration %gs",
				 opt->duration_ns / 1e9);
	if (opt->operations && used < len)
		used += snprintf(text + used, len - used, " --operations %llu",
				 (unsigned long long)opt->operations);
	if (opt->rate && used < len)
		used += snprintf(text + used, len - used, " --rate %u", opt->rate);
	if (opt->node >= 0 && used < len)
		used += snprintf(text + used, len - used, " --numa %d", opt->node);
	if (opt->strict && used < len)
		snprintf(text + used, len - used, " --strict");
}

int job_save(const struct options *opt, const char *path)
{
	char text[2048];
	FILE *f = fopen(path, "we");
	int err;

	if (!f)
		return -errno;
	job_line(opt, text, sizeof(text));
	fprintf(f, "# pinstress --replay %s\n%s\n", path, text);
	err = ferror(f) ? -EIO : 0;
	return fclose(f) ? -errno : err;
}

/* Lines of options; # begins a comment. Returns 0 or -errno. */
int job_load(struct options *opt, const char *path)
{
	char line[4096], *argv[64], *word, *rest;
	FILE *f = fopen(path, "re");
	int argc = 0, err = -EINVAL;

	if (!f)
		return -errno;
	argv[argc++] = (char *)"pinstress";
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "#\n")] = '\0';
		for (rest = line; (word = strsep(&rest, " \t"));) {
			if (*word && argc < 63)
				argv[argc++] = strdup(word);	/* options keep them */
		}
	}
	fclose(f);
	argv[argc] = NULL;
	if (argc > 1)
		err = parse_job(opt, argc, argv);
	return err;
}
