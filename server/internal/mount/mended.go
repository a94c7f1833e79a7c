package mount

import (
	"slices"
)

// maxOdd bounds what is said about the items of one server.
const maxOdd = 50

// sayOdd notes what is odd now and was not before.
func (s *server) sayOdd(was, is *Catalog) {
	for i, line := range is.Odd {
		if was != nil && slices.Contains(was.Odd, line) {
			continue
		}
		if i == maxOdd {
			s.log.say("More of what it offers is odd: %d lines in all.", len(is.Odd))
			return
		}
		s.log.say("What it offers was mended, so that clients take it: %s.", line)
		s.set.o.Log.Info("mended what a server offers", "server", s.name, "what", line)
	}
}
