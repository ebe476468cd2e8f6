/*
 * Runs a fuzz target over the files of a corpus, so that every input that ever
 * mattered is a unit test, with any compiler.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
main(int argc, char **argv)
{
	struct dirent	*e;
	DIR		*dir;
	char		*data;
	size_t		 len;
	int		 fd, n = 0;

	if (argc != 2 || (dir = opendir(argv[1])) == NULL)
		err(1, "%s", argc > 1 ? argv[1] : "usage: replay corpus");
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if ((fd = openat(dirfd(dir), e->d_name, O_RDONLY)) == -1 ||
		    file_read_all(fd, SIZE_MAX / 2, &data, &len) == -1)
			err(1, "%s/%s", argv[1], e->d_name);
		close(fd);
		LLVMFuzzerTestOneInput((const uint8_t *)data, len);
		free(data);
		printf("ok %d - %s/%s\n", ++n, argv[1], e->d_name);
	}
	closedir(dir);
	printf("1..%d\n", n);
	return n == 0;
}
