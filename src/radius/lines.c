#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "radius/lines.h"

/* A file that everybody may write is fine where nothing secret hangs on it,
 * but it must be a file: a FIFO would wait for ever. */
static int
open_plain(const char *path, char why[FILE_WHY])
{
	struct stat	 st;
	int		 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1 ||
	    fstat(fd, &st) == -1)
		snprintf(why, FILE_WHY, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		snprintf(why, FILE_WHY, "%s: is no regular file", path);
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

char *
lines_read(const char *path, bool checked, size_t *len, conf_report report, void *arg)
{
	char	 why[FILE_WHY], *text = NULL;
	int	 fd;

	fd = checked ? file_open_checked(path, 0, why) : open_plain(path, why);
	if (fd == -1) {
		report(arg, why);
		return NULL;
	}
	if (file_read_all(fd, LINES_MAX, &text, len) == -1) {
		snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
		report(arg, why);
	}
	close(fd);
	return text;
}

void
lines_start(struct lines *l, const char *name, char *text, size_t len,
    conf_report report, void *arg)
{
	memset(l, 0, sizeof(*l));
	l->name = name;
	l->next = text;
	l->left = len;
	l->report = report;
	l->arg = arg;
}

static void
complain(struct lines *l, size_t column, const char *what)
{
	char	 msg[FILE_WHY + 512];

	l->errors++;
	snprintf(msg, sizeof(msg), "%s:%zu:%zu: %s", l->name, l->line, column, what);
	l->report(l->arg, msg);
}

void
lines_error(struct lines *l, const struct word *at, const char *fmt, ...)
{
	char	 what[512];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	complain(l, at != NULL ? at->column : 1, what);
}

void
lines_wrong(struct lines *l, const struct word *at, const char *what)
{
	char	 shown[TEXT_SHOWN];

	text_safe(shown, sizeof(shown), at->text, strlen(at->text));
	lines_error(l, at, "%s \"%s\"", what, shown);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the quoted word at s (its opening quote) out of len bytes.  Returns the
 * bytes used, 0 when the quote is never closed. */
static size_t
quoted(char *s, size_t len)
{
	size_t	 i, o = 0;

	for (i = 1; i < len && s[i] != '"'; i++) {
		if (s[i] == '\\' && i + 1 < len && (s[i + 1] == '"' || s[i + 1] == '\\'))
			i++;
		s[o++] = s[i];
	}
	if (i >= len)
		return 0;
	s[o] = '\0';
	return i + 1;
}

/* Cuts one line of len bytes into l->word[]; s[len] may be overwritten. */
static bool
cut(struct lines *l, char *s, size_t len)
{
	struct word	*w;
	size_t		 i, n;

	l->nword = 0;
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 && !is_blank(s[i])) {
			complain(l, i + 1, "a control byte");
			return false;
		}
	for (i = 0; i < len; i += n) {
		for (n = 0; i + n < len && is_blank(s[i + n]); n++)
			;
		if (n > 0)
			continue;
		if (s[i] == '#')
			break;
		if (l->nword == LINES_WORDS) {
			complain(l, i + 1, "too many words in this line");
			return false;
		}
		w = &l->word[l->nword++];
		w->text = s + i;
		w->column = i + 1;
		w->quoted = s[i] == '"';
		if (w->quoted) {
			if ((n = quoted(s + i, len - i)) == 0) {
				complain(l, i + 1, "this quote is never closed");
				return false;
			}
			if (i + n < len && !is_blank(s[i + n])) {
				complain(l, i + n + 1, "expected a blank behind the quote");
				return false;
			}
			continue;
		}
		for (n = 0; i + n < len && !is_blank(s[i + n]); n++)
			;
		s[i + n] = '\0';
		n++;
	}
	return true;
}

bool
lines_next(struct lines *l)
{
	char	*s, *nl;
	size_t	 len;

	while (l->left > 0) {
		s = l->next;
		nl = memchr(s, '\n', l->left);
		len = nl != NULL ? (size_t)(nl - s) : l->left;
		l->next = s + len + (nl != NULL);
		l->left -= len + (nl != NULL);
		l->line++;
		if (cut(l, s, len) && l->nword > 0)
			return true;
	}
	return false;
}
