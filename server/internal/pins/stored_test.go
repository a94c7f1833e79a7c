package pins

import (
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/internal/store/storetest"
)

func TestStoredFormat(t *testing.T) {
	sample, err := os.ReadFile("testdata/pin-whole.json")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Hold(t, "pin", sample, new(pin))
}
