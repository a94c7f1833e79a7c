package serverauth

import (
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/store/storetest"
)

func TestStoredFormat(t *testing.T) {
	sample, err := os.ReadFile("testdata/record-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Hold(t, "sign-in", sample, new(record))
}
