package bench

import (
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

func TestMain(m *testing.M) {
	if part := parts[os.Getenv(partEnv)]; part != nil {
		part()
		return
	}
	rig.Main(m)
}
