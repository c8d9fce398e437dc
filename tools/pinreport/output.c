// SPDX-License-Identifier: GPL-2.0
/* Text for HTML and XML, and files that are whole or not there. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

/* The length of the UTF-8 character at @s, 0 if XML cannot have it. */
static size_t character(const unsigned char *s)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int c = *s;
	size_t len = 1;

	if (c < 0x80)
		return c >= ' ' ? c != 0x7f : c == '\t' || c == '\n';
	if (c < 0xc0 || c >= 0xf8)
		return 0;
	len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	c &= 0x7f >> len;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Neither longer than it need be, nor half of a pair, nor no character. */
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ||
	    (c & 0xfffe) == 0xfffe || (c >= 0x80 && c < 0xa0))
		return 0;
	return len;
}

void put_escaped(FILE *out, const char *text)
{
	size_t len;

	for (; *text; text += len) {
		len = character((const unsigned char *)text);
		if (!len) {
			fputs("\xef\xbf\xbd", out);
			len = 1;
		} else if (*text == '&') {
			fputs("&amp;", out);
		} else if (*text == '<') {
			fputs("&lt;", out);
		} else if (*text == '>') {
			fputs("&gt;", out);
		} else if (*text == '"') {
			fputs("&quot;", out);
		} else {
			fwrite(text, 1, len, out);
		}
	}
}

static char *temporary;

static void remove_temporary(void)
{
	if (temporary)
		unlink(temporary);
}

static void write_all(int fd, const char *text, size_t len, const char *path)
{
	ssize_t n;

	for (; len; text += n, len -= n) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			err(VERDICT_USAGE, "%s", path);
	}
}

void write_file(const char *path, const char *text, size_t len)
{
	struct stat st;
	mode_t mask;
	int fd;

	if (!strcmp(path, "-")) {
		write_all(STDOUT_FILENO, text, len, "standard output");
		return;
	}
	/* A device or a pipe is written to, not replaced. */
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		FILE *out = fopen(path, "we");

		if (!out)
			err(VERDICT_USAGE, "%s", path);
		write_all(fileno(out), text, len, path);
		fclose(out);
		return;
	}
	temporary = format("%s.XXXXXX", path);
	fd = mkstemp(temporary);
	if (fd < 0) {
		free(temporary);
		temporary = NULL;
		err(VERDICT_USAGE, "%s", path);
	}
	atexit(remove_temporary);
	write_all(fd, text, len, path);
	mask = umask(0);
	umask(mask);
	if (fchmod(fd, 0666 & ~mask) || close(fd) || rename(temporary, path))
		err(VERDICT_USAGE, "%s", path);
	free(temporary);
	temporary = NULL;
}
