package control

import (
	"slices"

	"github.com/drawbridge-app/drawbridge/server/status"
)

// Scripts read what is printed: a list without entries is [], never null.

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func tidyStatus(s status.Status) status.Status {
	s.Servers = orEmpty(s.Servers)
	return s
}

func tidySessions(list []status.Session) []status.Session {
	list = orEmpty(slices.Clone(list))
	for i := range list {
		list[i].Scopes = orEmpty(list[i].Scopes)
	}
	return list
}

func tidyClients(list []status.Client) []status.Client {
	list = orEmpty(slices.Clone(list))
	for i := range list {
		list[i].RedirectURIs = orEmpty(list[i].RedirectURIs)
	}
	return list
}
