/*
 * The memory of radius-hook, in place of the C library's: one block, of which
 * nothing is ever given back, as the program ends with its one decision.  A heap
 * that is set up, given back and faulted in costs it as much as all its work.
 *
 * Not in libnac.a: other programs have the C library's.  Not for threads.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define POOL	(256 * 1024)	/* rules of some hundred lines; no page costs before its use */
#define MORE	(1024 * 1024)	/* asked for at once behind that */
#define ALIGN	16

/* In front of each piece. */
struct head {
	_Alignas(ALIGN) size_t size;
};

static _Alignas(ALIGN) unsigned char pool[POOL];
static unsigned char	*at = pool, *end = pool + sizeof(pool);

void *
malloc(size_t size)
{
	struct head	*h;
	unsigned char	*more;
	size_t		 need, room;

	if (size > PTRDIFF_MAX - MORE) {
		errno = ENOMEM;
		return NULL;
	}
	need = sizeof(*h) + ((size + ALIGN - 1) & ~(size_t)(ALIGN - 1));
	if ((size_t)(end - at) < need) {
		room = need > MORE ? need : MORE;
		if ((more = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0)) == MAP_FAILED) {
			errno = ENOMEM;
			return NULL;
		}
		at = more;
		end = more + room;
	}
	h = (struct head *)(void *)at;
	h->size = need - sizeof(*h);
	at += need;
	return h + 1;
}

void
free(void *p)
{
	(void)p;
}

/* What malloc() gives was never used before, and so is zero. */
void *
calloc(size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc(n * size);
}

void *
realloc(void *p, size_t size)
{
	struct head	*h = p;
	void		*new;

	if (p != NULL && size <= h[-1].size)
		return p;
	if ((new = malloc(size)) != NULL && p != NULL)
		memcpy(new, p, h[-1].size);
	return new;
}
