package doctor

import (
	"testing"

	"github.com/drawbridge-app/drawbridge/assets"
)

// Each check has a name in Japanese, too.
func TestEveryCheckHasAName(t *testing.T) {
	p := patient(t)
	p.Notes, p.Documents = []string{"a"}, []string{"b"}
	p.Servers = []Server{{Name: "files"}}
	for _, c := range Run(t.Context(), p) {
		if !assets.TextsFor("ja").Has("check."+c.Name) && !assets.Translated("ja", c.Name) {
			t.Errorf("%q has no name in Japanese", c.Name)
		}
	}
}
