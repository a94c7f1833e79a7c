package mount

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Drawbridges may mount each other, but none by way of itself: its offers would
// grow without end. A request names those that it has passed, and an answer to it
// those that its offers come from. Each is named by a hash of its address, which
// is nobody else's business.
const (
	viaHeader   = "Drawbridge-Via"
	reachHeader = "Drawbridge-Reach"
	maxHops     = 8
	maxReach    = 64
)

func hopOf(issuer string) string {
	sum := sha256.Sum256([]byte("drawbridge hop, v1\n" + issuer))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

var hopName = regexp.MustCompile(`^[\w-]{22}$`)

// hops reads a header: what is no name is passed over, and what is too much.
func hops(header string) []string {
	all := strings.SplitN(header, ",", maxReach+2)
	all = slices.DeleteFunc(all[:min(len(all), maxReach+1)], func(hop string) bool { return !hopName.MatchString(hop) })
	return all
}

type viaKey struct{}

// via is the value of Drawbridge-Via of what a request causes.
func (s *Set) via(ctx context.Context) string {
	before, _ := ctx.Value(viaKey{}).([]string)
	return strings.Join(append(slices.Clone(before), s.hop), ",")
}

// errLoop and errFar are why a request of another Drawbridge is not answered.
var (
	errLoop = errors.New("This request has passed here before: Drawbridges mount each other in a circle. Take one of them out of mcp.json")
	errFar  = errors.New("This request has passed too many Drawbridges. Mount the one that has the tool directly")
)

// Pass reads what r has passed, for what it causes, and has the answer say where
// our offers come from. The error is a sentence.
func (s *Set) Pass(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	before := hops(r.Header.Get(viaHeader))
	switch {
	case len(before) == 0:
		return r, nil
	case slices.Contains(before, s.hop):
		return r, errLoop
	case len(before) > maxHops:
		return r, errFar
	}
	reach := []string{s.hop}
	for _, one := range s.all() {
		one.mu.Lock()
		reach = append(reach, one.reach...)
		one.mu.Unlock()
	}
	slices.Sort(reach[1:])
	reach = slices.Compact(reach)
	w.Header().Set(reachHeader, strings.Join(reach[:min(len(reach), maxReach)], ","))
	return r.WithContext(context.WithValue(r.Context(), viaKey{}, before)), nil
}

// reaches notes where the offers of the server come from, which is nowhere if
// they come from here.
func (s *server) reaches(header http.Header) *failure {
	said := header.Get(reachHeader)
	s.mu.Lock()
	defer s.mu.Unlock()
	if said == "" { // no Drawbridge, or none that looked at the request
		return nil
	}
	if s.reach = hops(said); !slices.Contains(s.reach, s.set.hop) {
		return nil
	}
	s.reach = nil
	return &failure{text: "leads back to this Drawbridge, which it mounts itself or by another. Take it out of mcp.json, here or there.", kind: lasting, status: http.StatusLoopDetected}
}
