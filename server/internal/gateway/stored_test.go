package gateway

import (
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/store/storetest"
)

func TestStoredFormat(t *testing.T) {
	sample, err := os.ReadFile("testdata/gathered-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Hold(t, "transport session", sample, new(gathered))
}
