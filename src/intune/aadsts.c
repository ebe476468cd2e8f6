#include <stddef.h>

#include "intune/aadsts.h"

/* What to do about it, by the page of the Microsoft Entra admin center. */
#define ADMIN	"Entra admin center > "
#define SECRET	ADMIN "App registrations > the application > Certificates & secrets: make a new " \
		"client secret, and put its value, not its id, into client_secret_file"
#define CERT	ADMIN "App registrations > the application > Certificates & secrets > " \
		"Certificates: upload the certificate, and compare its thumbprint"
#define CLOCK	"set the clock of this machine, by NTP"
#define SCOPE	"leave --scope out"
#define CLOUD	"see cloud in nac.conf(5)"
#define FED	ADMIN "App registrations > the application > Certificates & secrets > Federated " \
		"credentials: issuer, subject and audience must be exactly the token's"

/* Microsoft: "Microsoft Entra authentication and authorization error codes".
 * The numbers are for people; decisions are made on the HTTP status. */
static const struct aadsts {
	int		 code;
	const char	*meaning;
	const char	*remedy;
} aadsts[] = {
	{ 7000215, "the client secret is wrong", SECRET },
	{ 7000222, "the client secret has expired", SECRET },
	{ 7000218, "neither a secret nor an assertion arrived",
	    "a proxy may change requests: does it inspect TLS?" },
	{ 7000112, "the application is disabled",
	    ADMIN "Enterprise applications > the application > Properties: let users sign in" },
	{ 700016, "the application is not in this tenant",
	    "compare client_id and tenant with App registrations > the application > Overview" },
	{ 700027, "the certificate is not registered with the application, or has expired",
	    CERT },
	{ 700024, "the assertion is outside its validity: check this machine's clock",
	    CLOCK },
	{ 50012, "the assertion is bad or has expired", CERT },
	{ 50013, "the assertion is not valid", CERT },
	{ 500133, "the assertion is out of time: check this machine's clock", CLOCK },
	{ 50027, "the assertion is malformed", "try assertion_alg = RS256" },
	{ 90002, "no such tenant, or another cloud's",
	    "compare tenant with App registrations > the application > "
	    "Overview, and see cloud in nac.conf(5)" },
	{ 500011, "the resource of this scope has no service principal in the tenant",
	    "is it the right cloud? Intune's own appears in Enterprise "
	    "applications once the tenant has Intune" },
	{ 70011, "the scope is not valid", SCOPE },
	{ 1002012, "the scope must end in /.default", SCOPE },
	{ 700022, "the scope names more than one resource", SCOPE },
	{ 901002, "the endpoint takes a scope and no resource", SCOPE },
	{ 900144, "a parameter is missing",
	    "a proxy may change requests: does it inspect TLS?" },
	{ 90014, "a parameter is missing",
	    "a proxy may change requests: does it inspect TLS?" },
	{ 90038, "the tenant is in another national cloud", CLOUD },
	{ 900382, "the application is in another national cloud", CLOUD },
	{ 900432, "the application is in another national cloud", CLOUD },
	{ 9001023, "tenant must name one tenant", "set tenant to its id or domain" },
	{ 50196, "too many token requests: is the token cache writable?",
	    "see token_dir in nac.conf(5)" },
	{ 90006, "a passing fault at Microsoft", "try again in a minute" },
	{ 90012, "a passing fault at Microsoft", "try again in a minute" },
	{ 90024, "a passing fault at Microsoft", "try again in a minute" },
	{ 90033, "a passing fault at Microsoft", "try again in a minute" },
	{ 90090, "a passing fault at Microsoft", "try again in a minute" },
	{ 90055, "the tenant makes too many requests",
	    "try again later, and see which other applications ask too often" },
	{ 70021, "no federated credential of the application matches this token", FED },
	{ 700211, "no federated credential of the application has this token's issuer",
	    FED },
	{ 700212, "no federated credential of the application has this token's audience",
	    FED },
	{ 700213, "no federated credential of the application has this token's subject",
	    FED },
	{ 530032, "blocked by a security policy of the tenant",
	    ADMIN "Protection > Conditional Access, for workload identities" },
	{ 53003, "blocked by Conditional Access",
	    ADMIN "Protection > Conditional Access, for workload identities" },
};

static const struct aadsts *
find_code(int code)
{
	size_t	 i;

	for (i = 0; i < sizeof(aadsts) / sizeof(aadsts[0]); i++)
		if (aadsts[i].code == code)
			return &aadsts[i];
	return NULL;
}

const char *
aadsts_meaning(int code)
{
	const struct aadsts	*a = find_code(code);

	return a != NULL ? a->meaning : NULL;
}

const char *
aadsts_remedy(int code)
{
	const struct aadsts	*a = find_code(code);

	return a != NULL ? a->remedy : NULL;
}
