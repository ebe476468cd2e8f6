#include "device/words.h"

const char *
eap_word(int i)
{
	return eap_name((enum eap)i);
}

const char *
found_word(int i)
{
	return found_name((enum found)i);
}

const char *
hint_word(int i)
{
	return hint_name((enum hint)i);
}

const char *
medium_word(int i)
{
	return medium_name((enum medium)i);
}

const char *
match_word(int i)
{
	return match_name((enum match)i);
}

const char *
space_word(int i)
{
	return id_space_name((enum id_space)i);
}

const char *
source_word(int i)
{
	return source_name((enum source)i);
}
