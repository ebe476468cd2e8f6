/*
 * The error numbers of Entra ID in plain words.  They are for people and may change:
 * decisions are made on the HTTP status.
 */
#ifndef INTUNE_AADSTS_H
#define INTUNE_AADSTS_H

/* What the code behind "AADSTS" means, and what to do about it on which page of the
 * Entra admin center: a clause each, or NULL for a code that is not known. */
const char *aadsts_meaning(int code);
const char *aadsts_remedy(int code);

#endif
