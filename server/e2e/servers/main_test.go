package servers

import (
	"os"
	"testing"

	"github.com/drawbridge-app/drawbridge/server/e2e/rig"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(foldingEnv); kind != "" {
		serveFolding(kind)
		return
	}
	rig.Main(m)
}
