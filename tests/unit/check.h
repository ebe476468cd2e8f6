/*
 * The unit tests' harness: CHECK() counts, the program prints TAP, and main()
 * ends with `return check_done();`.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <string.h>

static int check_count, check_failed;

#define CHECK(cond) check_one((cond) ? 1 : 0, #cond, __FILE__, __LINE__)
#define CHECK_STR(got, want) check_str(got, want, __FILE__, __LINE__)

static inline int
check_one(int good, const char *what, const char *file, int line)
{
	check_count++;
	if (!good)
		check_failed++;
	printf("%sok %d - %s:%d: %s\n", good ? "" : "not ", check_count, file, line, what);
	return good;
}

static inline int
check_str(const char *got, const char *want, const char *file, int line)
{
	int	 good = strcmp(got, want) == 0;

	check_one(good, want, file, line);
	if (!good)
		printf("# got  %s\n# want %s\n", got, want);
	return good;
}

static inline int
check_done(void)
{
	printf("1..%d\n", check_count);
	return check_failed != 0;
}

#endif
