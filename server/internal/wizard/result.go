package wizard

import (
	"slices"
	"strings"

	"github.com/drawbridge-app/drawbridge/server/config"
	"github.com/drawbridge-app/drawbridge/server/internal/idp"
	"github.com/drawbridge-app/drawbridge/server/status"
)

// TrialResult is what a sign-in would have brought, and what would have come of
// it.
type TrialResult struct {
	Name, Email string
	Verified    bool
	Groups      []string
	NoGroups    Sentence // why Groups is empty; zero if it is not

	Refresh bool // the provider gave a refresh token
	Scopes  []string

	Allowed  bool     // under the access list
	Verdict  Sentence // and why
	Warnings []Sentence
}

// maxShown is how many groups or scopes are shown.
const maxShown = 100

// result makes sentences of what a trial found.
func (t *trial) result(tried idp.Trial) *TrialResult {
	id := tried.Identity
	r := &TrialResult{Name: status.Clean(id.Name, 100), Email: status.Clean(id.Email, 254),
		Verified: id.EmailVerified, Groups: shown(id.Groups), Refresh: tried.Refresh, Scopes: shown(tried.Scopes)}
	if tried.Scopes == nil {
		r.Scopes = shown(tried.Asked)
	}
	kind, f := KindOf(config.IDP{Issuer: t.cfg.Issuer, ClientID: t.cfg.ClientID})
	r.Allowed, r.Verdict = letsIn(t.access, id)
	r.NoGroups = noGroups(kind, f, tried)
	warn := func(yes bool, text string) {
		if yes {
			r.Warnings = append(r.Warnings, Sentence{text, t.client.Words()})
		}
	}
	if len(t.access.Groups) > 0 && !r.NoGroups.IsZero() {
		r.Warnings = append(r.Warnings, r.NoGroups)
	}
	warn(!tried.Refresh, noRefresh[kind])
	warn(id.Email == "", "{Name} gave no e-mail address. Allow the scope email for the app there, unless you let people in by group only.")
	warn(id.Email != "" && !id.EmailVerified, unverified[kind == Entra])
	warn(t.cfg.TrustEmail && id.Unsaid.Verified, "{Name} does not say whether the e-mail address is verified, and it counts all the same, as you chose in Setup. Whoever can enter another's address there can sign in as them.")
	warn(kind == Okta && len(id.Groups) >= 100, "Okta names no more than a hundred groups and leaves the others out. Let the filter of the groups claim name only those that matter here.")
	warn(len(t.access.Domains) > 0 && kind == Google && id.Domain == "", "This is a private Google account: it belongs to no Workspace, so no domain on the list lets it in.")
	return r
}

func shown(list []string) []string {
	var out []string
	for _, s := range list[:min(len(list), maxShown)] {
		out = append(out, status.Clean(s, 256))
	}
	return out
}

// noRefresh says what to switch on where the provider gave no refresh token.
// Without one Drawbridge can't ask again who somebody is, so a session ends
// with its first access token.
var noRefresh = map[Kind]string{
	Okta:     "Okta gave no refresh token, so each session would end after half an hour. Tick Refresh Token under Grant type in the app's general settings, and let the scope offline_access be asked for.",
	Auth0:    "Auth0 gave no refresh token, so each session would end after half an hour. Tick Refresh Token under Grant Types in the application's advanced settings, and if there is an audience, switch on Allow Offline Access in that API's settings.",
	Entra:    "Microsoft Entra gave no refresh token, so each session would end after half an hour. Add offline_access to the scopes in Setup.",
	Google:   "Google gave no refresh token, so each session would end after half an hour. Take Drawbridge out of your account's connected apps (myaccount.google.com/connections), and try again.",
	Keycloak: "Keycloak gave no refresh token, so each session would end after half an hour. Switch on Use refresh tokens in the client's advanced settings.",
	Other:    "{Name} gave no refresh token, so each session would end after half an hour. Allow the grant refresh_token, and the scope offline_access, in the client's settings there.",
}

var unverified = map[bool]string{
	false: "{Name} does not say that the e-mail address is verified, so addresses and domains on the list don't let this person in. Verify the address there, let people in by group, or, if nobody there can enter another's address and it never says so, tick that its addresses count in Setup.",
	true:  "Microsoft Entra does not say that the e-mail address is verified. Add the optional claim xms_edov to the ID token under Token configuration, or let people in by group.",
}

// noGroups says why there are no groups.
func noGroups(kind Kind, f Form, tried idp.Trial) Sentence {
	switch {
	case len(tried.Identity.Groups) > 0:
		return Sentence{}
	case tried.Identity.Unsaid.Overage:
		return say("Microsoft Entra left the groups out, as there are too many. Under Token configuration let it send only the groups assigned to the application.")
	case !tried.Identity.Unsaid.Groups:
		return say("The provider says that this person is in no group. If that is wrong, look at the filter of the groups claim there.")
	case len(tried.Identity.Unsaid.GroupsIn) > 0:
		return say("The provider names no groups where Drawbridge looks, but something like groups in {claims}. Enter that as the groups claim, among the details of the provider.", "claims", strings.Join(tried.Identity.Unsaid.GroupsIn, ", "))
	case kind == Okta && f[FieldServer] == OrgServer && !slices.Contains(tried.Asked, groupsScope):
		return say("Okta was not asked for groups. Setup asks for them as soon as a group is on the list of who may sign in.")
	}
	return say(tried.Identity.Unsaid.Cure)
}
