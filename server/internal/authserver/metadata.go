package authserver

import "net/http"

// metadata is RFC 8414's document. The OpenID variants have the same values,
// and those fields besides without which strict OpenID parsers give up.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	TokenAuth             []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuth        []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs    []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	MetadataDocuments     bool     `json:"client_id_metadata_document_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"`
	SubjectTypes          []string `json:"subject_types_supported,omitempty"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported,omitempty"`
}

// metadataMaxAge lets clients keep metadata for a few minutes only: it changes
// with the configuration, and who waits for that is a person.
const metadataMaxAge = "public, max-age=300"

func (s *Server) metadata() metadata {
	m := metadata{
		Issuer:                s.Issuer,
		AuthorizationEndpoint: s.Issuer + "/authorize",
		TokenEndpoint:         s.Issuer + "/token",
		RegistrationEndpoint:  s.Issuer + "/register",
		RevocationEndpoint:    s.Issuer + "/revoke",
		JWKSURI:               s.Issuer + "/.well-known/jwks.json",
		Scopes:                s.Scopes,
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query"},
		GrantTypes:            []string{"authorization_code", "refresh_token"},
		// Claude uses metadata documents only where "none" is listed, ChatGPT
		// where private_key_jwt is.
		TokenAuth:          []string{"none", "private_key_jwt"},
		TokenAuthAlgs:      assertionAlgorithmNames(),
		RevocationAuth:     []string{"none", "private_key_jwt"},
		RevocationAuthAlgs: assertionAlgorithmNames(),
		ChallengeMethods:   []string{"S256"},
		MetadataDocuments:  !s.NoDocuments,
		IssParameter:       true,
	}
	if s.NoDocuments { // only these have keys
		m.TokenAuth, m.RevocationAuth = []string{"none"}, []string{"none"}
		m.TokenAuthAlgs, m.RevocationAuthAlgs = nil, nil
	}
	if s.NoRegistration {
		m.RegistrationEndpoint = ""
	}
	return m
}

// Metadata answers /.well-known/oauth-authorization-server (RFC 8414 §3).
func (s *Server) Metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", metadataMaxAge)
	writeJSON(w, http.StatusOK, s.metadata())
}

// OpenIDMetadata answers the paths of OpenID Connect Discovery §4.
func (s *Server) OpenIDMetadata(w http.ResponseWriter, r *http.Request) {
	m := s.metadata()
	m.SubjectTypes = []string{"public"}
	m.IDTokenAlgs = []string{"ES256"}
	w.Header().Set("Cache-Control", metadataMaxAge)
	writeJSON(w, http.StatusOK, m)
}

// Keys answers /.well-known/jwks.json (RFC 7517 §5).
func (s *Server) Keys(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", metadataMaxAge)
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(s.JWKS)
}
