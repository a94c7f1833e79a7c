package wizard

// Steps are where to click at a provider to register Drawbridge there, in
// order. {redirect} is the redirect URI.

// Steps returns the sentences of k.
func (k Kind) Steps(redirect string) []Sentence {
	var all []Sentence
	for _, text := range kinds[k].steps {
		all = append(all, say(text, "redirect", redirect))
	}
	return all
}

var oktaSteps = []string{
	"In the Okta Admin Console open Applications, Applications, and choose Create App Integration.",
	"Choose OIDC - OpenID Connect, then Web Application, then Next.",
	"Under Grant type tick Authorization Code and Refresh Token.",
	"Under Sign-in redirect URIs take out what is there, and enter {redirect}",
	"Under Assignments choose who may use the app: Okta lets nobody else in. Save.",
	"On the tab General leave \"Require Demonstrating Proof of Possession (DPoP) header in token requests\" off, and copy Client ID and client secret.",
	"To let people in by group: on the tab Sign On, edit OpenID Connect ID Token and set the groups claim filter to groups, Matches regex, .* (a custom authorization server needs a claim named groups of its own).",
}

var auth0Steps = []string{
	"In the Auth0 dashboard open Applications, Applications, and choose Create Application, Regular Web Applications.",
	"On the tab Settings enter {redirect} under Allowed Callback URLs.",
	"There, under Advanced Settings, Grant Types, tick Authorization Code and Refresh Token. Save changes.",
	"Copy Domain, Client ID and Client Secret from the top of the same tab.",
	"An audience is needed only if you want Auth0's access tokens to be checked: enter the Identifier of an API (Applications, APIs) here, and switch on Allow Offline Access in that API's settings.",
	"To let people in by group: add a post-login action that sets the claim groups in the ID token.",
}

var entraSteps = []string{
	"In the Microsoft Entra admin center open App registrations and choose New registration.",
	"Choose who may sign in: accounts in this directory only, for nearly everybody. Under Redirect URI choose the platform Web (not single-page application) and enter {redirect}",
	"On Overview copy Application (client) ID and Directory (tenant) ID.",
	"Under Certificates & secrets choose New client secret, and copy its Value (not its Secret ID) at once: it is shown only now.",
	"Under Token configuration add the optional claims email and xms_edov to the ID token: without xms_edov Entra does not say whether an address is verified.",
	"To let people in by group: under Token configuration choose Add groups claim, Groups assigned to the application. Entra then sends each group's object ID; enter that as the group here.",
	"Under Enterprise applications, your app, Properties set Assignment required to Yes, and assign people under Users and groups.",
}

var googleSteps = []string{
	"In the Google Cloud console choose a project, and open APIs & Services, OAuth consent screen (Google Auth Platform).",
	"Under Audience choose Internal if everybody is in your Workspace. Otherwise choose External and publish the app: while it is in testing, each sign-in ends after seven days.",
	"Under Clients choose Create client, Web application, and enter {redirect} under Authorized redirect URIs.",
	"Copy the client ID and the client secret.",
	"Google names no groups: let people in by address, or by the domain of your Workspace.",
}

var keycloakSteps = []string{
	"In Keycloak's admin console choose the realm, open Clients, and choose Create client, OpenID Connect.",
	"Switch on Client authentication, and tick Standard flow.",
	"Enter {redirect} under Valid redirect URIs. Save.",
	"Copy the client secret from the tab Credentials. The client ID is the one you chose.",
	"To let people in by group: under Client scopes open the client's dedicated scope and add a mapper Group Membership with the token claim name groups, in the ID token.",
}

var otherSteps = []string{
	"Register a confidential web application (a client with a secret) at the provider.",
	"Enter {redirect} as its redirect URI (callback URL).",
	"Allow the grants authorization code and refresh token, and the scopes openid, profile, email and offline_access.",
	"To let people in by group, let the ID token carry a claim named groups.",
}
