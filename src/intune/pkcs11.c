/* PKCS#11 over OpenSSL's engines, which OpenSSL 3 calls old but Debian 12 has. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/opensslconf.h>
#include <stddef.h>

#include "intune/appkey.h"

#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#include <openssl/ui.h>

/* Nobody is asked for a PIN at a terminal. */
static int
no_pin(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* Starts the engine.  It stays: the key is in it, and the process is short. */
static ENGINE *
start(const char *pin, bool *found)
{
	static ENGINE	*engine;

	if (engine == NULL) {
		ENGINE_load_builtin_engines();
		if ((engine = ENGINE_by_id("pkcs11")) != NULL && ENGINE_init(engine) != 1) {
			ENGINE_free(engine);
			engine = NULL;
		}
	}
	*found = engine != NULL;
	/* It would print its own account of each failure on standard error. */
	if (engine != NULL)
		ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 0);
	if (engine != NULL && pin != NULL && ENGINE_ctrl_cmd_string(engine, "PIN", pin, 0) != 1)
		return NULL;
	return engine;
}

EVP_PKEY *
pkcs11_key(const char *uri, const char *pin, bool *found)
{
	ENGINE		*engine = start(pin, found);
	UI_METHOD	*ui = UI_UTIL_wrap_read_pem_callback(no_pin, 0);
	EVP_PKEY	*key = NULL;

	if (engine != NULL && ui != NULL)
		key = ENGINE_load_private_key(engine, uri, ui, NULL);
	UI_destroy_method(ui);
	return key;
}

X509 *
pkcs11_certificate(const char *uri, const char *pin, bool *found)
{
	ENGINE	*engine = start(pin, found);
	struct {
		const char	*uri;
		X509		*cert;
	} load = { uri, NULL };

	if (engine == NULL || ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &load, NULL, 1) != 1)
		return NULL;
	return load.cert;
}

#else

EVP_PKEY *
pkcs11_key(const char *uri, const char *pin, bool *found)
{
	(void)uri;
	(void)pin;
	*found = false;
	return NULL;
}

X509 *
pkcs11_certificate(const char *uri, const char *pin, bool *found)
{
	(void)uri;
	(void)pin;
	*found = false;
	return NULL;
}

#endif
