/* What another server has put into Redis: whatever is taken says the same when it
 * is packed again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/share_entry.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned char	 again[SHARE_CLIENT_MAX];
	static struct share_order	 order;
	struct share_entry	 e, f;
	const char		*why = NULL;
	size_t			 n;

	if (!share_unpack(data, len, &e, &why)) {
		if (why == NULL)
			__builtin_trap();
		return 0;
	}
	n = e.kind == 'd' ? share_pack_answer(again, &e.a, e.voids) :
	    share_pack_client(again, &e.cl, &order);
	if (n == 0 || !share_unpack(again, n, &f, &why) || f.kind != e.kind)
		__builtin_trap();
	if (e.kind == 'c' && (strcmp(e.cl.id, f.cl.id) != 0 || e.cl.seen != f.cl.seen ||
	    e.cl.len != f.cl.len || memcmp(e.cl.text, f.cl.text, e.cl.len) != 0))
		__builtin_trap();
	if (e.kind == 'd' && (e.voids != f.voids || e.a.checked != f.a.checked ||
	    e.a.nasked != f.a.nasked || strcmp(e.a.asked[0].value, f.a.asked[0].value) != 0))
		__builtin_trap();
	return 0;
}
