package authserver

import "net/http"

// metadataMaxAge lets clients keep metadata for a few minutes only: it changes
// with the configuration, and who waits for that is a person.
const metadataMaxAge = "public, max-age=300"

// metadata is RFC 8414's document.
func (s *Server) metadata() map[string]any {
	m := map[string]any{
		"issuer":                                         s.Issuer,
		"authorization_endpoint":                         s.Issuer + "/authorize",
		"token_endpoint":                                 s.Issuer + "/token",
		"revocation_endpoint":                            s.Issuer + "/revoke",
		"jwks_uri":                                       s.Issuer + "/.well-known/jwks.json",
		"scopes_supported":                               s.Scopes,
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"code_challenge_methods_supported":               []string{"S256"},
		"client_id_metadata_document_supported":          !s.NoDocuments,
		"authorization_response_iss_parameter_supported": true,
	}
	if !s.NoRegistration {
		m["registration_endpoint"] = s.Issuer + "/register"
	}
	// Claude uses metadata documents only where "none" is listed, ChatGPT where
	// private_key_jwt is. What no client here has is not offered: one that registers
	// might choose it.
	methods := []string{"none"}
	secrets, keys, machines := s.Grants.Features()
	if keys = keys || !s.NoDocuments; keys {
		methods = append(methods, "private_key_jwt")
	}
	if secrets {
		methods = append(methods, "client_secret_basic", "client_secret_post")
	}
	for _, endpoint := range []string{"token", "revocation"} {
		m[endpoint+"_endpoint_auth_methods_supported"] = methods
		if keys {
			m[endpoint+"_endpoint_auth_signing_alg_values_supported"] = assertionAlgorithms
		}
	}
	grants := []string{"authorization_code", "refresh_token"}
	if s.Assertions != nil {
		grants = append(grants, jwtBearer)
		m["authorization_grant_profiles_supported"] = []string{"urn:ietf:params:oauth:grant-profile:id-jag"}
	}
	if machines {
		grants = append(grants, "client_credentials")
	}
	m["grant_types_supported"] = grants
	return m
}

// Metadata answers /.well-known/oauth-authorization-server (RFC 8414 §3).
func (s *Server) Metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", metadataMaxAge)
	writeJSON(w, http.StatusOK, s.metadata())
}

// OpenIDMetadata answers the paths of OpenID Connect Discovery §4: the same, and
// the fields without which strict OpenID parsers give up.
func (s *Server) OpenIDMetadata(w http.ResponseWriter, r *http.Request) {
	m := s.metadata()
	m["subject_types_supported"] = []string{"public"}
	m["id_token_signing_alg_values_supported"] = []string{"ES256"}
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
