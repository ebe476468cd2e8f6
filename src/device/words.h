/*
 * The names of each enumeration in a record under one type, for readers that find
 * a word's number by trying them: i runs from 0 to the last of the enumeration.
 */
#ifndef DEVICE_WORDS_H
#define DEVICE_WORDS_H

#include "device/answer.h"
#include "device/identity.h"
#include "device/session.h"

const char *eap_word(int i);
const char *found_word(int i);
const char *hint_word(int i);
const char *medium_word(int i);
const char *match_word(int i);
const char *space_word(int i);
const char *source_word(int i);

#endif
